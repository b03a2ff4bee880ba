"""What a trained model says: its outputs for encoded examples, and typed predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence, Sized
from typing import Any, ClassVar, Generic, TypeVar

from textnets.errors import InputError
from textnets.predictions import Prediction
from textnets.progress import Progress
from textnets.text.encoded import EncodedSplit

#: Of a split: one for each of its examples.
OutputsT = TypeVar("OutputsT", bound=Sized)


class Inference(ABC, Generic[OutputsT]):
    """From encoded examples to outputs, and from those to predictions, with one model."""

    #: Whether :meth:`mixed` can be had of outputs.
    can_mix: ClassVar[bool] = True

    @abstractmethod
    def outputs(self, split: EncodedSplit, progress: Progress, *, quick: bool = False) -> OutputsT:
        """What scores, predictions and tables are made of.

        Args:
            split: encoded by the model's preprocessor.
            progress: where to show it.
            quick: give only what :meth:`textnets.tasks.evaluation.Evaluation.measure` needs,
                after each epoch.
        """

    def mixed(self, outputs: Sequence[OutputsT], weights: Sequence[float]) -> OutputsT:
        """The outputs of several models for the same examples as those of one.

        Args:
            outputs: of each model.
            weights: of each model; they sum to 1.

        Raises:
            InputError: the outputs of this task cannot be mixed.
        """
        raise InputError("models of this task do not answer together")

    @abstractmethod
    def predictions(self, texts: Sequence[str], outputs: OutputsT) -> Sequence[Prediction]:
        """Typed predictions, one a text."""


#: Of whatever task.
AnyInference = Inference[Any]
