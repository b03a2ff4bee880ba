"""What is served: a run, or a file that was exported from one, behind the same few methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from textnets.errors import InputError

_EXPORTED = "model.textnets"  # what 'textnets export --to numpy' writes into its folder

#: As :meth:`textnets.tasks.inference.Prediction.as_json`.
Answer = dict[str, Any]


class Served(Protocol):
    """A model that answers."""

    name: str
    task: str

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""

    def predict(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[Answer]:
        """An answer for each text.

        Raises:
            InputError: an option asks for what the model cannot do.
        """

    def stream(self, prompt: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        """A continuation, token by token: the text so far, with its last token.

        Raises:
            InputError: the model does not write, or an option is out of its range.
        """


class ServedRun:
    """A run directory.

    Args:
        folder: of the run.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        allow_builders: modules that may be imported.
    """

    def __init__(
        self, folder: Path, *, device: str = "auto", allow_builders: Sequence[str] = ()
    ) -> None:
        from textnets.tasks import Predictor

        self._predictor = Predictor.load(folder, device=device, allow_builders=allow_builders)
        self.name, self.task = folder.resolve().name, self._predictor.task.name
        self.predict(["warm up"], {})  # the first call traces the graph

    def about(self) -> dict[str, Any]:
        from textnets.tasks.translation import TranslationPredictor

        found: dict[str, Any] = {"form": "run"}
        labels = getattr(self._predictor.preprocessor, "labels", None)
        if labels is not None:
            found["labels"] = list(labels)
        if isinstance(self._predictor, TranslationPredictor):
            inference = self._predictor.inference
            found |= {"most_translations": inference.beam_size, "attention": inference.can_attend}
        return found

    def predict(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[Answer]:
        from textnets.tasks.language_modeling import LanguageModelPredictor
        from textnets.tasks.translation import TranslationPredictor

        if options and isinstance(self._predictor, TranslationPredictor):
            return [one.as_json() for one in self._predictor.translate(texts, **options)]
        if options and isinstance(self._predictor, LanguageModelPredictor):
            return [
                one.as_json()
                for text in texts
                for one in self._predictor.write(text, **_as_writing(options))
            ]
        return [one.as_json() for one in self._predictor.predict(texts)]

    def stream(self, prompt: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        from textnets.tasks.language_modeling import LanguageModelPredictor

        if not isinstance(self._predictor, LanguageModelPredictor):
            raise InputError(f"{self.name}: only a language model writes token by token")
        for written in self._predictor.stream(prompt, **_as_writing(options)):
            (choice,) = written.choices
            yield {
                "token": choice.token,
                "probability": round(choice.probability, 6),
                "alternatives": [[token, round(p, 6)] for token, p in choice.alternatives],
                "continued": written.continued,
            }


class ServedFile:
    """A file of ``textnets export --to numpy``: a start without TensorFlow.

    Args:
        path: of the file, or of the folder of the export.
    """

    def __init__(self, path: Path) -> None:
        from textnets import lite

        self._model = lite.load(path)
        self.task = str(self._model.task)
        place = path.resolve()
        self.name = place.parent.name if place.is_file() else place.name

    def about(self) -> dict[str, Any]:
        info = self._model.info
        found: dict[str, Any] = {"form": "numpy", "quantize": info.get("quantize")}
        if info.get("labels"):
            found["labels"] = list(info["labels"])
        if self.task == "translation":
            found["most_translations"] = self._model.beam_size
            found["attention"] = self._model.can_attend
        return found

    def predict(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[Answer]:
        if options and self.task == "language_modeling":
            return [one for text in texts for one in self._model.write(text, **options)]
        return list(self._model.predict(list(texts), **options))

    def stream(self, prompt: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        if self.task != "language_modeling":
            raise InputError(f"{self.name}: only a language model writes token by token")
        for step in self._model.stream(prompt, **options):
            likely = step.get("alternatives", {})
            yield {**step, "alternatives": [[token, p] for token, p in likely.items()]}


def _as_writing(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a request as :meth:`LanguageModelPredictor.write` takes them."""
    from textnets.decoding.sampling import Sampling

    found = dict(options)
    chosen = {key: found.pop(key) for key in ("temperature", "top_k", "top_p") if key in found}
    return {**found, "sampling": Sampling(**chosen)}


def load_served(
    path: str | Path, *, device: str = "auto", allow_builders: Sequence[str] = ()
) -> Served:
    """A run directory, or an exported file, or the folder of one.

    Raises:
        InputError: it is neither, or damaged.
    """
    place = Path(path)
    if place.is_file() or (place / _EXPORTED).is_file():
        return ServedFile(place)
    return ServedRun(place, device=device, allow_builders=allow_builders)
