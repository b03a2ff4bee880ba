"""What is served: a run, or a file that was exported from one, behind the same few methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from textnets.predictions import Prediction

_EXPORTED = "model.textnets"  # what 'textnets export --to numpy' writes into its folder

#: As :meth:`textnets.tasks.inference.Prediction.as_json`.
Answer = dict[str, Any]


class Answering(Protocol):
    """What a run's predictor and that of an exported file have in common; see
    :class:`textnets.tasks.Predictor`."""

    prediction: ClassVar[type[Prediction]]

    def about(self) -> dict[str, Any]: ...

    def respond(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Prediction]: ...

    def follow(self, prompt: str, wishes: Mapping[str, Any]) -> Iterator[Answer]: ...


@dataclass(frozen=True)
class Served:
    """A model that answers.

    Attributes:
        name: of the run, or of the folder of the file.
        task: of the model.
        predictor: that answers.
        form: what a client may want to know of how it is kept.
    """

    name: str
    task: str
    predictor: Answering
    form: Mapping[str, Any]

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""
        return {**self.form, **self.predictor.about()}

    @property
    def wishes(self) -> frozenset[str]:
        """The keys that a request to it may have besides its texts."""
        return self.predictor.prediction.wishes

    def predict(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Answer]:
        """An answer for each text.

        Raises:
            InputError: a wish asks for what the model cannot do.
        """
        return [one.as_json() for one in self.predictor.respond(texts, wishes)]

    def stream(self, prompt: str, wishes: Mapping[str, Any]) -> Iterator[Answer]:
        """A continuation, token by token: the text so far, with its last token.

        Raises:
            InputError: the model does not write, or a wish is out of its range.
        """
        return self.predictor.follow(prompt, wishes)


def _of_run(folder: Path, device: str, allow_builders: Sequence[str]) -> Served:
    from textnets.tasks import Predictor

    predictor = Predictor.load(folder, device=device, allow_builders=allow_builders)
    predictor.predict([predictor.sample])  # the first call traces the graph
    return Served(folder.resolve().name, predictor.task.name, predictor, {"form": "run"})


def _of_file(path: Path) -> Served:
    """Of ``textnets export --to numpy``, or of its folder: a start without TensorFlow."""
    from textnets import lite

    model, place = lite.load(path), path.resolve()
    name = place.parent.name if place.is_file() else place.name
    form = {"form": "numpy", "quantize": model.info.get("quantize")}
    return Served(name, str(model.task), model, form)


def load_served(
    path: str | Path, *, device: str = "auto", allow_builders: Sequence[str] = ()
) -> Served:
    """A run directory, or an exported file, or the folder of one.

    Args:
        path: of it.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``; for a run.
        allow_builders: modules that may be imported, for a run whose builder is of one.

    Raises:
        InputError: it is neither, or damaged.
    """
    place = Path(path)
    if place.is_file() or (place / _EXPORTED).is_file():
        return _of_file(place)
    return _of_run(place, device, allow_builders)
