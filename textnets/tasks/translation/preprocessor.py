"""From texts to ids, on both sides, and from ids to texts on the target's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.sections import TextSection
from textnets.tasks.preprocessor import EncodedText, Kept, Preprocessor
from textnets.tasks.translation.examples import SentencePairs
from textnets.tasks.translation.recipe import TranslationText
from textnets.text.encoded import EncodedSplit, join_rows
from textnets.text.encoder import Coverage, RunningTextEncoder, TextEncoder, Token
from textnets.text.token_mapping import Writing
from textnets.text.tokenizers import has_joins, join_tokens
from textnets.text.vocabulary import BOS_ID, EOS_ID, Vocabulary


@dataclass(frozen=True)
class TranslationPreprocessor(Preprocessor[SentencePairs]):
    """A vocabulary a side, or one for both.

    Attributes:
        source: from texts to ids.
        target: from translations to ids.
    """

    source: EncodedText[TextEncoder]
    target: EncodedText[RunningTextEncoder]

    @classmethod
    def learn(cls, recipe: Recipe, train: SentencePairs) -> TranslationPreprocessor:
        """Of the training split."""
        of_source, of_target = sections_of(recipe)
        if recipe.text.shared_vocabulary:
            source = TextEncoder.learn(
                of_source, lambda: [*train.texts, *train.targets], with_joins=True
            )
            target = RunningTextEncoder(of_target, source.tokenizer, source.vocabulary)
        else:
            source = TextEncoder.learn(of_source, lambda: train.texts)
            target = RunningTextEncoder.learn(of_target, lambda: train.targets, with_joins=True)
        return cls(recipe, EncodedText.learned(source), EncodedText.learned(target))

    @classmethod
    def load(cls, recipe: Recipe, folder: Path) -> TranslationPreprocessor:
        """Of a run directory."""
        of_source, of_target = sections_of(recipe)
        source_prefix, target_prefix = _prefixes_of(recipe)
        return cls(
            recipe,
            EncodedText.load(TextEncoder, of_source, folder, source_prefix),
            EncodedText.load(RunningTextEncoder, of_target, folder, target_prefix),
        )

    def save(self, folder: Path) -> None:
        source_prefix, target_prefix = _prefixes_of(self.recipe)
        self.source.encoder.save(folder, source_prefix)
        self.target.encoder.save(folder, target_prefix)

    def encode(
        self, examples: SentencePairs, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        source, target = self.source.encoder, self.target.encoder
        source_ids, coverage = source.encode_measured(
            examples.texts, progress=progress, label=f"{label}, source", total=len(examples)
        )
        target_ids, of_target = target.encode_measured(
            examples.targets, progress=progress, label=f"{label}, target", total=len(examples)
        )
        rows = [target_ids.row(index) for index in range(len(target_ids))]
        inputs = {"source_ids": source_ids, "target_ids": join_rows([BOS_ID, *row] for row in rows)}
        targets = join_rows([*row, EOS_ID] for row in rows)
        # Scores are of texts as they are, and not of what the target's vocabulary knows.
        split = EncodedSplit(
            inputs,
            targets,
            references=tuple(examples.targets),
            texts=self._kept(examples.texts),
        )
        return split, coverage + of_target

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        return EncodedSplit(
            {"source_ids": self.source.encoder.encode(texts)},
            np.zeros(0, np.int32),
            texts=self._kept(texts),
        )

    def _kept(self, texts: Sequence[str]) -> Sequence[str] | None:
        """The sources, where words of them may stand in a translation."""
        return tuple(texts) if self.recipe.evaluation.copy_unknown else None

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        return self.source.encoder.tokens(texts)

    @property
    def target_section(self) -> TextSection:
        """The ``text:`` of the target."""
        return sections_of(self.recipe)[1]

    def target_tokens(self, token_ids: Sequence[int]) -> list[str]:
        """The tokens of a translation."""
        return [self.target.vocabulary.decode_id(token_id) for token_id in token_ids]

    def target_text(self, tokens: Sequence[str]) -> str:
        """The translation that some tokens make."""
        with_joins = has_joins(self.target.vocabulary)
        return join_tokens(self.target_section.tokenizer, tokens, with_joins=with_joins)

    @property
    def sizes(self) -> dict[str, Any]:
        return {
            "source_vocabulary_size": len(self.source.vocabulary),
            "target_vocabulary_size": len(self.target.vocabulary),
        }

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        return {
            "source": ("source_embedding", self.source.vocabulary),
            "target": ("target_embedding", self.target.vocabulary),
        }

    def described(self, kept: Kept) -> dict[str, Any]:
        return {
            "source": kept.encoder(self.source.encoder),
            "target": kept.encoder(self.target.encoder),
        }

    @property
    def manner(self) -> dict[str, Any]:
        evaluation = self.recipe.evaluation
        names = ("beam_size", "length_penalty", "n_best", "length_ratio", "attention")
        return {
            **{name: getattr(evaluation, name) for name in names},
            "no_repeat_ngram": evaluation.no_repeat_ngram or 0,
            "coverage_penalty": evaluation.coverage_penalty,
            "copy_unknown": evaluation.copy_unknown,
            "target_tokenizer": self.target_section.tokenizer,
        }

    def writing_of(self, table: str) -> Writing:
        section = self._section_of(table)
        return Writing(section.tokenizer, section.normalize, section.lowercase, section.pattern)

    @property
    def extended_tables(self) -> Sequence[str]:
        sides = ["source"] if self.recipe.text.shared_vocabulary else ["source", "target"]
        return [side for side in sides if self._section_of(side).vocabulary == "extend"]

    def extended(self, known: Mapping[str, Vocabulary]) -> Self:
        source = self.source.extended(known["source"]) if "source" in known else self.source
        target = self.target.extended(known["target"]) if "target" in known else self.target
        if self.recipe.text.shared_vocabulary:
            encoder = source.encoder
            target = EncodedText.learned(
                RunningTextEncoder(self.target_section, encoder.tokenizer, encoder.vocabulary)
            )
        return replace(self, source=source, target=target)

    def _section_of(self, side: str) -> TextSection:
        of_source, of_target = sections_of(self.recipe)
        return of_source if side == "source" else of_target

    @property
    def vector_files(self) -> Mapping[str, str]:
        of_source, of_target = sections_of(self.recipe)
        named = {"source": of_source.vectors, "target": of_target.vectors}
        return {side: file for side, file in named.items() if file is not None}


def sections_of(recipe: Recipe) -> tuple[TextSection, TextSection]:
    """The ``text:`` of source and target."""
    section: TranslationText = recipe.text
    return section.of_side("source"), section.of_side("target")


def _prefixes_of(recipe: Recipe) -> tuple[str, str]:
    """What the files of each side's vocabulary start with."""
    return ("", "") if recipe.text.shared_vocabulary else ("source_", "target_")
