"""A file's models with their texts: what is asked and told, as of a run's own predictor."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from textnets.data.values import checked_stream, checked_texts
from textnets.errors import InputError, RunError
from textnets.lite.contents import Contents
from textnets.lite.graph import Array, LiteModel
from textnets.lite.unicode import Unicode
from textnets.predictions import Prediction
from textnets.text.encoded import RaggedIds

_CHUNK = 1024  # texts held at a time in a stream
_TOKENS = 64 * 128  # of a batch, about
#: Batches are padded to their longest text: nothing is compiled.
BUCKET = 1


class LitePredictor:
    """A trained model that NumPy alone runs.

    Attributes:
        task: ``classification``, ``tagging``, ``translation`` or ``language_modeling``.
        info: what is known of it: ``task``, ``labels``, ``run``, ``textnets``, ``quantize``,
            ``path`` and how many models it holds.
    """

    task: ClassVar[str]
    #: What :meth:`predict` says of a text.
    prediction: ClassVar[type[Prediction]]

    def __init__(self, contents: Contents) -> None:
        header, self._contents = contents.header, contents
        self._settings: Mapping[str, Any] = header["settings"]
        self._weights = [float(one["weight"]) for one in header["models"]]
        self._of_member = [int(one["preprocessor"]) for one in header["models"]]
        if not self._weights or not math.isclose(sum(self._weights), 1.0, abs_tol=1e-4):
            raise RunError("the weights of its models do not sum to 1")
        self._models = [contents.model(one) for one in header["models"]]
        given = header["unicode"]
        unicode = Unicode([0], [0]) if given is None else Unicode.of_json(given)
        self._read(contents, unicode)
        self.info: dict[str, Any] = {
            "task": self.task,
            "labels": list(self._settings.get("labels", ())),
            "run": header.get("run"),
            "textnets": header.get("made_with", {}).get("textnets"),
            "quantize": header.get("quantize"),
            "models": len(self._models),
            "path": str(contents.path),
        }

    def predict(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """What the model says of some texts, in their order: what ``textnets predict --format
        jsonl`` prints of each.

        Raises:
            InputError: they are no list of texts; of one that is none, naming its row.
        """
        return [one.as_json() for one in self.predictions(texts)]

    def predict_stream(self, texts: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The same for any number of texts, a chunk at a time: memory stays flat."""
        return in_chunks(self.predict, checked_stream(texts, "texts"))

    def predictions(self, texts: Sequence[str]) -> list[Prediction]:
        """As :meth:`predict`, typed and not rounded."""
        return self._of_checked(texts, self._predicted)

    def _of_checked(
        self, texts: Sequence[str], predict: Callable[[Sequence[str]], list[Prediction]]
    ) -> list[Prediction]:
        """Predictions for texts that may be none."""
        some = checked_texts(list(texts) if isinstance(texts, Iterator) else texts, "texts")
        with self._contents.being_read():
            return predict(some) if some else []

    def everything(self, texts: Sequence[str]) -> list[Prediction]:
        """All that it says of some texts, to compare it with the run."""
        return self.predictions(texts)

    # As of a run's own, see textnets.tasks.Predictor.

    def about(self) -> dict[str, Any]:
        """What a client of the model may want to know of it, for JSON."""
        return {"labels": self.info["labels"]} if self.info["labels"] else {}

    def respond(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Prediction]:
        """As :meth:`predictions`, as a client wants it.

        Raises:
            InputError: a wish cannot be had.
        """
        return self.predictions(texts)

    def follow(self, prompt: str, wishes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What the model writes after a prompt, for JSON, token by token.

        Raises:
            InputError: it does not write, or a wish is out of its range.
        """
        raise InputError(f"{self._contents.path}: only a language model writes token by token")

    @abstractmethod
    def _read(self, contents: Contents, unicode: Unicode) -> None:
        """Make what turns texts into ids."""

    @abstractmethod
    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        """Of one text or more."""


def in_chunks(answer: Callable[[list[str]], Iterable[Any]], texts: Iterable[str]) -> Iterator[Any]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, _CHUNK)):
        yield from answer(chunk)


def forward_of(model: LiteModel) -> Callable[[Any], Array]:
    """From padded ids to a model's output."""
    return lambda inputs: np.asarray(model(inputs))


def close_batches(lengths: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Texts of about the same length in each batch: nothing is compiled for a batch's size, and
    padding costs as much as tokens."""
    order = np.argsort(lengths, kind="stable")
    found, start = [], 0
    while start < len(order):
        shortest = int(lengths[order[start]])
        most = max(1, _TOKENS // max(1, shortest))
        # Up to a quarter longer than the shortest.
        close = int(np.searchsorted(lengths[order], shortest + shortest // 4 + 4, side="right"))
        stop = min(close, start + most)
        found.append(order[start:stop])
        start = stop
    return found


def taken(model: LiteModel, inputs: Mapping[str, RaggedIds]) -> dict[str, RaggedIds]:
    """The inputs that a model takes."""
    return {name: inputs[name] for name in model.input_names}
