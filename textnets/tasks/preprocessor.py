"""From texts to ids: what was learned from the training split, and never changes after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy.typing as npt

from textnets.backend.devices import require_tensorflow
from textnets.builders.custom import is_custom
from textnets.errors import InputError, RunError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.sections import TextSection
from textnets.tasks.examples import ExamplesT
from textnets.text.encoded import EncodedSplit
from textnets.text.encoder import Coverage, TextEncoder, Token
from textnets.text.encoder_tokens import EncoderSettings
from textnets.text.ngrams import NgramEncoder
from textnets.text.token_mapping import Writing
from textnets.text.vocabulary import VOCABULARY_FILE, Vocabulary


class Kept(Protocol):
    """Where what turns texts into ids is put, to be used without TensorFlow; each method returns
    what stands for it in a description (:class:`textnets.export.numpy_format.Description`)."""

    def texts(self, texts: Sequence[str]) -> str:
        """A list of texts."""

    def array(self, values: npt.NDArray[Any]) -> str:
        """An array."""

    def encoder(self, encoder: AnyEncoder) -> dict[str, Any]:
        """A tokenizer with its vocabulary."""


EncoderT = TypeVar("EncoderT", covariant=True)
LoadedT = TypeVar("LoadedT", bound=TextEncoder)
AnyEncoder = TextEncoder | NgramEncoder


@dataclass(frozen=True)
class Preprocessor(ABC, Generic[ExamplesT]):
    """Texts to ids and targets, for one recipe.

    Attributes:
        recipe: whose ``text:`` section says how.
    """

    #: What the last axis of a model's output is, for the message where it is not.
    output_rule: ClassVar[str] = ""

    recipe: Recipe

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the vocabularies into a run directory; the task's ``load`` reads them."""

    @abstractmethod
    def encode(
        self, examples: ExamplesT, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        """Ids and targets of a split, and what encoding did to it."""

    @abstractmethod
    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        """Ids of texts to predict; the targets are empty."""

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of texts as the model sees them."""

    def text_of(self, words: Sequence[str]) -> str:
        """A text of some of the model's tokens, which can be predicted."""
        return " ".join(words)

    @property
    @abstractmethod
    def sizes(self) -> dict[str, Any]:
        """The builder parameters that are found in the data, but for word vectors."""

    @property
    def learned_sizes(self) -> dict[str, Any]:
        """How many ids there are of what a training split holds besides to learn from it; see
        :attr:`textnets.tasks.task.Task.learned_names`."""
        return {}

    @property
    @abstractmethod
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        """What a model may have vectors of: by name, the embedding layer and the vocabulary of
        its rows. The first that a model has is the one that people mean, and the one that
        ``text.vectors`` are for."""

    def writing_of(self, table: str) -> Writing:
        """How the tokens of one of the :attr:`vector_tables` are written."""
        text = self.recipe.text
        return Writing(text.tokenizer, text.normalize, text.lowercase, text.pattern)

    @property
    def extended_tables(self) -> Sequence[str]:
        """The :attr:`vector_tables` whose vocabularies extend those of the run that the model
        begins with."""
        return list(self.vector_tables) if self.recipe.text.vocabulary == "extend" else []

    @abstractmethod
    def extended(self, known: Mapping[str, Vocabulary]) -> Self:
        """With the ids of vocabularies that there were before, and the tokens that those lack.

        Args:
            known: of each of the :attr:`extended_tables`.
        """

    @property
    def vector_files(self) -> Mapping[str, str]:
        """The files of pretrained vectors that the recipe names, by :attr:`vector_tables`."""
        first, named = next(iter(self.vector_tables)), self.recipe.text.vectors
        return {} if named is None else {first: named}

    @property
    def encoder_settings(self) -> EncoderSettings | None:
        """Of the pretrained encoder whose tokens the model reads; ``None`` without one."""
        return None

    @property
    def output_width(self) -> int | None:
        """The size of the last axis of a model's output; ``None`` where there is no rule."""
        return None

    def check_exportable(self) -> None:
        """Refuse what no form of export can hold, before anything is done.

        Raises:
            InputError: saying what else can be done.
        """

    def described(self, kept: Kept) -> dict[str, Any]:
        """What turns texts into ids, for :mod:`textnets.lite`, which reads it.

        Raises:
            InputError: there is something that it cannot do.
        """
        raise InputError(f"a preprocessor of {type(self).__name__} cannot be exported")

    @property
    def manner(self) -> dict[str, Any]:
        """How a model answers, with its labels if it has any: what :mod:`textnets.lite` must know
        of it besides; the same for all members of an ensemble."""
        raise InputError(f"a preprocessor of {type(self).__name__} cannot be exported")

    def check_model(self, model: Any, folder: Path) -> None:
        """Refuse a run whose vocabularies or labels are not those of its model.

        A model of our own has a weight with a row for each token or feature; one of somebody
        else's may do without.

        Args:
            model: of the run.
            folder: of the run.

        Raises:
            RunError: naming what does not fit.
        """
        if self.output_width not in (None, model.output_shape[-1]):
            raise RunError(
                f"{folder}: the labels and the model do not fit: the model answers with "
                f"{model.output_shape[-1]} values, expected {self.output_width}; copy the run "
                "again, or train it again"
            )
        if is_custom(self.recipe.builder):
            return
        rows = {layer.name: layer.weights[0].shape[0] for layer in model.layers if layer.weights}
        wanted = {layer: len(vocabulary) for layer, vocabulary in self.vector_tables.values()}
        misfits = [name for name, count in wanted.items() if rows.get(name, count) != count]
        features = self.sizes.get("num_features")
        if misfits or features not in (None, *(n for one in model.weights for n in one.shape)):
            raise RunError(
                f"{folder}: the vocabularies and the model do not fit: "
                f"{misfits[0] if misfits else 'it'} has a row for something else; copy the run "
                "again, or train it again"
            )


@dataclass(frozen=True)
class EncodedText(Generic[EncoderT]):
    """One text's way to ids: its vocabulary at once, its encoder when it is first used.

    The encoder needs TensorFlow, which training on stored ids does not.

    Attributes:
        vocabulary: of the encoder.
        make: makes the encoder.
    """

    vocabulary: Vocabulary
    make: Callable[[], EncoderT]

    @staticmethod
    def learned(encoder: LoadedT) -> EncodedText[LoadedT]:
        """Of an encoder that is there."""
        return EncodedText(encoder.vocabulary, lambda: encoder)

    @staticmethod
    def load(
        kind: type[LoadedT], section: TextSection, folder: Path, prefix: str = ""
    ) -> EncodedText[LoadedT]:
        """Of the files that an encoder of this kind wrote into a folder.

        Raises:
            RunError: the vocabulary is missing or damaged.
        """
        vocabulary = Vocabulary.load(folder / f"{prefix}{VOCABULARY_FILE}")
        return EncodedText(vocabulary, lambda: kind.load(section, folder, prefix))

    def extended(self: EncodedText[LoadedT], known: Vocabulary) -> EncodedText[LoadedT]:
        """See :meth:`textnets.text.encoder.TextEncoder.extended`."""
        return EncodedText.learned(self.encoder.extended(known))

    @cached_property
    def encoder(self) -> EncoderT:
        """Made once.

        Raises:
            InputError: TensorFlow is not installed.
        """
        require_tensorflow("turning text into ids")
        return self.make()


#: Of whatever task.
AnyPreprocessor = Preprocessor[Any]
PreprocessorT = TypeVar("PreprocessorT", bound=AnyPreprocessor)
