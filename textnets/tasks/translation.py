"""Translation: a text in, another text out, token by token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator

from textnets.backend.devices import require_tensorflow
from textnets.data.pairs import Pair, PairLayout, read_pairs, read_parallel
from textnets.data.sources import find_dataset, find_file
from textnets.data.splits import count_repeated, count_shared, fingerprint, grouped_share
from textnets.decoding.translating import (
    Hypothesis,
    Search,
    Translator,
    TranslatorOutputs,
    search_limits,
)
from textnets.errors import DataError
from textnets.evaluation.report import Cell, Table
from textnets.evaluation.translation import (
    BleuTokenizer,
    Reading,
    TranslationScores,
    bleu_tokenizer_in,
    nearest_translations,
    score_translations,
    sentence_chrf,
)
from textnets.progress import Progress
from textnets.recipe import Recipe, TaskSchema
from textnets.recipe.document import shown
from textnets.recipe.sections import (
    DataSection,
    EvaluationSection,
    PositiveInt,
    Rate,
    TextKeys,
    TextSection,
    TrainingSection,
    mistake,
)
from textnets.tasks.task import (
    SPLITS,
    BaselineScore,
    Drawn,
    Examples,
    Fact,
    Inference,
    Mistake,
    Prediction,
    Scores,
    Task,
)
from textnets.text.corpus import EncodedSplit, RaggedIds, join_rows
from textnets.text.encoder import Coverage, RunningTextEncoder, TextEncoder, Token
from textnets.text.tokenizers import has_joins, join_tokens
from textnets.text.vocabulary import BOS_ID, EOS_ID, UNKNOWN_ID, Vocabulary

_SHOWN_SENTENCES = 20  # in the report
_LOW_CEILING = 95.0  # BLEU that should be in reach


class TranslationData(DataSection):
    """Texts with their translations."""

    format: Literal["auto", "lines", "tsv", "jsonl"] = Field(
        "auto",
        description="How the files are written: two line-parallel files, tab-separated columns "
        "without a header, or jsonl; 'auto' goes by their names.",
    )
    source: str = Field(
        "source",
        description="The side to translate from: what {side} stands for in the names of "
        "line-parallel files, or the key in jsonl.",
    )
    target: str = Field("target", description="The side to translate into, likewise.")
    source_column: Annotated[int, Field(ge=0)] = Field(
        0, description="With tab-separated files, where the source stands, counted from 0."
    )
    target_column: Annotated[int, Field(ge=0)] = Field(
        1, description="With tab-separated files, where the target stands, counted from 0."
    )


class SideText(TextKeys):
    """What one side's texts have otherwise than the other's."""

    def as_written(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


class TranslationText(TextSection):
    """From texts to token ids, on both sides alike but for what a side says itself."""

    # Case is part of a translation: a model that writes lower case makes a mistake in every name.
    lowercase: bool = Field(False, description="Lower-case every letter, Unicode-aware.")
    shared_vocabulary: bool = Field(
        False, description="One vocabulary for both sides, learned on both."
    )
    source: SideText | None = Field(
        None, description="Keys of this section that the source has otherwise."
    )
    target: SideText | None = Field(
        None, description="Keys of this section that the target has otherwise."
    )

    def of_side(self, side: Literal["source", "target"]) -> TextSection:
        """The whole section of one side: its own keys before those of both."""
        own: SideText | None = getattr(self, side)
        of_side = {} if own is None else own.model_dump(exclude_unset=True)
        both = {key: getattr(self, key) for key in TextKeys.model_fields}
        if "tokenizer" in of_side:
            both["pattern"] = None  # it belongs to the other tokenizer
        return TextSection.model_validate(both | of_side)

    def as_written(self) -> dict[str, Any]:
        sides = {side: getattr(self, side) for side in ("source", "target")}
        written = {side: own.as_written() for side, own in sides.items() if own is not None}
        return super().as_written() | written

    @model_validator(mode="after")
    def _no_frame_and_no_vectors(self) -> TranslationText:
        for part, where in ((self, ""), (self.source, "source."), (self.target, "target.")):
            for key in ("add_bos", "add_eos", "vectors"):
                if part is not None and getattr(part, key):
                    raise mistake(f"{where}{key}", "has no effect in translation: remove it")
        return self

    @model_validator(mode="after")
    def _sides_are_whole(self) -> TranslationText:
        for side in ("source", "target"):
            try:
                self.of_side(side)
            except ValidationError as error:
                (found,) = error.errors()
                raise mistake(f"{side}.{found['ctx']['key']}", found["msg"]) from None
        return self

    @model_validator(mode="after")
    def _shared_sides_are_alike(self) -> TranslationText:
        source, target = (self.of_side("source"), self.of_side("target"))
        for key in TextKeys.model_fields:
            ours, theirs = getattr(source, key), getattr(target, key)
            if self.shared_vocabulary and key not in _OF_A_ROW and ours != theirs:
                raise mistake(
                    "shared_vocabulary",
                    f"one vocabulary needs the same {key} on both sides; {shown(ours)} of the "
                    f"source is not {shown(theirs)} of the target",
                )
        return self


_OF_A_ROW = ("max_length", "truncate")  # what a vocabulary does not depend on


class TranslationTraining(TrainingSection):
    """How the weights are found."""

    label_smoothing: Rate = Field(
        0.0, description="Share of the target probability that all tokens get in equal parts."
    )


class TranslationEvaluation(EvaluationSection):
    """How the trained model is measured, and how it translates."""

    beam_size: PositiveInt = Field(
        5, description="Hypotheses that the search keeps; 1 is greedy search."
    )
    length_penalty: Annotated[float, Field(ge=0)] = Field(
        1.0, description="0 prefers short translations; 1 ranks by about the mean of a token."
    )
    n_best: PositiveInt = Field(1, description="Translations to give of each text.")
    length_ratio: Annotated[float, Field(gt=0)] = Field(
        2.0, description="A translation has at most this times the source's tokens, and 10 more."
    )
    attention: bool = Field(
        False, description="Give the weights by which each token looks at the source, in jsonl."
    )
    bleu_tokenize: BleuTokenizer | None = Field(
        None,
        description="How sacrebleu cuts texts into the words that BLEU counts; by default by the "
        "references' script: zh for Chinese, ja-mecab for Japanese where it is installed "
        "(textnets[ja]), char for scripts without blanks, else 13a.",
    )

    @model_validator(mode="after")
    def _beam_holds_the_best(self) -> TranslationEvaluation:
        if self.n_best > self.beam_size:
            raise mistake("n_best", f"is more than the search keeps: beam_size is {self.beam_size}")
        return self


@dataclass(frozen=True)
class SentencePairs(Examples):
    """Texts with their translations."""

    pairs: list[Pair] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def texts(self) -> list[str]:
        return [pair.source for pair in self.pairs]

    @property
    def targets(self) -> list[str]:
        """The translations."""
        return [pair.target for pair in self.pairs]

    @property
    def half_empty(self) -> int:
        """Pairs with a blank text on one side only."""
        return sum(bool(pair.source.strip()) != bool(pair.target.strip()) for pair in self.pairs)

    def select(self, rows: npt.NDArray[np.int64]) -> SentencePairs:
        return SentencePairs([self.pairs[row] for row in rows.tolist()])


@dataclass(frozen=True)
class Alternative:
    """One of the translations of a text.

    Attributes:
        text: the translation.
        score: what the translations are ranked by, see ``evaluation.length_penalty``.
        log_probability: in nats.
        tokens: of the translation, ``[EOS]`` last, where attention was asked for.
        attention: for each of the tokens, its weights over the source's.
    """

    text: str
    score: float
    log_probability: float
    tokens: Sequence[str] = ()
    attention: Sequence[Sequence[float]] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        found: dict[str, Any] = {
            "translation": self.text,
            "score": round(self.score, 6),
            "log_probability": round(self.log_probability, 6),
        }
        if self.tokens:
            rounded = [[round(weight, 4) for weight in row] for row in self.attention]
            found |= {"tokens": list(self.tokens), "attention": rounded}
        return found


@dataclass(frozen=True)
class Translation(Prediction):
    """A text's translations, best first.

    Attributes:
        text: as given.
        alternatives: as many as ``evaluation.n_best`` asks for.
        source_tokens: of the text, where attention was asked for.
    """

    text: str
    alternatives: Sequence[Alternative]
    source_tokens: Sequence[str] = ()

    @property
    def translation(self) -> str:
        """The best one."""
        return self.alternatives[0].text

    def as_fields(self) -> dict[str, Any]:
        return {"translation": self.translation, "score": round(self.alternatives[0].score, 6)}

    def as_json(self) -> dict[str, Any]:
        best, *others = (one.as_json() for one in self.alternatives)
        found = {"text": self.text, **best}
        if self.source_tokens:
            found["source_tokens"] = list(self.source_tokens)
        if others:
            found["others"] = others
        return found

    def as_line(self) -> str:
        if len(self.alternatives) == 1:
            return self.translation
        return "\n".join(f"{one.score:.3f}\t{one.text}" for one in self.alternatives)


@dataclass(frozen=True)
class Ceiling:
    """What a translator that makes no mistake would score.

    Attributes:
        bleu, chrf: of the references after their way through the target's vocabulary and back.
        known: BLEU if the vocabulary had every token; ``None`` where the texts' tokens are not
            at hand.
        unknown_share: of the references' tokens, those that are ``[UNK]``.
        cut_share: of the references, those that are longer than a translation may be.
        signature: sacrebleu's, of BLEU.
    """

    bleu: float
    chrf: float
    known: float | None
    unknown_share: float
    cut_share: float
    signature: str

    @property
    def reason(self) -> str:
        """Why it is low, and what to do."""
        if self.chrf > _LOW_CEILING and self.bleu < 1.0:
            return "the references have too few words for BLEU's sequences of four; look at chrF"
        if self.cut_share > 0.01:
            return (
                f"{self.cut_share:.0%} of the references are longer than a translation may be; "
                "raise evaluation.length_ratio"
            )
        if self.known is not None and self.known - self.bleu > 1.0:
            return (
                f"{self.unknown_share:.1%} of the references' tokens are [UNK], which is never "
                "written; lower text.min_count, raise text.max_tokens, or take the tokenizer "
                "sentencepiece, which spells any word"
            )
        return "the tokenizer leaves out parts of the texts (text.pattern, text.max_length)"


class TranslationTask(Task[SentencePairs]):
    """Texts to their translations."""

    name = "translation"
    schema = TaskSchema(
        data=TranslationData,
        text=TranslationText,
        training=TranslationTraining,
        evaluation=TranslationEvaluation,
        sizes=frozenset({"source_vocabulary_size", "target_vocabulary_size"}),
        required_sizes=frozenset({"source_vocabulary_size", "target_vocabulary_size"}),
    )
    input_names: ClassVar[tuple[str, ...]] = ("source_ids", "target_ids")
    input_suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".jsonl", ".ndjson")

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.data: TranslationData = recipe.data
        self.text: TranslationText = recipe.text
        self._sections = (self.text.of_side("source"), self.text.of_side("target"))
        self.source_vocabulary: Vocabulary | None = None
        self.target_vocabulary: Vocabulary | None = None
        self._encoders: tuple[TextEncoder, TextEncoder] | None = None
        self._folder: Path | None = None
        self._layout = PairLayout(
            file_format=self.data.format,
            source=self.data.source,
            target=self.data.target,
            source_column=self.data.source_column,
            target_column=self.data.target_column,
        )

    # --- Metrics ---

    @property
    def headline(self) -> str:
        return "bleu"

    @property
    def chosen_by(self) -> str:
        return "chrf"  # BLEU is 0 as long as no four words are right, and so all alike

    @property
    def metrics(self) -> Mapping[str, bool]:
        return {"loss": True, "perplexity": True, "bleu": False, "chrf": False}

    @property
    def training_metrics(self) -> tuple[str, ...]:
        return ()

    def mistakes(self) -> list[Mistake]:
        found = super().mistakes()
        model = self.recipe.builder_parameters
        if model.get("share_embeddings") and not self.text.shared_vocabulary:
            message = "needs text.shared_vocabulary: true, or the ids mean two things"
            found.append((("model", "share_embeddings"), message))
        if self.recipe.evaluation.attention and model.get("attention") == "none":
            found.append((("evaluation", "attention"), "the model has none: model.attention: none"))
        return found

    # --- Text to examples ---

    def find_files(self, progress: Progress, *, download: bool = True) -> dict[str, Path]:
        data, beside, root = self.data, self.recipe.folder, None
        if data.dataset is not None:
            root = find_dataset(data.dataset, beside=beside, progress=progress, download=download)
        files = {}
        for split in SPLITS:
            given = getattr(data, split)
            if not isinstance(given, str):
                continue
            names = {split: given}
            if self._layout.format_of(given) == "lines":
                source, target = self._layout.sides_of(given)
                names = {f"{split}.source": source, f"{split}.target": target}
            for key, name in names.items():
                inside = root / name if root is not None else Path(name)
                in_set = root is not None and inside.exists()
                files[key] = inside if in_set else find_file(name, beside=beside)
        return files

    def read_files(self, files: Mapping[str, Path], progress: Progress) -> dict[str, SentencePairs]:
        splits = {}
        for split in SPLITS:
            paths = [files[key] for key in (split, f"{split}.source") if key in files]
            if paths:
                splits[split] = self._read(paths[0], files.get(f"{split}.target"), progress)
        return splits

    def divide(
        self, splits: dict[str, SentencePairs], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        self._reading.check()
        self.hold_out(splits, self._draw)
        for name, examples in splits.items():
            if not examples.pairs:
                raise DataError(f"the {name} split holds no pair of texts")
            if examples.half_empty:
                progress.warn(
                    f"{name}: {examples.half_empty:,} pairs have a blank text on one side; they "
                    "stay where they are"
                )

    def _draw(self, examples: SentencePairs, share: float, purpose: str) -> Drawn:
        keys = [fingerprint(text) for text in examples.texts]  # with all of its translations
        return grouped_share(keys, share, seed=self.recipe.seed, purpose=purpose)

    def read_file(self, path: Path) -> SentencePairs:
        if self._layout.format_of(path.name) == "lines":
            source, target = self._layout.sides_of(str(path))
            return self._read(Path(source), Path(target), Progress())
        return self._read(path, None, Progress())

    def read_inputs(self, path: Path) -> Iterable[str]:
        return (pair.source for pair in read_pairs(path, self._layout, with_target=False))

    def check_splits(self, splits: Mapping[str, SentencePairs]) -> list[Fact]:
        train = splits["train"]
        repeated = count_repeated(_joined(train))
        facts = [Fact("repeated pairs in train", f"{repeated:,}")]
        for name, examples in splits.items():
            facts.append(Fact(f"{name} pairs blank on one side", f"{examples.half_empty:,}"))
            if name != "train":
                shared = count_shared(train.texts, examples.texts)
                facts.append(
                    Fact(f"{name} sources also in train", f"{shared:,} of {len(examples):,}")
                )
        return facts

    def _read(self, path: Path, target: Path | None, progress: Progress) -> SentencePairs:
        pairs = read_pairs(path, self._layout) if target is None else read_parallel(path, target)
        found = []
        with progress.steps(f"reading {path.name}", None, "pairs") as step:
            for pair in pairs:
                found.append(pair)
                step.advance()
        examples, limit = SentencePairs(found), self.data.limit
        if limit is None or limit >= len(examples):
            return examples
        # Such files are often sorted by length, so the first pairs are no sample.
        keys = list(range(len(examples)))
        share = limit / len(examples)
        _, chosen = grouped_share(keys, share, seed=self.recipe.seed, purpose="limit")
        return examples.select(chosen)

    # --- Vocabularies and ids ---

    def learn(self, train: SentencePairs) -> None:
        require_tensorflow("turning text into ids")
        ours, theirs = self._sections
        if self.text.shared_vocabulary:
            one = TextEncoder.learn(ours, lambda: [*train.texts, *train.targets], with_joins=True)
            self._encoders = (one, RunningTextEncoder(theirs, one.tokenizer, one.vocabulary))
        else:
            self._encoders = (
                TextEncoder.learn(ours, lambda: train.texts),
                RunningTextEncoder.learn(theirs, lambda: train.targets, with_joins=True),
            )
        self.source_vocabulary, self.target_vocabulary = (
            encoder.vocabulary for encoder in self._encoders
        )

    def save(self, folder: Path) -> None:
        for encoder, prefix in zip(self.encoders, self._prefixes, strict=True):
            encoder.save(folder, prefix)

    def load(self, folder: Path) -> None:
        self._folder = folder
        self.source_vocabulary, self.target_vocabulary = (
            Vocabulary.load(folder / f"{prefix}vocabulary.txt") for prefix in self._prefixes
        )

    @property
    def _prefixes(self) -> tuple[str, str]:
        """What the files of each side's vocabulary start with."""
        return ("", "") if self.text.shared_vocabulary else ("source_", "target_")

    @property
    def encoders(self) -> tuple[TextEncoder, TextEncoder]:
        """Of source and target; made on first use: they need TensorFlow."""
        if self._encoders is None:
            if self._folder is None:
                raise RuntimeError("learn() or load() first")
            require_tensorflow("turning text into ids")
            source, target = self._prefixes
            self._encoders = (
                TextEncoder.load(self._sections[0], self._folder, source),
                RunningTextEncoder.load(self._sections[1], self._folder, target),
            )
        return self._encoders

    @property
    def _vocabularies(self) -> tuple[Vocabulary, Vocabulary]:
        if self.source_vocabulary is None or self.target_vocabulary is None:
            raise RuntimeError("learn() or load() first")
        return self.source_vocabulary, self.target_vocabulary

    def encode(
        self, examples: SentencePairs, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        source, target = self.encoders
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
        split = EncodedSplit(inputs, targets, references=tuple(examples.targets))
        return split, coverage + of_target

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        return EncodedSplit({"source_ids": self.encoders[0].encode(texts)}, np.zeros(0, np.int32))

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        return self.encoders[0].tokens(texts)

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        source, target = self._vocabularies
        return {"source": ("source_embedding", source), "target": ("target_embedding", target)}

    # --- Model ---

    def sizes(self, progress: Progress) -> dict[str, Any]:
        source, target = self._vocabularies
        return {"source_vocabulary_size": len(source), "target_vocabulary_size": len(target)}

    def losses(self) -> tuple[Any, list[Any]]:
        from textnets.training.losses import SmoothedCrossEntropy

        return SmoothedCrossEntropy(self.recipe.training.label_smoothing), []

    # --- The ceiling ---

    def encoded_facts(self, name: str, split: EncodedSplit, progress: Progress) -> list[Fact]:
        if name == "train":
            return []
        found = self._ceiling(split)
        told = [
            f"BLEU {found.bleu:.1f}, chrF {found.chrf:.1f} for a translator that makes no mistake "
            f"({bleu_tokenizer_in(found.signature)})"
        ]
        if found.known is not None and found.unknown_share > 0.0:
            told.append(
                f"BLEU {found.known:.1f} if it knew every word: {found.unknown_share:.1%} of the "
                "target's tokens are [UNK], which is never written"
            )
        if found.bleu < _LOW_CEILING:
            progress.warn(f"{name}: BLEU can be {found.bleu:.1f} at most: {found.reason}")
        return [Fact(f"{name} ceiling", "; ".join(told))]

    def _ceiling(self, split: EncodedSplit) -> Ceiling:
        """What the references score after their way through the target's vocabulary and back."""
        references = references_of(split)
        targets, sources = _targets_of(split), split.inputs["source_ids"].lengths
        limits = search_limits(sources, self.recipe.evaluation.length_ratio) - 1  # [EOS] is one
        rows = [targets.row(index)[:-1] for index in range(len(targets))]
        written = [
            self._joined(self._tokens_of(row[row != UNKNOWN_ID][:limit].tolist()))
            for row, limit in zip(rows, limits.tolist(), strict=True)
        ]
        found = self._compared(written, references, resamples=0)
        known = None
        if self._encoders is not None:  # there are none where only ids are at hand
            restored = self._encoders[1].restored(references)
            known = self.score_texts(restored, references, resamples=0)["bleu"].value
        unknown = sum(int((row == UNKNOWN_ID).sum()) for row in rows)
        return Ceiling(
            bleu=found.scores["bleu"].value,
            chrf=found.scores["chrf"].value,
            known=known,
            unknown_share=unknown / max(sum(map(len, rows)), 1),
            cut_share=float(
                np.mean([len(row) > limit for row, limit in zip(rows, limits, strict=True)])
            ),
            signature=found.signatures["bleu"],
        )

    def _computed(
        self, signatures: Mapping[str, str], split: EncodedSplit
    ) -> list[tuple[Cell, ...]]:
        ceiling = self._ceiling(split)
        of_metric = {"bleu": ceiling.bleu, "chrf": ceiling.chrf}
        return [(name, signature, of_metric[name]) for name, signature in signatures.items()]

    # --- Predictions and scores ---

    def inference(self, model: Any) -> Inference:
        translator = Translator(model, self.recipe.training.bucket_width)
        evaluation = self.recipe.evaluation
        greedy = Search(length_ratio=evaluation.length_ratio)
        full = Search(
            beam_size=evaluation.beam_size,
            length_penalty=evaluation.length_penalty,
            num_best=evaluation.n_best,
            length_ratio=evaluation.length_ratio,
            attention=evaluation.attention,
        )

        def infer(
            split: EncodedSplit, progress: Progress, *, quick: bool = False
        ) -> TranslatorOutputs:
            given = "target_ids" in split.inputs
            return TranslatorOutputs(
                translator.search(split.inputs["source_ids"], greedy if quick else full, progress),
                translator.surprisals(split, progress) if given else None,
            )

        return infer

    def measure(self, outputs: TranslatorOutputs, split: EncodedSplit) -> dict[str, float]:
        scores = self._score(outputs, split, resamples=0)
        values = {name: found.value for name, found in scores.items()}
        return {"loss": float(np.log(values["perplexity"])), **values}

    def score(self, outputs: TranslatorOutputs, split: EncodedSplit) -> Scores:
        return self._score(outputs, split, resamples=self.recipe.evaluation.resamples)

    def decode(self, texts: Sequence[str], outputs: TranslatorOutputs) -> list[Translation]:
        named = self.tokens(texts) if self.recipe.evaluation.attention else [[] for _ in texts]
        found = []
        for text, hypotheses, tokens in zip(texts, outputs.hypotheses, named, strict=True):
            alternatives = [self._alternative(one) for one in hypotheses]
            found.append(Translation(text, alternatives, [token.text for token in tokens]))
        return found

    def truths(self, examples: SentencePairs) -> list[dict[str, Any]]:
        return [{"true_translation": target} for target in examples.targets]

    def baselines(
        self, train: SentencePairs, test: SentencePairs, progress: Progress
    ) -> list[BaselineScore]:
        resamples = self.recipe.evaluation.resamples
        progress.say("baseline translation_memory ...")
        nearest, seconds = nearest_translations(train.texts, train.targets, test.texts)
        rivals = {
            "copy": ("the source as it is", test.texts, 0.0),
            "translation_memory": (
                "the translation of the most similar training source, by TF-IDF of words and "
                "word pairs",
                nearest,
                seconds,
            ),
        }
        return [
            BaselineScore(
                name,
                description,
                self.score_texts(translations, test.targets, resamples=resamples),
                seconds,
            )
            for name, (description, translations, seconds) in rivals.items()
        ]

    def tables(
        self, texts: Sequence[str], outputs: TranslatorOutputs, split: EncodedSplit
    ) -> list[Table]:
        translations, references = self._best(outputs), references_of(split)
        each = sentence_chrf(translations, references, self._reading)
        order = np.argsort(each, kind="stable")[:_SHOWN_SENTENCES]
        signatures = self._compared(translations, references, resamples=0).signatures
        return [
            Table(
                title="What was computed",
                note="sacrebleu's signatures, and what a translator that makes no mistake would "
                "score: the references through the target's vocabulary and back.",
                columns=("score", "signature", "ceiling"),
                rows=self._computed(signatures, split),
            ),
            Table(
                title="Farthest from their references",
                note="Lowest chrF first.",
                columns=("source", "reference", "translation", "chrF"),
                rows=[
                    (
                        texts[row] if texts else f"example {row + 1}",
                        references[row],
                        translations[row],
                        float(each[row]),
                    )
                    for row in order.tolist()
                ],
            ),
        ]

    def _score(self, outputs: TranslatorOutputs, split: EncodedSplit, *, resamples: int) -> Scores:
        return self._compared(
            self._best(outputs),
            references_of(split),
            surprisals=outputs.surprisals,
            lengths=_targets_of(split).lengths,
            resamples=resamples,
        ).scores

    def score_texts(
        self, translations: Sequence[str], references: Sequence[str], *, resamples: int
    ) -> Scores:
        """BLEU and chrF of translations, of this model or of others."""
        return self._compared(translations, references, resamples=resamples).scores

    def _compared(
        self,
        translations: Sequence[str],
        references: Sequence[str],
        *,
        resamples: int,
        surprisals: npt.NDArray[np.float64] | None = None,
        lengths: npt.NDArray[np.int64] | None = None,
    ) -> TranslationScores:
        return score_translations(
            translations,
            references,
            self._reading,
            surprisals=surprisals,
            lengths=lengths,
            confidence=self.recipe.evaluation.confidence,
            resamples=resamples,
            seed=self.recipe.seed,
        )

    @property
    def _reading(self) -> Reading:
        """How texts are read where they are compared: as far as the model can tell them apart."""
        target = self._sections[1]
        return Reading(target.normalize, target.lowercase, self.recipe.evaluation.bleu_tokenize)

    def _best(self, outputs: TranslatorOutputs) -> list[str]:
        return [self._text_of(hypotheses[0]) for hypotheses in outputs.hypotheses]

    def _text_of(self, hypothesis: Hypothesis) -> str:
        return self._joined(self._tokens_of(hypothesis.token_ids.tolist()))

    def _tokens_of(self, token_ids: Sequence[int]) -> list[str]:
        _, target = self._vocabularies
        return [target.decode_id(token_id) for token_id in token_ids]

    def _joined(self, tokens: Sequence[str]) -> str:
        """The target text of some tokens."""
        _, target = self._vocabularies
        return join_tokens(self._sections[1].tokenizer, tokens, with_joins=has_joins(target))

    def _alternative(self, hypothesis: Hypothesis) -> Alternative:
        weights, ids = hypothesis.attention, hypothesis.token_ids.tolist()
        return Alternative(
            text=self._text_of(hypothesis),
            score=hypothesis.score,
            log_probability=hypothesis.log_probability,
            tokens=[] if weights is None else [*self._tokens_of(ids), "[EOS]"],
            attention=[] if weights is None else weights.tolist(),
        )


def _joined(examples: SentencePairs) -> list[str]:
    return [f"{pair.source}\t{pair.target}" for pair in examples.pairs]


def references_of(split: EncodedSplit) -> Sequence[str]:
    if split.references is None:
        raise TypeError("a translator's split holds its references")
    return split.references


def _targets_of(split: EncodedSplit) -> RaggedIds:
    if not isinstance(split.targets, RaggedIds):
        raise TypeError("a translator's targets are ragged")
    return split.targets
