"""Tagging: one tag a word, of sentences that are cut into words already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from textnets.builders.auxiliary_model import build_auxiliary_model, shared_states
from textnets.builders.custom import is_custom
from textnets.data.counts import RowCount, RowCounts
from textnets.data.sentences import (
    SENTENCE_SUFFIXES,
    UNIT,
    Sentence,
    SentenceLayout,
    format_of_suffix,
    holds_sentences,
    read_sentences,
)
from textnets.data.splits import count_repeated, count_shared
from textnets.decoding.tags import conditional_random_field
from textnets.errors import DataError, InputError
from textnets.evaluation.tagging import are_span_tags
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.tasks.evaluation import Fact, counted
from textnets.tasks.examples import SPLITS
from textnets.tasks.tagging.evaluation import TaggingEvaluation
from textnets.tasks.tagging.examples import TaggedSentences, as_text
from textnets.tasks.tagging.inference import TaggingInference, TagOutputs
from textnets.tasks.tagging.predictor import TaggingPredictor
from textnets.tasks.tagging.preprocessor import (
    AUXILIARY_IDS,
    TaggingPreprocessor,
    auxiliary_names,
    reads_columns,
    reads_features,
)
from textnets.tasks.tagging.recipe import TAGGING_SCHEMA, TaggingData
from textnets.tasks.tagging.span_tags import as_iobes, check_span_tags
from textnets.tasks.task import Mistake, Task, own_format
from textnets.text.batches import TargetsAsInput
from textnets.text.encoded import EncodedSplit
from textnets.training.setup import TrainingSetup, example_batches

_TARGETS = "target_ids"


class TaggingTask(Task[TaggedSentences, TaggingPreprocessor, TagOutputs]):
    """Words to tags."""

    name = "tagging"
    does = "gives each word of a sentence a tag"
    limits = (
        "It knows the tags above and no others. Texts are cut at blanks; whoever wants punctuation "
        "to be words of their own puts blanks around it."
    )
    predictor = TaggingPredictor
    has_folds = True
    schema = TAGGING_SCHEMA
    unit = UNIT
    input_suffixes: ClassVar[tuple[str, ...]] = SENTENCE_SUFFIXES

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.data: TaggingData = recipe.data
        self._layout = SentenceLayout(
            file_format=self.data.format,
            tags=self.data.tags,
            word_column=self.data.word_column,
            tag_column=self.data.tag_column,
            token_key=self.data.token_key,
            tag_key=self.data.tag_key,
            features=self.data.features or (),
            auxiliary=self.data.auxiliary or (),
            dialect=self.dialect,
        )

    @property
    def input_names(self) -> tuple[str, ...]:
        always = ("token_ids", "character_ids")
        features = ("feature_ids",) if reads_features(self.recipe) else ()
        return (*always, *features, *(("column_ids",) if reads_columns(self.recipe) else ()))

    @property
    def learned_names(self) -> tuple[str, ...]:
        return (AUXILIARY_IDS,) if self.data.auxiliary else ()

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
        return ("accuracy",)

    def mistakes(self) -> list[Mistake]:
        found = super().mistakes()
        if self.recipe.evaluation.constrained and not self.data.spans:
            found.append((("evaluation", "constrained"), "needs data.spans: true, was: false"))
        recipes = [run.recipe for run in self.recipe.member_runs] or [self.recipe]
        for builder in dict.fromkeys(
            recipe.builder
            for recipe in recipes
            if self.data.features and not (reads_columns(recipe) or reads_features(recipe))
        ):
            message = f"{builder} reads no further columns; use rnn_tagger or feature_tagger"
            found.append((("data", "features"), message))
        return found + self._auxiliary_mistakes(recipes)

    def _auxiliary_mistakes(self, recipes: Sequence[Recipe]) -> list[Mistake]:
        """Of an ensemble, the members that have states to share learn the columns along."""
        if self.data.auxiliary is None:
            key, message = "auxiliary_weight", "has no effect without data.auxiliary"
            is_given = any(key in recipe.training.model_fields_set for recipe in recipes)
            return [(("training", key), message)] if is_given else []
        if any(map(_may_share, recipes)):
            return []
        builder = self.recipe.builder
        message = f"{builder} has no states to share; use rnn_tagger or transformer_tagger"
        return [(("data", "auxiliary"), message)]

    # --- Files to examples ---

    def _layout_of(self, path: Path) -> SentenceLayout:
        """How a file is written: as the recipe says, or in its own format where that differs."""
        names = [name for split in SPLITS for name in self.data.files_of(split)]
        chosen = own_format(path, self.data.format, format_of_suffix(path), names)
        return replace(self._layout, file_format=chosen)

    def read_parts(
        self, split: str, parts: Mapping[str, Path], progress: Progress, count: RowCount
    ) -> TaggedSentences:
        runs = [run.recipe for run in self.recipe.member_runs] or [self.recipe]
        learned = {"train"}
        if any(recipe.training.refit is not None for recipe in runs):
            learned.add("validation")
        is_learned = split in learned
        return self._read(parts[""], progress, count, with_auxiliary=is_learned)

    def read(self, path: Path, progress: Progress, count: RowCount) -> TaggedSentences:
        return self._read(path, progress, count, with_auxiliary=False)

    def _read(
        self, path: Path, progress: Progress, count: RowCount, *, with_auxiliary: bool
    ) -> TaggedSentences:
        found, limit = list[Sentence](), self.data.limit
        layout = self._layout_of(path)
        if not with_auxiliary:
            layout = replace(layout, auxiliary=())
        with progress.steps(f"reading {path.name}", None, "sentences") as step:
            for sentence in read_sentences(path, layout, count=count):
                if limit is not None and len(found) >= limit:
                    count.leave_out("data.limit", sentence.where(0), is_told=False)
                    continue
                found.append(sentence)
                step.advance()
        count.read += len(found)
        return self.converted(TaggedSentences.of(found), path.name, progress)

    def converted(
        self, examples: TaggedSentences, name: str, progress: Progress
    ) -> TaggedSentences:
        """With the span tags of BILOU or BMES written as IOBES, where the tags mark spans."""
        if not self.data.spans:
            return examples
        found, scheme = as_iobes(examples.sentences)
        if not scheme:
            return examples
        progress.say(f"{name}: the tags are {scheme}, and read as IOBES")
        return TaggedSentences(found)

    def with_shares(
        self,
        splits: Mapping[str, TaggedSentences],
        sources: Mapping[str, Any],
        progress: Progress,
        counts: RowCounts | None = None,
    ) -> dict[str, TaggedSentences]:
        converted = {
            name: self.converted(examples, name, progress) for name, examples in splits.items()
        }
        return super().with_shares(converted, sources, progress, counts)

    def reads_as_data(self, path: Path) -> bool:
        if path.is_dir() or format_of_suffix(path) is not None or self.data.format == "auto":
            return super().reads_as_data(path)
        return holds_sentences(path, self._layout)

    def read_inputs(self, path: Path, count: RowCount | None = None) -> Iterable[str]:
        layout = self._layout_of(path)
        for sentence in read_sentences(path, layout, with_tags=False, count=count):
            yield as_text(sentence)

    def facts(self, splits: Mapping[str, TaggedSentences]) -> list[Fact]:
        train = splits["train"]
        known = set(train.all_tags())
        facts = [Fact("repeated texts in train", f"{count_repeated(train.texts):,}")]
        if not self.data.spans and are_span_tags(known):
            facts.append(Fact("spans", "the tags mark spans; data.spans: true would score them"))
        for number, name in enumerate(auxiliary_names(self.recipe)):
            values = Counter(of_word[number] for of_word in train.all_auxiliary())
            (most, times), *_ = values.most_common(1)
            told = f"{len(values)}, most frequent '{most}' ({times / values.total():.1%})"
            facts.append(Fact(f"values of {name}, learned along", told))
        for name, examples in splits.items():
            counts = Counter(examples.all_tags())
            (most, times), *_ = counts.most_common(1)
            share = times / counts.total()
            facts.append(
                Fact(f"tags of {name}", f"{len(counts)}, most frequent '{most}' ({share:.1%})")
            )
            facts.append(Fact(f"counts of {name}", counted(counts)))
            if name != "train":
                unseen = ", ".join(sorted(set(counts) - known)) or "none"
                facts.append(Fact(f"{name} tags that train lacks", unseen))
                shared = count_shared(train.texts, examples.texts)
                facts.append(
                    Fact(f"{name} texts also in train", f"{shared:,} of {len(examples):,}")
                )
        return facts

    def truths(self, examples: TaggedSentences) -> list[dict[str, Any]]:
        return [{"true_tags": " ".join(sentence.tags)} for sentence in examples.sentences]

    def check(
        self, splits: Mapping[str, TaggedSentences], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        tags = sorted(set(splits["train"].all_tags()))
        if len(tags) < 2:
            raise DataError(
                f"{sources['train']}: holds only the tag {tags[0]!r}; a tagger needs two or more"
            )
        for number, name in enumerate(auxiliary_names(self.recipe)):
            values = {of_word[number] for of_word in splits["train"].all_auxiliary()}
            if len(values) == 1:
                raise DataError(
                    f"{sources['train']}: data.auxiliary: holds only the value {min(values)!r} in "
                    f"{name!r}, from which nothing is learned; name another column"
                )
        for name in SPLITS:
            if name in splits and self.data.spans:
                check_span_tags(
                    splits[name].sentences, tags, constrained=self.recipe.evaluation.constrained
                )

    # --- The parts ---

    def learn(self, train: TaggedSentences) -> TaggingPreprocessor:
        return TaggingPreprocessor.learn(self.recipe, train)

    def load(self, folder: Path) -> TaggingPreprocessor:
        return TaggingPreprocessor.load(self.recipe, folder)

    def training_setup(
        self, model: Any, preprocessor: TaggingPreprocessor, train: EncodedSplit
    ) -> TrainingSetup:
        """The loss is the mean over the words of a batch: padding weighs nothing, nor does it
        divide. A model that ends in a CRF is trained by the CRF's loss."""
        import keras

        from textnets.builders.crf_loss_model import build_crf_loss_model
        from textnets.training.losses import OutputAsLoss

        section, seed = self.recipe.training, self.recipe.seed
        if (crf := conditional_random_field(model)) is not None:
            trained = build_crf_loss_model(model, crf, _TARGETS)
            trained = self._with_auxiliary(trained, model, crf.input[0], preprocessor)
            with_tags = TargetsAsInput(example_batches(trained, train, section, seed), _TARGETS)
            return TrainingSetup(trained, OutputAsLoss(), with_tags)
        loss = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        trained = self._with_auxiliary(model, model, model.output, preprocessor)
        batches = example_batches(trained, train, section, seed)
        return TrainingSetup(trained, loss, batches, weighted_metrics=[accuracy])

    def _with_auxiliary(
        self, trained: Any, model: Any, scores: Any, preprocessor: TaggingPreprocessor
    ) -> Any:
        """What is trained, with heads for the columns that are learned along, if there are any.

        Args:
            trained: the tagger, or a model around it.
            model: the tagger.
            scores: what its head makes of the states.
            preprocessor: that knows the columns.
        """
        columns = preprocessor.auxiliary
        if columns is None or not _may_share(self.recipe):
            return trained
        states = shared_states(model, scores)
        if states is None:
            raise InputError(
                f"data.auxiliary: {self.recipe.builder} makes a model whose last layer, or that "
                "before its CRF, is no keras.layers.Dense, so that there are no states to share; "
                "remove the key"
            )
        return build_auxiliary_model(
            trained,
            states,
            first_ids=[lacking + 1 for lacking in columns.lacking],
            sizes=list(map(len, columns.values)),
            weight=self.recipe.training.auxiliary_weight,
            input_name=AUXILIARY_IDS,
        )

    def inference(self, preprocessor: TaggingPreprocessor, model: Any) -> TaggingInference:
        return TaggingInference(preprocessor, model)

    def evaluation(self, preprocessor: TaggingPreprocessor) -> TaggingEvaluation:
        return TaggingEvaluation(preprocessor)


def _may_share(recipe: Recipe) -> bool:
    """Whether a model has states that other heads could read: a linear one of features has none."""
    return is_custom(recipe.builder) or not reads_features(recipe)
