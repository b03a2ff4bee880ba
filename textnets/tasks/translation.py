"""Translation: a text in, another text out, token by token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from textnets.data.pairs import Pair, PairLayout, read_pairs, read_parallel
from textnets.data.sources import find_dataset, find_file
from textnets.data.splits import count_repeated, count_shared, fingerprint, grouped_share
from textnets.errors import DataError
from textnets.evaluation.report import Table
from textnets.evaluation.translation import (
    nearest_translations,
    score_translations,
    sentence_chrf,
)
from textnets.progress import Progress
from textnets.recipe import Recipe, TaskSchema
from textnets.recipe.sections import (
    DataSection,
    EvaluationSection,
    PositiveInt,
    Rate,
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
from textnets.tasks.translator import Hypothesis, Search, Translator, TranslatorOutputs
from textnets.text.corpus import EncodedSplit, RaggedIds, join_rows
from textnets.text.encoder import Coverage, RunningTextEncoder, TextEncoder, Token
from textnets.text.tokenizers import join_tokens
from textnets.text.vocabulary import BOS_ID, EOS_ID, Vocabulary
from textnets.training.devices import require_tensorflow

_SHOWN_SENTENCES = 20  # in the report


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


class TranslationText(TextSection):
    """From texts to token ids, on both sides alike."""

    shared_vocabulary: bool = Field(
        False, description="One vocabulary for both sides, learned on both."
    )

    @model_validator(mode="after")
    def _no_frame_and_no_vectors(self) -> TranslationText:
        for key in ("add_bos", "add_eos", "vectors"):
            if getattr(self, key):
                raise mistake(key, "has no effect in translation: remove it")
        return self


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
        if self.text.shared_vocabulary:
            one = TextEncoder.learn(self.text, lambda: [*train.texts, *train.targets])
            target = RunningTextEncoder(self.text, one.tokenizer, one.vocabulary)
            self._encoders = (one, target)
        else:
            self._encoders = (
                TextEncoder.learn(self.text, lambda: train.texts),
                RunningTextEncoder.learn(self.text, lambda: train.targets),
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
                TextEncoder.load(self.text, self._folder, source),
                RunningTextEncoder.load(self.text, self._folder, target),
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
            BaselineScore(name, description, self._score_texts(translations, test.targets), seconds)
            for name, (description, translations, seconds) in rivals.items()
        ]

    def tables(
        self, texts: Sequence[str], outputs: TranslatorOutputs, split: EncodedSplit
    ) -> list[Table]:
        translations, references = self._best(outputs), _references(split)
        each = sentence_chrf(translations, references)
        order = np.argsort(each, kind="stable")[:_SHOWN_SENTENCES]
        signatures = score_translations(
            translations, references, resamples=0, seed=self.recipe.seed
        ).signatures
        return [
            Table(
                title="What was computed",
                note="sacrebleu's signatures.",
                columns=("score", "signature"),
                rows=list(signatures.items()),
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
        return score_translations(
            self._best(outputs),
            _references(split),
            surprisals=outputs.surprisals,
            lengths=_target_lengths(split),
            confidence=self.recipe.evaluation.confidence,
            resamples=resamples,
            seed=self.recipe.seed,
        ).scores

    def _score_texts(self, translations: Sequence[str], references: Sequence[str]) -> Scores:
        return score_translations(
            translations,
            references,
            confidence=self.recipe.evaluation.confidence,
            resamples=self.recipe.evaluation.resamples,
            seed=self.recipe.seed,
        ).scores

    def _best(self, outputs: TranslatorOutputs) -> list[str]:
        return [self._text_of(hypotheses[0]) for hypotheses in outputs.hypotheses]

    def _text_of(self, hypothesis: Hypothesis) -> str:
        return join_tokens(self.text.tokenizer, self._tokens_of(hypothesis))

    def _tokens_of(self, hypothesis: Hypothesis) -> list[str]:
        _, target = self._vocabularies
        return [target.decode_id(token_id) for token_id in hypothesis.token_ids.tolist()]

    def _alternative(self, hypothesis: Hypothesis) -> Alternative:
        weights = hypothesis.attention
        return Alternative(
            text=self._text_of(hypothesis),
            score=hypothesis.score,
            log_probability=hypothesis.log_probability,
            tokens=[] if weights is None else [*self._tokens_of(hypothesis), "[EOS]"],
            attention=[] if weights is None else weights.tolist(),
        )


def _joined(examples: SentencePairs) -> list[str]:
    return [f"{pair.source}\t{pair.target}" for pair in examples.pairs]


def _references(split: EncodedSplit) -> Sequence[str]:
    if split.references is None:
        raise TypeError("a translator's split holds its references")
    return split.references


def _target_lengths(split: EncodedSplit) -> npt.NDArray[np.int64]:
    if not isinstance(split.targets, RaggedIds):
        raise TypeError("a translator's targets are ragged")
    return split.targets.lengths
