"""A run and raw text in, typed predictions out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from textnets.models import load_model
from textnets.progress import Progress
from textnets.run import Run, open_run
from textnets.tasks import Task, read_task
from textnets.tasks.task import Outputs, Prediction
from textnets.text.corpus import EncodedSplit
from textnets.text.encoder import Token
from textnets.training.devices import prepare_device

_CHUNK = 1024  # texts held at a time in a stream


class Predictor:
    """A trained model with its vocabularies.

    The same graph turns text into ids here and in training, so the same sentence gets the
    same ids and the same probabilities.
    """

    def __init__(self, run: Run, task: Task[Any], model: Any) -> None:
        self.run, self.task, self.model = run, task, model
        self._infer = task.inference(model)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Predictor:
        """Open a run directory.

        Args:
            folder: of a finished run.
            device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.

        Raises:
            RunError: the run is incomplete, damaged or from a newer version.
        """
        run = open_run(Path(folder))
        task = read_task(run.recipe_path)
        task.load(run.folder)
        prepare_device(device)
        return cls(run, task, load_model(run.model_path))

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions for some texts, in their order.

        Raises:
            TypeError: a single string was given instead of a list of them.
        """
        if isinstance(texts, str):
            raise TypeError("expected a list of texts, was: one string")
        texts = list(texts)
        if not texts:
            return []
        return list(self.task.decode(texts, self.outputs(self.task.encode_inputs(texts))))

    def predict_stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """Predictions for any number of texts, a chunk at a time: memory stays flat."""
        iterator = iter(texts)
        while chunk := list(islice(iterator, _CHUNK)):
            yield from self.predict(chunk)

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of some texts as the model sees them."""
        return self.task.tokens(texts)

    def outputs(self, split: EncodedSplit, progress: Progress | None = None) -> Outputs:
        """What the task's predictions are made of, for encoded examples."""
        return self._infer(split, progress or Progress())
