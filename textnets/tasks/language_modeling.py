"""Language modeling: what comes next, at every place of a text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from textnets.backend.devices import require_tensorflow
from textnets.data.running_text import cut_long_lines, cut_tail, read_lines
from textnets.data.splits import count_repeated, count_shared, stratified_share
from textnets.decoding.sampling import Sampling
from textnets.errors import DataError
from textnets.evaluation.language_modeling import (
    CountedText,
    blocks_of,
    by_position,
    costly_tokens,
    counting_baselines,
    perplexity,
    score_surprisals,
)
from textnets.evaluation.report import Table
from textnets.progress import Progress
from textnets.recipe import Recipe, TaskSchema
from textnets.recipe.sections import (
    DataSection,
    PositiveInt,
    TextSection,
    TrainingSection,
    mistake,
)
from textnets.tasks.task import (
    BaselineScore,
    Drawn,
    Examples,
    Fact,
    Inference,
    Mistake,
    Prediction,
    Scorer,
    Scores,
    Task,
    Trainer,
    Writer,
)
from textnets.tasks.word_vectors import pretrained_vectors
from textnets.tasks.writing import TextWriter, WrittenIds, WrittenText
from textnets.text.batches import ExampleBatches, TargetsAsInput, TrainingBatches
from textnets.text.corpus import EncodedSplit, IntArray, RaggedIds, RaggedOutputs
from textnets.text.encoder import Coverage, RunningTextEncoder, Token
from textnets.text.streams import StreamBatches
from textnets.text.vocabulary import (
    BOS_ID,
    EOS_ID,
    PADDING_ID,
    SPECIAL_TOKENS,
    UNKNOWN_ID,
    Vocabulary,
)

_WINDOW = 35  # Zaremba et al. 2014, and everybody since
_CONTINUATION = {"characters": 200}  # tokens that ``textnets predict`` writes
_WORDS_CONTINUATION = 40
_ORDERS = {"characters": (1, 6)}  # of the counting baselines
_WORD_ORDERS = (1, 4)
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


class LanguageModelingData(DataSection):
    """Running text, plain or gzip-compressed."""

    stream: bool = Field(
        True,
        description="The files are one running text each, read in the order of their lines; "
        "false: every line is a sentence of its own, and blank lines are passed over.",
    )


class LanguageModelingText(TextSection):
    """From text to token ids."""

    lowercase: bool = Field(False, description="Lower-case every letter, Unicode-aware.")
    max_tokens: int | None = Field(
        None, gt=4, description="Vocabulary size at most, the four special tokens included."
    )
    max_length: PositiveInt | None = Field(
        None, description="In tokens; longer sentences are truncated. For data.stream: false."
    )
    add_eos: bool = Field(
        False,
        description="Put [EOS] behind every line of a running text, in place of its line break. "
        "Sentences always have one.",
    )

    @model_validator(mode="after")
    def _bos_comes_by_itself(self) -> LanguageModelingText:
        if self.add_bos:
            raise mistake("add_bos", "[BOS] is put before every sentence anyway; remove the key")
        return self


class LanguageModelingTraining(TrainingSection):
    """How the weights are found."""

    batch_size: PositiveInt = Field(
        32, description="Sentences a step; of a running text the streams that are read at once."
    )
    window: PositiveInt | None = Field(
        None,
        description=f"Tokens of each stream a step, through which gradients run ({_WINDOW} "
        "unless given); the state is carried on. For data.stream: true.",
    )
    sampled_softmax: PositiveInt | None = Field(
        None,
        description="Train with a softmax over this many sampled tokens and the right one "
        "(Jean et al. 2015); scores always use the whole vocabulary. For large vocabularies.",
    )


@dataclass(frozen=True)
class TextLines(Examples):
    """The lines of a running text, or sentences."""

    lines: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def texts(self) -> list[str]:
        return self.lines

    def select(self, rows: npt.NDArray[np.int64]) -> TextLines:
        return TextLines([self.lines[row] for row in rows.tolist()])


@dataclass(frozen=True)
class ScoredText(Prediction):
    """How probable a text is.

    Attributes:
        text: as given.
        tokens: those that were scored, as the model sees them.
        surprisals: of each, in nats: minus the logarithm of its probability.
        unknown: which of them are ``[UNK]``, whose probability is not the word's own.
    """

    text: str
    tokens: Sequence[str]
    surprisals: Sequence[float]
    unknown: Sequence[bool] = ()

    @property
    def log_probability(self) -> float:
        """Of the whole text, in nats."""
        return 0.0 - math.fsum(self.surprisals)

    @property
    def perplexity(self) -> float:
        """Per token; 1 where there is none."""
        return perplexity(-self.log_probability / max(len(self.surprisals), 1))

    @property
    def unknown_share(self) -> float:
        """Of the tokens; 0 where there is none."""
        return sum(self.unknown) / max(len(self.unknown), 1)

    def as_fields(self) -> dict[str, Any]:
        return {
            "log_probability": round(self.log_probability, 4),
            "tokens": len(self.surprisals),
            "perplexity": round(self.perplexity, 4),
            "unknown_share": round(self.unknown_share, 4),
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "log_probability": round(self.log_probability, 6),
            "perplexity": round(self.perplexity, 6),
            "unknown_share": round(self.unknown_share, 6),
            "tokens": list(self.tokens),
            "surprisals": [round(value, 6) for value in self.surprisals],
            "unknown": list(self.unknown),
        }

    def as_line(self) -> str:
        shown = " ".join(self.text.split())
        figures = (self.log_probability, self.perplexity, self.unknown_share)
        return "\t".join([*(f"{figure:.3f}" for figure in figures), shown])


@dataclass(frozen=True)
class Surprisals(RaggedOutputs):
    """What a language model answers: ``<float32>[tokens]``, in nats.

    Attributes:
        unknown: ``<bool>[tokens]``: which are ``[UNK]``.
    """

    unknown: npt.NDArray[np.bool_]

    def unknown_row(self, index: int) -> npt.NDArray[np.bool_]:
        """``<bool>[length]``, as :meth:`row`."""
        return self.unknown[self.offsets[index] : self.offsets[index + 1]]


class LanguageModelingTask(Task[TextLines]):
    """Text to the probabilities of what comes next."""

    name = "language_modeling"
    schema = TaskSchema(
        data=LanguageModelingData,
        text=LanguageModelingText,
        training=LanguageModelingTraining,
        sizes=frozenset({"vocabulary_size", "embedding_vectors"}),
        required_sizes=frozenset({"vocabulary_size"}),
    )
    input_suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.data: LanguageModelingData = recipe.data
        self.text: LanguageModelingText = recipe.text
        self.vocabulary: Vocabulary | None = None
        self._encoder: RunningTextEncoder | None = None
        self._folder: Path | None = None
        self._encoded: list[tuple[TextLines, EncodedSplit]] = []

    # --- Metrics ---

    @property
    def headline(self) -> str:
        return "cross_entropy"

    @property
    def metrics(self) -> Mapping[str, bool]:
        bits = "bits_per_character" if self._has_characters else "bits"
        return dict.fromkeys(("loss", "cross_entropy", bits, "perplexity"), True)

    @property
    def training_metrics(self) -> tuple[str, ...]:
        return ()

    @property
    def _has_characters(self) -> bool:
        return self.text.tokenizer == "characters"

    def mistakes(self) -> list[Mistake]:
        found = super().mistakes()
        useless: dict[tuple[str, str], bool] = {
            ("training", "window"): not self.data.stream,
            ("text", "max_length"): self.data.stream,
        }
        wanted = "false" if self.data.stream else "true"
        for (section, key), is_useless in useless.items():
            if is_useless and getattr(getattr(self.recipe, section), key) is not None:
                found.append(((section, key), f"has an effect with data.stream: {wanted} only"))
        if self.text.add_eos and not self.data.stream:
            message = "sentences have [EOS] in any case; it goes with data.stream: true"
            found.append((("text", "add_eos"), message))
        is_adaptive = bool(self.recipe.builder_parameters.get("adaptive_softmax"))
        if is_adaptive and self.recipe.training.sampled_softmax is not None:
            message = "model.adaptive_softmax needs no sample; remove one of the two"
            found.append((("training", "sampled_softmax"), message))
        return found

    # --- Text to examples ---

    def read_files(self, files: Mapping[str, Path], progress: Progress) -> dict[str, TextLines]:
        return {split: self._read(path, progress) for split, path in files.items()}

    def divide(
        self, splits: dict[str, TextLines], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        if self.data.stream:
            self._cut_tails(splits)
        else:
            self.hold_out(splits, self._draw)

    def read_file(self, path: Path) -> TextLines:
        return self._read(path, Progress())

    def read_inputs(self, path: Path) -> Iterable[str]:
        return read_lines(path)

    def _read(self, path: Path, progress: Progress) -> TextLines:
        suffix = Path(path.name.lower().removesuffix(".gz")).suffix
        if suffix in _TABLES:
            raise DataError(
                f"{path}: language models read plain text, was: a {suffix} file; write its texts "
                "into a .txt file, one a line"
            )
        progress.say(f"reading {path.name} ...")
        lines = read_lines(path, keep_ends=self.keeps_ends, limit=self.data.limit)
        return self.examples(lines)

    @property
    def keeps_ends(self) -> bool:
        """Whether a line's break is a token of the text."""
        return self.data.stream and not self.text.add_eos

    def examples(self, lines: list[str]) -> TextLines:
        """What is read of some lines, with their breaks where those are tokens."""
        if not self.data.stream:
            return TextLines([line for line in lines if line.strip()])
        return TextLines(cut_long_lines(lines) if self.keeps_ends else lines)

    def _cut_tails(self, splits: dict[str, TextLines]) -> None:
        """Shares of a running text are tails of it: the test split last, then validation."""
        lines, held_out = splits["train"].lines, 0.0
        end = len(lines)
        for split in ("test", "validation"):
            share = getattr(self.data, split)
            if isinstance(share, float):
                held_out += share
                if held_out >= 1.0:
                    raise DataError(f"data.test and data.validation hold out {held_out:g} of 1")
                start = cut_tail(lines, held_out, split)
                splits[split] = TextLines(lines[start:end])
                if start >= end:
                    raise DataError(f"{split}: a tail of {share} holds no line; enlarge it")
                end = start
        splits["train"] = TextLines(lines[:end])

    def _draw(self, examples: TextLines, share: float, purpose: str) -> Drawn:
        keys = [""] * len(examples)
        return stratified_share(keys, share, seed=self.recipe.seed, purpose=purpose)

    def check_splits(self, splits: Mapping[str, TextLines]) -> list[Fact]:
        facts = [
            Fact(f"{name} characters", f"{sum(map(len, examples.lines)):,}")
            for name, examples in splits.items()
        ]
        if self.data.stream:
            return facts
        train = splits["train"]
        facts.append(Fact("repeated texts in train", f"{count_repeated(train.texts):,}"))
        for name, examples in splits.items():
            if name != "train":
                shared = count_shared(train.texts, examples.texts)
                share = f"{shared:,} of {len(examples):,}"
                facts.append(Fact(f"{name} texts also in train", share))
        return facts

    # --- Vocabularies and ids ---

    def learn(self, train: TextLines) -> None:
        require_tensorflow("turning text into ids")
        encoder = RunningTextEncoder.learn(self._bare_text, lambda: train.lines)
        self._encoder = encoder
        self.vocabulary = encoder.vocabulary

    def save(self, folder: Path) -> None:
        self.encoder.save(folder)

    def load(self, folder: Path) -> None:
        self._folder = folder
        self.vocabulary = Vocabulary.load(folder / "vocabulary.txt")

    @property
    def encoder(self) -> RunningTextEncoder:
        """Made on first use: it needs TensorFlow, which training on stored ids does not."""
        if self._encoder is None:
            if self._folder is None:
                raise RuntimeError("learn() or load() first")
            require_tensorflow("turning text into ids")
            self._encoder = RunningTextEncoder.load(self._bare_text, self._folder)
        return self._encoder

    @property
    def _bare_text(self) -> TextSection:
        """The text section without the [EOS] that is put here."""
        return self.text.model_copy(update={"add_eos": False})

    @property
    def _ends_rows(self) -> bool:
        """Whether every row ends in [EOS]."""
        return self.text.add_eos or not self.data.stream

    @property
    def start_id(self) -> int:
        """What stands before a text's first token: the end of the line before it."""
        if not self.data.stream:
            return BOS_ID
        if self.text.add_eos:
            return EOS_ID
        line_break = self._words.encode_token("\n")
        return BOS_ID if line_break == UNKNOWN_ID else line_break

    @property
    def _words(self) -> Vocabulary:
        if self.vocabulary is None:
            raise RuntimeError("learn() or load() first")
        return self.vocabulary

    def encode(
        self, examples: TextLines, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        found, coverage = self.encoder.encode_measured(
            examples.lines, progress=progress, label=label, total=len(examples)
        )
        targets = _with_ends(found) if self._ends_rows else found
        if len(targets.ids) == 0:
            raise DataError(f"{label}: there is no token in the text")
        split = EncodedSplit({"token_ids": self._shifted(targets)}, targets)
        self._encoded.append((examples, split))
        return split, coverage

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        """Prompts: each text behind what starts one."""
        prompts = _put(self.encoder.encode(texts), self.start_id, in_front=True)
        return EncodedSplit({"token_ids": prompts}, np.zeros(0, np.int32))

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        end = [Token(SPECIAL_TOKENS[EOS_ID], EOS_ID)] if self._ends_rows else []
        return [row + end for row in self.encoder.tokens(texts)]

    def _shifted(self, targets: RaggedIds) -> RaggedIds:
        """What is read at each place: the target of the place before."""
        ids = np.concatenate([[self.start_id], targets.ids[:-1]]).astype(np.int32)
        if not self.data.stream:
            ids[targets.offsets[:-1]] = BOS_ID
        return RaggedIds(ids, targets.offsets)

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        return {"tokens": ("embedding", self._words)}

    # --- Model ---

    def sizes(self, progress: Progress) -> dict[str, Any]:
        return {
            "vocabulary_size": len(self._words),
            **pretrained_vectors(self.recipe, self._words, self.facts, progress),
        }

    def trainer(self, model: Any) -> Trainer:
        from textnets.builders.loss_model import build_loss_model

        section = self.recipe.training
        found = build_loss_model(
            model,
            streams=section.batch_size if self.data.stream else None,
            num_sampled=section.sampled_softmax,
            seed=self.recipe.seed,
        )
        return Trainer(found.model, begin_epoch=found.reset, at_row=found.begin_at)

    def losses(self) -> tuple[Any, list[Any]]:
        from textnets.training.losses import OutputAsLoss

        return OutputAsLoss(), []

    def training_batches(self, trained: Any, train: EncodedSplit) -> TrainingBatches:
        section = self.recipe.training
        if not self.data.stream:
            return TargetsAsInput(
                ExampleBatches(
                    train,
                    batch_size=section.batch_size,
                    bucket_width=section.bucket_width,
                    seed=self.recipe.seed,
                )
            )
        token_ids, targets = train.inputs["token_ids"].ids, _targets(train).ids
        if len(targets) < section.batch_size:
            raise DataError(
                f"training.batch_size: {section.batch_size} streams cannot be made of a text of "
                f"{len(targets)} tokens"
            )
        window = section.window or _WINDOW
        return TargetsAsInput(StreamBatches(token_ids, targets, section.batch_size, window))

    # --- Predictions and scores ---

    def inference(self, model: Any) -> Inference:
        """Of a split with targets the surprisal of each token, :class:`Surprisals`; of prompts
        their most likely continuations, ``WrittenTexts``."""
        from textnets.decoding.surprisals import SurprisalReader

        reader = SurprisalReader.of(model)
        writer = self._writer(model)

        def infer(split: EncodedSplit, progress: Progress, *, quick: bool = False) -> Any:
            if not isinstance(split.targets, RaggedIds):
                return writer.write(
                    split.inputs["token_ids"],
                    _CONTINUATION.get(self.text.tokenizer, _WORDS_CONTINUATION),
                    Sampling(temperature=0.0),
                    seeds=[(0,)] * len(split.inputs["token_ids"]),
                )
            ids, targets = split.inputs["token_ids"].ids, split.targets
            read = (
                reader.read_stream(ids, targets.ids, progress)
                if self.data.stream
                else reader.read_rows(ids, targets.ids, targets.offsets, progress)
            )
            return Surprisals(read, targets.offsets, targets.ids == UNKNOWN_ID)

        return infer

    def measure(self, outputs: Surprisals, split: EncodedSplit) -> dict[str, float]:
        scores = self._score(outputs, resamples=0)
        values = {name: estimate.value for name, estimate in scores.items()}
        return {"loss": values["cross_entropy"], **values}

    def score(self, outputs: Surprisals, split: EncodedSplit) -> Scores:
        return self._score(outputs, resamples=self.recipe.evaluation.resamples)

    def _score(self, outputs: Surprisals, *, resamples: int) -> Scores:
        return score_surprisals(
            outputs.values,
            blocks_of(len(outputs.values)) if self.data.stream else outputs.offsets,
            characters=self._has_characters,
            unknown=outputs.unknown,
            confidence=self.recipe.evaluation.confidence,
            resamples=resamples,
            seed=self.recipe.seed,
        )

    def decode(self, texts: Sequence[str], outputs: Any) -> Sequence[Prediction]:
        if not isinstance(outputs, Surprisals):
            return [self._as_written(text, row) for text, row in zip(texts, outputs, strict=True)]
        # Only the sums are told here; the tokens would have to be found once more.
        return [
            ScoredText(text, (), outputs.row(index).tolist(), outputs.unknown_row(index).tolist())
            for index, text in enumerate(texts)
        ]

    def truths(self, examples: TextLines) -> list[dict[str, Any]]:
        return [{} for _ in examples.lines]

    def baselines(
        self, train: TextLines, test: TextLines, progress: Progress
    ) -> list[BaselineScore]:
        orders = _ORDERS.get(self.text.tokenizer, _WORD_ORDERS)
        progress.say(f"baselines: n-grams of the orders {', '.join(map(str, orders))} ...")
        train_split, test_split = map(self._split_of, (train, test))
        targets = _targets(test_split)
        is_unknown = targets.ids == UNKNOWN_ID
        counted = self._counted(test_split)
        is_target = counted.places > 0
        found = []
        for rival in counting_baselines(
            self._counted(train_split),
            counted,
            orders=orders,
            vocabulary_size=len(self._words),
            is_scored=~np.isin(np.arange(len(self._words)), [PADDING_ID, BOS_ID]),
        ):
            surprisals = rival.surprisals[is_target].astype(np.float32)
            outputs = Surprisals(surprisals, targets.offsets, is_unknown)
            scores = self._score(outputs, resamples=self.recipe.evaluation.resamples)
            found.append(BaselineScore(rival.name, rival.description, scores, rival.seconds))
        return found

    def _split_of(self, examples: TextLines) -> EncodedSplit:
        """As encoded already, where it was: seeding TensorFlow loses sentencepiece's model."""
        for known, split in self._encoded:
            if known is examples:
                return split
        return self.encode(examples, Progress(), "encoding")[0]

    def _counted(self, split: EncodedSplit) -> CountedText:
        """A split with what starts it in front: before the stream, or before each sentence."""
        targets = _targets(split)
        if self.data.stream:
            ids = np.concatenate([[self.start_id], targets.ids]).astype(np.int32)
            return CountedText(ids, np.arange(len(ids), dtype=np.int64))
        rows = _put(targets, BOS_ID, in_front=True)
        places = np.arange(len(rows.ids), dtype=np.int64)
        return CountedText(rows.ids, places - np.repeat(rows.offsets[:-1], rows.lengths))

    def tables(self, texts: Sequence[str], outputs: Surprisals, split: EncodedSplit) -> list[Table]:
        targets = _targets(split)
        unit = "character" if self._has_characters else "token"
        rows = [
            (repr(self._words.decode_id(found.token_id)), found.count, found.mean, found.share)
            for found in costly_tokens(outputs.values, targets.ids)
        ]
        where = "line" if self.data.stream else "sentence"
        return [
            Table(
                title=f"Costliest {unit}s",
                note="By their part in the cross-entropy.",
                columns=(unit, "count", "nats", "share of all nats"),
                rows=rows,
            ),
            Table(
                title=f"By position in the {where}",
                note="",
                columns=("position", f"{unit}s", "nats"),
                rows=by_position(outputs.values, outputs.offsets),
            ),
        ]

    # --- Scoring and writing single texts ---

    def scorer(self, model: Any) -> Scorer:
        from textnets.decoding.surprisals import SurprisalReader

        reader = SurprisalReader.of(model)

        def score(texts: Sequence[str]) -> list[ScoredText]:
            found = self.encoder.encode(texts)
            targets = _with_ends(found) if self._ends_rows else found
            prompts = _put(found, self.start_id, in_front=True)
            # Without [EOS] nothing is predicted from the last token of a text.
            read = prompts if self._ends_rows else _without_last(prompts)
            surprisals = reader.read_rows(read.ids, targets.ids, targets.offsets, Progress())
            outputs = RaggedOutputs(surprisals, targets.offsets)
            return [
                ScoredText(
                    text,
                    [token.text for token in tokens],
                    outputs.row(index).tolist(),
                    [token.unknown for token in tokens],
                )
                for index, (text, tokens) in enumerate(zip(texts, self.tokens(texts), strict=True))
            ]

        return score

    def writer(self, model: Any) -> Writer:
        ids = self._writer(model)

        def write(
            prompts: Sequence[str],
            sampling: Sampling,
            *,
            length: int,
            seeds: Sequence[Sequence[int]],
            num_alternatives: int = 0,
        ) -> list[WrittenText]:
            written = ids.write(
                self.encode_inputs(prompts).inputs["token_ids"],
                length,
                sampling,
                seeds=seeds,
                num_alternatives=num_alternatives,
            )
            return [self._as_written(*pair) for pair in zip(prompts, written, strict=True)]

        return write

    def _writer(self, model: Any) -> TextWriter:
        # A model that never saw [EOS] has no opinion of it.
        never = frozenset[int]() if self._ends_rows else frozenset({EOS_ID})
        return TextWriter.of(model, end_id=-1 if self.data.stream else EOS_ID, never=never)

    def _as_written(self, prompt: str, row: WrittenIds) -> WrittenText:
        return row.as_text(prompt, self._words, self._joined)

    def _joined(self, prompt: str, token_ids: Sequence[int]) -> str:
        """The prompt and what was written behind it, as a text."""
        lines: list[list[str]] = [[]]
        for token_id in token_ids:
            if token_id == EOS_ID:
                lines.append([])
            else:
                lines[-1].append(self._words.decode_id(token_id))
        first, *others = lines
        found = [prompt + self._behind(prompt, first), *map(self.encoder.tokenizer.join, others)]
        joined = "\n".join(found)
        return joined if self.data.stream else joined.removesuffix("\n")

    def _behind(self, prompt: str, tokens: Sequence[str]) -> str:
        """Tokens as a text that goes on where the prompt ends: in a word, or behind a blank."""
        join = self.encoder.tokenizer.join
        (before,) = self.encoder.tokens([prompt])
        known = [token.text for token in before]
        start, whole = join(known), join([*known, *tokens])
        if not whole.startswith(start):
            return f" {join(tokens)}"
        rest = whole[len(start) :]
        return rest if self._has_characters or not prompt[-1:].isspace() else rest.lstrip(" ")


def _targets(split: EncodedSplit) -> RaggedIds:
    if not isinstance(split.targets, RaggedIds):
        raise TypeError("a language model's targets are ragged")
    return split.targets


def _with_ends(rows: RaggedIds) -> RaggedIds:
    return _put(rows, EOS_ID, in_front=False)


def _put(rows: RaggedIds, token_id: int, *, in_front: bool) -> RaggedIds:
    """One more id in front of, or behind, every row."""
    places = rows.offsets[:-1] if in_front else rows.offsets[1:]
    ids: IntArray = np.insert(rows.ids, places, token_id).astype(np.int32)
    return RaggedIds(ids, rows.offsets + np.arange(len(rows.offsets)))


def _without_last(rows: RaggedIds) -> RaggedIds:
    """Every row, each of which has at least one id, without its last."""
    ids: IntArray = np.delete(rows.ids, rows.offsets[1:] - 1).astype(np.int32)
    return RaggedIds(ids, rows.offsets - np.arange(len(rows.offsets)))
