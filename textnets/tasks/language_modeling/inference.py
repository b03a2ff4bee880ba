"""What a language model says: how probable texts are, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.backend.recurrence import take_single_steps
from textnets.decoding.cache import CacheRule, cache_shares, with_cache
from textnets.decoding.joint import JointLanguageModel, JointReader, mix_surprisals
from textnets.decoding.sampling import Sampling
from textnets.decoding.surprisals import SurprisalReader
from textnets.decoding.writing import TextWriter, WrittenIds
from textnets.predictions import Choice, Prediction, ScoredText, WrittenText
from textnets.progress import Progress
from textnets.tasks.inference import Inference
from textnets.tasks.language_modeling.preprocessor import (
    LanguageModelingPreprocessor,
    with_ends,
    with_id,
    without_last,
)
from textnets.text.continuing import Continuation
from textnets.text.encoded import EncodedSplit, IntArray, RaggedIds, RaggedOutputs
from textnets.text.vocabulary import EOS_ID, UNKNOWN_ID

_CONTINUATION = {"characters": 200}  # tokens that ``textnets predict`` writes
_WORDS_CONTINUATION = 40


@dataclass(frozen=True)
class Surprisals(RaggedOutputs):
    """What a language model answers: ``<float32>[tokens]``, in nats.

    Attributes:
        unknown: ``<bool>[tokens]``: which are ``[UNK]``.
        cached: the same values with a cache beside the model; ``None`` without one.
    """

    unknown: npt.NDArray[np.bool_]
    cached: npt.NDArray[np.float32] | None = None

    def unknown_row(self, index: int) -> npt.NDArray[np.bool_]:
        """``<bool>[length]``, as :meth:`row`."""
        return self.unknown[self.offsets[index] : self.offsets[index + 1]]


#: Of a split with targets the surprisal of each token; of prompts what was written after them.
LanguageModelOutputs = Surprisals | list[WrittenIds]


class LanguageModelingInference(Inference[LanguageModelOutputs]):
    """Reads texts token by token, and writes on.

    Args:
        preprocessor: of the models.
        models: one, or several that read and write together.
        weights: of each; they sum to 1.
    """

    def __init__(
        self,
        preprocessor: LanguageModelingPreprocessor,
        models: Sequence[Any],
        weights: Sequence[float] = (1.0,),
    ) -> None:
        self._preprocessor, self._models, self._weights = preprocessor, models, weights

    @cached_property
    def _reader(self) -> SurprisalReader | JointReader:
        readers = [SurprisalReader.of(model) for model in self._models]
        return readers[0] if len(readers) == 1 else JointReader(readers, self._weights)

    @cached_property
    def _continuation(self) -> Continuation:
        encoder = self._preprocessor.encoder
        return Continuation(
            self._preprocessor.vocabulary.decode_id,
            encoder.tokenizer.join,
            lambda text: [token.text for token in encoder.tokens([text])[0]],
            has_characters=self._preprocessor.has_characters,
            is_stream=self._preprocessor.is_stream,
        )

    @cached_property
    def _writer(self) -> TextWriter:
        # A model that never saw [EOS] has no opinion of it.
        never = frozenset[int]() if self._preprocessor.ends_rows else frozenset({EOS_ID})
        end_id = -1 if self._preprocessor.is_stream else EOS_ID
        models = self._models
        for model in models:
            take_single_steps(model)
        core = models[0] if len(models) == 1 else JointLanguageModel(models, self._weights)
        return TextWriter.of(core, end_id=end_id, never=never)

    def outputs(
        self, split: EncodedSplit, progress: Progress, *, quick: bool = False, tight: bool = False
    ) -> LanguageModelOutputs:
        if not isinstance(split.targets, RaggedIds):
            return self._continuations(split.inputs["token_ids"])
        ids, targets = split.inputs["token_ids"].ids, split.targets
        read = (
            self._reader.read_stream(ids, targets.ids, progress)
            if self._preprocessor.is_stream
            else self._reader.read_rows(ids, targets.ids, targets.offsets, progress)
        )
        section = self._preprocessor.recipe.evaluation.cache
        cached = None
        if section is not None and not quick:
            rule = CacheRule(section.size, section.theta, section.weight)
            (cached,) = self.with_caches(ids, targets.ids, [rule], progress)
        return Surprisals(read, targets.offsets, targets.ids == UNKNOWN_ID, cached)

    def with_caches(
        self,
        token_ids: IntArray,
        target_ids: IntArray,
        rules: Sequence[CacheRule],
        progress: Progress,
    ) -> list[npt.NDArray[np.float32]]:
        """The surprisals of a running text with a cache beside each model, by each of some rules.

        Args:
            token_ids, target_ids: ``<int32>[tokens]``.
            rules: of caches.
            progress: where to show it.

        Returns:
            ``<float32>[tokens]`` for each rule.

        Raises:
            InputError: a model has no layer ``features``.
        """
        of_rules: list[list[npt.NDArray[np.float32]]] = [[] for _ in rules]
        for model in self._models:
            features = SurprisalReader.of_features(model).read_stream(
                token_ids, target_ids, progress
            )
            plain = SurprisalReader.of(model).read_stream(token_ids, target_ids, progress)
            shares: dict[tuple[int, float], npt.NDArray[np.float32]] = {}
            for rule, found in zip(rules, of_rules, strict=True):
                key = (rule.size, rule.theta)
                if key not in shares:
                    shares[key] = cache_shares(
                        features, target_ids, size=rule.size, theta=rule.theta
                    )
                found.append(with_cache(plain, shares[key], rule.weight))
        if len(self._models) == 1:
            return [found for (found,) in of_rules]
        return [mix_surprisals(found, self._weights) for found in of_rules]

    def mixed(
        self, outputs: Sequence[LanguageModelOutputs], weights: Sequence[float]
    ) -> Surprisals:
        """By the weighted mean of their probabilities."""
        of_models = [found for found in outputs if isinstance(found, Surprisals)]
        if len(of_models) != len(outputs):
            raise TypeError("what was written has no scores")
        values = mix_surprisals([found.values for found in of_models], weights)
        cached = [found.cached for found in of_models if found.cached is not None]
        mixed_cached = None
        if len(cached) == len(of_models):
            mixed_cached = mix_surprisals(cached, weights)
        return replace(of_models[0], values=values, cached=mixed_cached)

    def _continuations(self, prompts: RaggedIds) -> list[WrittenIds]:
        tokenizer = self._preprocessor.recipe.text.tokenizer
        return self._writer.write(
            prompts,
            _CONTINUATION.get(tokenizer, _WORDS_CONTINUATION),
            Sampling(temperature=0.0),
            seeds=[(0,)] * len(prompts),
        )

    def predictions(
        self, texts: Sequence[str], outputs: LanguageModelOutputs
    ) -> Sequence[Prediction]:
        if not isinstance(outputs, Surprisals):
            return [self._as_written(text, row) for text, row in zip(texts, outputs, strict=True)]
        # Only the sums are told here; the tokens would have to be found once more.
        return [
            ScoredText(text, (), outputs.row(index).tolist(), outputs.unknown_row(index).tolist())
            for index, text in enumerate(texts)
        ]

    def scored(self, texts: Sequence[str]) -> list[ScoredText]:
        """How probable each text is, each on its own."""
        preprocessor = self._preprocessor
        found = preprocessor.encoder.encode(texts)
        targets = with_ends(found) if preprocessor.ends_rows else found
        prompts = with_id(found, preprocessor.start_id, in_front=True)
        # Without [EOS] nothing is predicted from the last token of a text.
        read = prompts if preprocessor.ends_rows else without_last(prompts)
        surprisals = self._reader.read_rows(read.ids, targets.ids, targets.offsets, Progress())
        outputs = RaggedOutputs(surprisals, targets.offsets)
        return [
            ScoredText(
                text,
                [token.text for token in tokens],
                outputs.row(index).tolist(),
                [token.unknown for token in tokens],
            )
            for index, (text, tokens) in enumerate(
                zip(texts, preprocessor.tokens(texts), strict=True)
            )
        ]

    def written(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        length: int,
        seeds: Sequence[Sequence[int]],
        num_alternatives: int = 0,
    ) -> list[WrittenText]:
        """One text a prompt.

        Args:
            prompts: how they begin.
            sampling: how to choose the next token.
            length: new tokens at most.
            seeds: one for each prompt; what is written depends on the prompt and its seed alone.
            num_alternatives: how many of the most likely tokens to tell at each place.
        """
        written = self._writer.write(
            self._preprocessor.encode_inputs(prompts).inputs["token_ids"],
            length,
            sampling,
            seeds=seeds,
            num_alternatives=min(num_alternatives, len(self._preprocessor.vocabulary)),
        )
        return [self._as_written(*pair) for pair in zip(prompts, written, strict=True)]

    def streamed(
        self,
        prompt: str,
        sampling: Sampling,
        *,
        length: int,
        seed: Sequence[int],
        num_alternatives: int = 0,
    ) -> Iterator[WrittenText]:
        """What :meth:`written` writes after a prompt, token by token: the text so far, with the
        choice of the last token."""
        ids = self._preprocessor.encode_inputs([prompt]).inputs["token_ids"].row(0)
        written = self._writer.stream(
            ids,
            length,
            sampling,
            seed=seed,
            num_alternatives=min(num_alternatives, len(self._preprocessor.vocabulary)),
        )
        so_far: list[int] = []
        for token in written:
            so_far += token.token_ids.tolist()
            found = self._as_written(prompt, token)
            yield replace(found, continued=self._continuation.text(prompt, so_far))

    def _as_written(self, prompt: str, written: WrittenIds) -> WrittenText:
        name = self._preprocessor.vocabulary.decode_id
        token_ids = written.token_ids.tolist()
        probabilities = np.exp(written.log_probabilities).tolist()
        alternatives = zip(
            written.alternative_ids.tolist(),
            written.alternative_probabilities.tolist(),
            strict=True,
        )
        likely = [tuple(zip(map(name, ids), of_ids, strict=True)) for ids, of_ids in alternatives]
        choices = [
            Choice(name(token_id), probability, others)
            for token_id, probability, others in zip(token_ids, probabilities, likely, strict=True)
        ]
        return WrittenText(prompt, self._continuation.text(prompt, token_ids), choices)
