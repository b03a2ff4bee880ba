"""Tagging: one tag a word, of sentences that are cut into words already."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from textnets.backend.inference import input_names, predict_all
from textnets.backend.steps import forward
from textnets.data.sentences import (
    SENTENCE_SUFFIXES,
    Sentence,
    SentenceLayout,
    read_sentences,
)
from textnets.data.splits import count_repeated, count_shared, stratified_share
from textnets.decoding.tags import (
    conditional_random_field,
    span_rules,
    tag_decoder,
)
from textnets.errors import DataError, RunError
from textnets.evaluation.classification import confusions, label_table
from textnets.evaluation.report import Table
from textnets.evaluation.tagging import (
    Tags,
    are_span_tags,
    score_tags,
    span_table,
)
from textnets.evaluation.tagging_baselines import TAG_BASELINES
from textnets.progress import Progress
from textnets.recipe import Recipe, TaskSchema
from textnets.recipe.sections import (
    DataSection,
    EvaluationSection,
    PositiveInt,
    Section,
    TrainingSection,
)
from textnets.tasks.span_tags import check_span_tags
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
    Trainer,
)
from textnets.tasks.word_vectors import pretrained_vectors
from textnets.text.batches import TargetsAsInput, TrainingBatches
from textnets.text.corpus import EncodedSplit, RaggedIds, RaggedOutputs, join_rows
from textnets.text.encoder import Coverage, Token
from textnets.text.vocabulary import (
    BOS_ID,
    EOS_ID,
    PADDING_ID,
    UNKNOWN_ID,
    Vocabulary,
    build_vocabulary,
    load_lines,
    save_lines,
)

_VOCABULARY_FILE = "vocabulary.txt"
_CHARACTERS_FILE = "characters.txt"
_LABELS_FILE = "labels.txt"
_UNSEEN_FILE = "unseen_labels.txt"
_SMALLEST_PROBABILITY = 1e-7
_TARGETS = "target_ids"


class TaggingData(DataSection):
    """Sentences with a tag a word."""

    format: Literal["auto", "conllu", "columns", "jsonl"] = Field(
        "auto",
        description="How the files are written: CoNLL-U, columns between blanks with an empty "
        "line between sentences, or jsonl with two lists; 'auto' goes by their names.",
    )
    tags: Literal["upos", "xpos", "feats"] = Field(
        "upos", description="Which column of CoNLL-U holds the tags."
    )
    word_column: Annotated[int, Field(ge=0)] = Field(
        0, description="With format: columns, where the words stand, counted from 0."
    )
    tag_column: Annotated[int, Field(ge=0)] = Field(
        1, description="With format: columns, where the tags stand, counted from 0."
    )
    token_key: str = Field("tokens", description="The key of the words in jsonl.")
    tag_key: str = Field("tags", description="The key of the tags in jsonl.")
    spans: bool = Field(
        False,
        description="The tags mark spans (B-NP, I-NP, O; IOB, IOB2 or IOBES): score those too.",
    )


class TaggingText(Section):
    """From words to token ids."""

    tokenizer: Literal["pretokenized"] = Field(
        "pretokenized", description="Words are taken as they are; a raw text is cut at blanks."
    )
    normalize: Literal["none", "nfc", "nfkc"] = Field(
        "nfc", description="Unicode normalization, before anything else."
    )
    lowercase: bool = Field(
        True, description="Lower-case the words of the vocabulary; their characters keep case."
    )
    max_tokens: Annotated[int, Field(gt=4)] | None = Field(
        None, description="Vocabulary size at most, the four special tokens included."
    )
    min_count: PositiveInt = Field(
        1, description="Words seen fewer times in the training split become [UNK]."
    )
    max_word_length: Annotated[int, Field(ge=4)] = Field(
        24,
        description="In characters, its two ends included, for models that read characters; a "
        "longer word loses its middle.",
    )
    vectors: str | None = Field(
        None,
        description="Pretrained word vectors (GloVe, word2vec or fastText text format, gzip "
        "too). model.embedding_width must be their width.",
    )


class TaggingEvaluation(EvaluationSection):
    """How a tagger is measured, and how it chooses its tags."""

    constrained: bool = Field(
        False,
        description="Never predict tags that mark no spans, such as I-NP after O: those of IOBES "
        "where a tag begins with E- or S-, else of IOB2 (BIO). Needs data.spans: true.",
    )


@dataclass(frozen=True)
class TaggedSentences(Examples):
    """Sentences with their tags."""

    sentences: list[Sentence] = field(default_factory=list)

    @classmethod
    def of(cls, sentences: Iterable[Sentence]) -> TaggedSentences:
        """With words and tags that are one piece each: cut at blanks, a joined sentence gives the
        same words again."""
        pieces = (
            replace(
                sentence,
                words=tuple(map(_in_one_piece, sentence.words)),
                tags=tuple(map(_in_one_piece, sentence.tags)),
            )
            for sentence in sentences
        )
        return cls(list(pieces))

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def texts(self) -> list[str]:
        return [" ".join(sentence.words) for sentence in self.sentences]

    def select(self, rows: npt.NDArray[np.int64]) -> TaggedSentences:
        return TaggedSentences([self.sentences[row] for row in rows.tolist()])


@dataclass(frozen=True)
class TaggedText(Prediction):
    """A text with a tag for each of its words.

    Attributes:
        text: as given.
        tokens: its words.
        tags: one a word.
        probabilities: of each tag.
    """

    text: str
    tokens: Sequence[str]
    tags: Sequence[str]
    probabilities: Sequence[float]

    def as_fields(self) -> dict[str, Any]:
        return {"tags": " ".join(self.tags)}

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "tokens": list(self.tokens),
            "tags": list(self.tags),
            "probabilities": [round(value, 6) for value in self.probabilities],
        }

    def as_line(self) -> str:
        return " ".join(f"{token}/{tag}" for token, tag in zip(self.tokens, self.tags, strict=True))


@dataclass(frozen=True)
class TagOutputs:
    """What a tagger answers.

    Attributes:
        probabilities: ``<float32>[total, tags]``; the marginals of a CRF.
        tags: the chosen tag's id at every word.
    """

    probabilities: RaggedOutputs
    tags: RaggedIds


class TaggingTask(Task[TaggedSentences]):
    """Words to tags."""

    name = "tagging"
    schema = TaskSchema(
        data=TaggingData,
        text=TaggingText,
        training=TrainingSection,
        sizes=frozenset({"vocabulary_size", "num_tags", "num_characters", "embedding_vectors"}),
        required_sizes=frozenset({"vocabulary_size", "num_tags"}),
        evaluation=TaggingEvaluation,
    )
    input_names: ClassVar[tuple[str, ...]] = ("token_ids", "character_ids")
    input_suffixes: ClassVar[tuple[str, ...]] = SENTENCE_SUFFIXES

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.data: TaggingData = recipe.data
        self.text: TaggingText = recipe.text
        self.labels: list[str] = []
        self.vocabulary: Vocabulary | None = None
        self.characters: Vocabulary | None = None
        # Tags that only other splits have: their ids follow those of the labels. A model never
        # says them, so each is an error, but the spans that they mark are counted.
        self._unseen: list[str] = []
        self._layout = SentenceLayout(
            file_format=self.data.format,
            tags=self.data.tags,
            word_column=self.data.word_column,
            tag_column=self.data.tag_column,
            token_key=self.data.token_key,
            tag_key=self.data.tag_key,
        )

    # --- Metrics ---

    @property
    def headline(self) -> str:
        return "span_f1" if self.data.spans else "accuracy"

    @property
    def metrics(self) -> Mapping[str, bool]:
        names = ["accuracy", "sentence_accuracy"]
        if self.data.spans:
            names += ["span_precision", "span_recall", "span_f1"]
        return {"loss": True, **dict.fromkeys(names, False)}

    @property
    def score_names(self) -> tuple[str, ...]:
        return (*super().score_names, "unknown_accuracy")

    @property
    def training_metrics(self) -> tuple[str, ...]:
        return () if self._has_crf else ("accuracy",)

    def mistakes(self) -> list[Mistake]:
        found = super().mistakes()
        if self.recipe.evaluation.constrained and not self.data.spans:
            found.append((("evaluation", "constrained"), "needs data.spans: true, was: false"))
        return found

    # --- Text to examples ---

    def read_files(
        self, files: Mapping[str, Path], progress: Progress
    ) -> dict[str, TaggedSentences]:
        return {split: self._read(path, progress) for split, path in files.items()}

    def divide(
        self, splits: dict[str, TaggedSentences], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        self.hold_out(splits, self._draw)
        tags = sorted(set(_all_tags(splits["train"])))
        if len(tags) < 2:
            raise DataError(
                f"{sources['train']}: holds only the tag {tags[0]!r}; a tagger needs two or more"
            )
        for name in SPLITS:
            if name in splits:
                self.check_tags(splits[name], tags)

    def _draw(self, examples: TaggedSentences, share: float, purpose: str) -> Drawn:
        keys = [""] * len(examples)
        return stratified_share(keys, share, seed=self.recipe.seed, purpose=purpose)

    def read_file(self, path: Path) -> TaggedSentences:
        examples = self._read(path, Progress())
        if self.labels:
            self.check_tags(examples)
        return examples

    def check_tags(self, examples: TaggedSentences, known: Sequence[str] | None = None) -> None:
        """Refuse tags that the scores would misread.

        Args:
            examples: of any split.
            known: the tags of the training split; by default those that were learned.

        Raises:
            DataError: with the place of the first.
        """
        if self.data.spans:
            check_span_tags(
                examples.sentences,
                self.labels if known is None else known,
                constrained=self.recipe.evaluation.constrained,
            )

    def read_inputs(self, path: Path) -> Iterable[str]:
        for sentence in read_sentences(path, self._layout, with_tags=False):
            yield " ".join(map(_in_one_piece, sentence.words))

    def check_splits(self, splits: Mapping[str, TaggedSentences]) -> list[Fact]:
        train = splits["train"]
        known = set(_all_tags(train))
        facts = [Fact("repeated texts in train", f"{count_repeated(train.texts):,}")]
        if not self.data.spans and are_span_tags(known):
            facts.append(Fact("spans", "the tags mark spans; data.spans: true would score them"))
        for name, examples in splits.items():
            counts = Counter(_all_tags(examples))
            (most, times), *_ = counts.most_common(1)
            share = times / counts.total()
            facts.append(
                Fact(f"tags of {name}", f"{len(counts)}, most frequent '{most}' ({share:.1%})")
            )
            if name != "train":
                unseen = ", ".join(sorted(set(counts) - known)) or "none"
                facts.append(Fact(f"{name} tags that train lacks", unseen))
                shared = count_shared(train.texts, examples.texts)
                facts.append(
                    Fact(f"{name} texts also in train", f"{shared:,} of {len(examples):,}")
                )
        return facts

    def _read(self, path: Path, progress: Progress) -> TaggedSentences:
        found = []
        with progress.steps(f"reading {path.name}", None, "sentences") as step:
            for sentence in islice(read_sentences(path, self._layout), self.data.limit):
                found.append(sentence)
                step.advance()
        return TaggedSentences.of(found)

    # --- Vocabularies and ids ---

    def learn(self, train: TaggedSentences) -> None:
        words = [self._normalized(word) for sentence in train.sentences for word in sentence.words]
        self.labels, self._unseen = sorted(set(_all_tags(train))), []
        self.vocabulary = build_vocabulary(
            Counter(map(self._as_token, words)),
            max_tokens=self.text.max_tokens,
            min_count=self.text.min_count,
        )
        if not self.vocabulary.ordinary_tokens:
            raise DataError(
                f"no word of the training split is seen {self.text.min_count} times or more; "
                "lower text.min_count"
            )
        self.characters = build_vocabulary(
            Counter(character for word in words for character in word),
            max_tokens=None,
            min_count=1,
        )

    def save(self, folder: Path) -> None:
        words, characters = self._vocabularies
        words.save(folder / _VOCABULARY_FILE)
        characters.save(folder / _CHARACTERS_FILE)
        save_lines(folder / _LABELS_FILE, self.labels)
        if self._unseen:
            save_lines(folder / _UNSEEN_FILE, self._unseen)

    def load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder / _VOCABULARY_FILE)
        self.characters = Vocabulary.load(folder / _CHARACTERS_FILE)
        self.labels = load_lines(folder / _LABELS_FILE)
        if len(self.labels) < 2:
            raise RunError(f"{folder / _LABELS_FILE}: holds fewer than two tags")
        unseen = folder / _UNSEEN_FILE
        self._unseen = load_lines(unseen) if unseen.is_file() else []

    @property
    def _vocabularies(self) -> tuple[Vocabulary, Vocabulary]:
        """Of words and of characters."""
        if self.vocabulary is None or self.characters is None:
            raise RuntimeError("learn() or load() first")
        return self.vocabulary, self.characters

    def encode(
        self, examples: TaggedSentences, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        inputs = self._encode_words([sentence.words for sentence in examples.sentences])
        self._unseen += sorted(set(_all_tags(examples)) - {*self.labels, *self._unseen})
        ids = {tag: index for index, tag in enumerate([*self.labels, *self._unseen])}
        targets = join_rows([ids[tag] for tag in sentence.tags] for sentence in examples.sentences)
        lengths = targets.lengths
        coverage = Coverage(
            texts=len(examples),
            tokens=int(lengths.sum()),
            unknown=int((inputs["token_ids"].ids == UNKNOWN_ID).sum()),
            truncated=0,
            empty=0,
            longest=int(lengths.max()),
        )
        return EncodedSplit(inputs, targets), coverage

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        return EncodedSplit(
            self._encode_words([text.split() for text in texts]), np.zeros(0, np.int32)
        )

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        words, _ = self._vocabularies
        named = [map(self._as_token, map(self._normalized, text.split())) for text in texts]
        return [[Token(token, words.encode_token(token)) for token in row] for row in named]

    def _encode_words(self, sentences: Sequence[Sequence[str]]) -> dict[str, RaggedIds]:
        """Ids of words and of their characters; a sentence without words is one ``[UNK]``."""
        words, characters = self._vocabularies
        places: dict[str, int] = {"": 0}
        token_ids, spellings = [UNKNOWN_ID], [self._spell("", characters)]
        rows = []
        for sentence in sentences:
            for word in sentence:
                if word not in places:
                    places[word] = len(places)
                    normalized = self._normalized(word)
                    token_ids.append(words.encode_token(self._as_token(normalized)))
                    spellings.append(self._spell(normalized, characters))
            rows.append([places[word] for word in sentence] or [0])
        found = join_rows(rows)
        table = np.array(spellings, dtype=np.int32)
        return {
            "token_ids": RaggedIds(np.array(token_ids, np.int32)[found.ids], found.offsets),
            "character_ids": RaggedIds(table[found.ids], found.offsets),
        }

    def _spell(self, word: str, characters: Vocabulary) -> list[int]:
        """Ids of a word's characters between [BOS] and [EOS], padded to ``max_word_length``."""
        size = self.text.max_word_length
        room = size - 2
        if len(word) > room:
            word = word[: room // 2] + word[len(word) - (room - room // 2) :]
        ids = [BOS_ID, *map(characters.encode_token, word), EOS_ID]
        return ids + [PADDING_ID] * (size - len(ids))

    def _normalized(self, word: str) -> str:
        form = self.text.normalize
        if form == "none":
            return word
        return unicodedata.normalize("NFC" if form == "nfc" else "NFKC", word)

    def _as_token(self, word: str) -> str:
        return word.lower() if self.text.lowercase else word

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        words, characters = self._vocabularies
        return {"tokens": ("embedding", words), "characters": ("character_embedding", characters)}

    # --- Model ---

    def sizes(self, progress: Progress) -> dict[str, Any]:
        words, characters = self._vocabularies
        return {
            "vocabulary_size": len(words),
            "num_tags": len(self.labels),
            "num_characters": len(characters),
            **pretrained_vectors(self.recipe, words, self.facts, progress),
        }

    output_rule = "the probability of each tag"

    @property
    def output_width(self) -> int:
        return len(self.labels)

    @property
    def _has_crf(self) -> bool:
        return self.recipe.builder_parameters.get("head") == "crf"

    def trainer(self, model: Any) -> Trainer:
        """A CRF is trained by its own loss, of which the tags are an input."""
        import keras

        from textnets import layers

        crf = conditional_random_field(model)
        if crf is None:
            accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
            return Trainer(model, weighted_metrics=[accuracy])
        emissions, mask = crf.input
        target_ids = keras.Input((None,), dtype="int32", name=_TARGETS)
        losses = layers.CRFLoss(crf, name="crf_loss")([emissions, mask, target_ids])
        inputs = {tensor.name: tensor for tensor in [*model.inputs, target_ids]}
        return Trainer(keras.Model(inputs, losses, name=f"{model.name}_trainer"))

    def losses(self) -> tuple[Any, list[Any]]:
        """The mean over the words of a batch: padding weighs nothing, nor does it divide."""
        import keras

        from textnets.training.losses import OutputAsLoss

        if self._has_crf:
            return OutputAsLoss(), []
        return keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight"), []

    def training_batches(self, trained: Any, train: EncodedSplit) -> TrainingBatches:
        batches = super().training_batches(trained, train)
        return TargetsAsInput(batches, _TARGETS) if _TARGETS in input_names(trained) else batches

    # --- Predictions and scores ---

    def inference(self, model: Any) -> Inference:
        """The probability of each tag, and the best tags: of a softmax without rules the most
        probable of each word, else the best sequence."""
        rules = span_rules(self.labels) if self.recipe.evaluation.constrained else None
        is_free = rules is None and conditional_random_field(model) is None
        decoder = model if is_free else tag_decoder(model, rules)
        compiled, names = forward(decoder), input_names(decoder)

        def infer(split: EncodedSplit, progress: Progress, *, quick: bool = False) -> TagOutputs:
            found = predict_all(
                compiled,
                split.only(names).inputs,
                bucket_width=self.recipe.training.bucket_width,
                progress=progress,
            )
            if not isinstance(found, RaggedOutputs):
                raise TypeError("a tagger answers at every word")
            values, offsets = found.values[:, : len(self.labels)], found.offsets
            chosen = values.argmax(axis=1) if is_free else found.values[:, -1]
            tags = RaggedIds(chosen.astype(np.int32), offsets)
            return TagOutputs(RaggedOutputs(values, offsets), tags)

        return infer

    def measure(self, outputs: TagOutputs, split: EncodedSplit) -> dict[str, float]:
        scores = self._score(outputs, split, resamples=0)
        values = {name: scores[name].value for name in self.metrics if name != "loss"}
        return {"loss": _cross_entropy(outputs.probabilities, _targets(split)), **values}

    def score(self, outputs: TagOutputs, split: EncodedSplit) -> Scores:
        return self._score(outputs, split, resamples=self.recipe.evaluation.resamples)

    def decode(self, texts: Sequence[str], outputs: TagOutputs) -> list[TaggedText]:
        predictions = []
        for index, text in enumerate(texts):
            tokens = text.split()
            tags = outputs.tags.row(index)
            probabilities = outputs.probabilities.row(index)[np.arange(len(tags)), tags]
            if not tokens and text == "" and len(tags) > 1:  # stored ids, whose texts are not here
                tokens = ["_"] * len(tags)
            predictions.append(
                TaggedText(
                    text=text,
                    tokens=tokens,
                    tags=[self.labels[tag] for tag in tags[: len(tokens)].tolist()],
                    probabilities=probabilities[: len(tokens)].tolist(),
                )
            )
        return predictions

    def truths(self, examples: TaggedSentences) -> list[dict[str, Any]]:
        return [{"true_tags": " ".join(sentence.tags)} for sentence in examples.sentences]

    def baselines(
        self, train: TaggedSentences, test: TaggedSentences, progress: Progress
    ) -> list[BaselineScore]:
        true = [sentence.tags for sentence in test.sentences]
        test_words = [sentence.words for sentence in test.sentences]
        inputs = self._encode_words(test_words)
        found = []
        for name, baseline in TAG_BASELINES.items():
            progress.say(f"baseline {name} ...")
            rival = baseline(
                [sentence.words for sentence in train.sentences],
                [sentence.tags for sentence in train.sentences],
                test_words,
                seed=self.recipe.seed,
            )
            resamples = self.recipe.evaluation.resamples
            scores = self._score_tags(true, rival.predicted, inputs["token_ids"], resamples)
            found.append(BaselineScore(name, rival.description, scores, rival.seconds))
        return found

    def tables(self, texts: Sequence[str], outputs: TagOutputs, split: EncodedSplit) -> list[Table]:
        names = [*self.labels, *self._unseen]
        targets = _targets(split).ids
        predicted = outputs.tags.ids
        tables = [
            Table(
                title="By tag",
                note="Worst first.",
                columns=("tag", "precision", "recall", "F1", "words"),
                rows=[
                    (row.label, row.precision, row.recall, row.f1, row.support)
                    for row in label_table(targets, predicted, names)
                ],
            ),
            Table(
                title="Most frequent confusions",
                note="",
                columns=("true tag", "predicted", "words"),
                rows=[
                    (c.true, c.predicted, c.count) for c in confusions(targets, predicted, names)
                ],
            ),
        ]
        if self.data.spans:
            rows = span_table(self._names(_targets(split)), self._names(outputs.tags))
            columns = ("type", "precision", "recall", "F1", "spans")
            cells = [(row.type, row.precision, row.recall, row.f1, row.support) for row in rows]
            tables.insert(0, Table("By type of span", "Worst first.", columns, cells))
        return tables

    def _score(self, outputs: TagOutputs, split: EncodedSplit, *, resamples: int) -> Scores:
        return self._score_tags(
            self._names(_targets(split)),
            self._names(outputs.tags),
            split.inputs["token_ids"],
            resamples,
        )

    def _score_tags(
        self, true: Sequence[Tags], predicted: Sequence[Tags], token_ids: RaggedIds, resamples: int
    ) -> Scores:
        return score_tags(
            true,
            predicted,
            [token_ids.row(index) == UNKNOWN_ID for index in range(len(token_ids))],
            spans=self.data.spans,
            confidence=self.recipe.evaluation.confidence,
            resamples=resamples,
            seed=self.recipe.seed,
        )

    def _names(self, tag_ids: RaggedIds) -> list[list[str]]:
        names = np.array([*self.labels, *self._unseen], dtype=object)
        return [names[tag_ids.row(index)].tolist() for index in range(len(tag_ids))]


def _all_tags(examples: TaggedSentences) -> Iterable[str]:
    return (tag for sentence in examples.sentences for tag in sentence.tags)


def _in_one_piece(word: str) -> str:
    """A word as a text that is cut at blanks can hold it: ``10 000`` becomes ``10_000``."""
    return "_".join(word.split()) or "_"


def _targets(split: EncodedSplit) -> RaggedIds:
    if not isinstance(split.targets, RaggedIds):
        raise TypeError("a tagger's targets are ragged")
    return split.targets


def _cross_entropy(outputs: RaggedOutputs, targets: RaggedIds) -> float:
    """Mean over words, in nats; a tag that training had not has the smallest probability."""
    known = targets.ids < outputs.values.shape[1]
    chosen = np.where(known, targets.ids, 0)[:, None]
    found = np.take_along_axis(outputs.values, chosen, axis=1)[:, 0].astype(np.float64)
    return float(-np.log(np.maximum(np.where(known, found, 0.0), _SMALLEST_PROBABILITY)).mean())
