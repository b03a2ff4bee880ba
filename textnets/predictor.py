"""A run and raw text in, typed predictions out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from textnets.backend.devices import prepare_device
from textnets.decoding.sampling import Sampling
from textnets.errors import InputError
from textnets.progress import Progress
from textnets.run.directory import Run, open_run
from textnets.run.model_file import load_model
from textnets.tasks import Task, read_run
from textnets.tasks.task import Outputs, Prediction, Scorer, Writer
from textnets.text.corpus import EncodedSplit
from textnets.text.encoder import Token

_CHUNK = 1024  # texts held at a time in a stream
_CHANGEABLE = "evaluation."


class Predictor:
    """A trained model with its vocabularies.

    The same graph turns text into ids here and in training, so the same sentence gets the
    same ids and the same probabilities.

    With the run that the example of :func:`textnets.train` wrote:

    >>> import textnets
    >>> predictor = textnets.Predictor.load("runs/quick")
    >>> prediction = predictor.predict(["my card still has not arrived"])[0]
    >>> prediction.labels[0] in prediction.probabilities
    True
    """

    def __init__(self, run: Run, task: Task[Any], model: Any) -> None:
        self.run, self.task, self.model = run, task, model
        self._infer = task.inference(model)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        overrides: Sequence[str] = (),
        device: str = "auto",
        allow_builders: Sequence[str] = (),
    ) -> Predictor:
        """Open a run directory.

        Args:
            folder: of a finished run.
            overrides: ``["evaluation.beam_size=1"]``: how this predictor answers, where its
                task knows such keys. Nothing else of a trained run can be changed.
            device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
            allow_builders: modules that may be imported, for a run whose builder is of one.

        Raises:
            RunError: the run is incomplete, damaged or from a newer version, or its builder's
                module is not allowed.
            InputError: an override is none of the evaluation's keys, or not in its range.
        """
        run = open_run(Path(folder))
        for override in overrides:
            if not override.startswith(_CHANGEABLE):
                raise InputError(
                    f"{override!r}: the run is trained; only keys that start with "
                    f"{_CHANGEABLE!r} can be set now"
                )
        task = read_run(run.folder, overrides, allow_builders=allow_builders)
        task.load(run.folder)
        prepare_device(device)
        return cls(run, task, load_model(run.model_path, allow_builders))

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

    def score(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """The probabilities that a language model gives to texts, a chunk at a time.

        Raises:
            InputError: the run is no language model's.
        """
        score, iterator = self._score, iter(texts)

        def scored() -> Iterator[Prediction]:
            while chunk := list(islice(iterator, _CHUNK)):
                yield from score(chunk)

        return scored()

    def write(
        self,
        prompt: str = "",
        *,
        length: int = 100,
        sampling: Sampling | None = None,
        count: int = 1,
        seed: int = 0,
        num_alternatives: int = 0,
    ) -> list[Prediction]:
        """Texts that a language model writes behind a prompt.

        Args:
            prompt: how each begins.
            length: tokens to write at most.
            sampling: how to choose them; from the model's own probabilities by default.
            count: how many texts.
            seed: the texts are a pure function of it; the first of ten is the first of one.
            num_alternatives: how many of the most likely tokens to tell at each place.

        Raises:
            InputError: the run is no language model's.
        """
        written = self._write(
            [prompt] * count,
            sampling or Sampling(),
            length=length,
            seeds=[(seed, number) for number in range(count)],
            num_alternatives=num_alternatives,
        )
        return list(written)

    @cached_property
    def _score(self) -> Scorer:
        return self.task.scorer(self.model)

    @cached_property
    def _write(self) -> Writer:
        return self.task.writer(self.model)

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of some texts as the model sees them."""
        return self.task.tokens(texts)

    def outputs(self, split: EncodedSplit, progress: Progress | None = None) -> Outputs:
        """What the task's predictions are made of, for encoded examples."""
        return self._infer(split, progress or Progress())
