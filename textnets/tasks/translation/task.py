"""Translation: a text in, another text out, token by token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from textnets.backend.devices import require_tensorflow
from textnets.data.counts import RowCount
from textnets.data.pairs import Pair, PairLayout, format_of_suffix, read_pairs, read_parallel
from textnets.data.sources import IN_MEMORY
from textnets.data.splits import count_repeated, count_shared, fingerprint, grouped_share
from textnets.decoding.translating import TranslatorOutputs
from textnets.errors import DataError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.tasks.evaluation import Fact
from textnets.tasks.examples import SPLITS, HeldOut
from textnets.tasks.task import Mistake, Task, own_format
from textnets.tasks.translation.evaluation import TranslationEvaluation, reading_of
from textnets.tasks.translation.examples import SentencePairs
from textnets.tasks.translation.inference import TranslationInference
from textnets.tasks.translation.predictor import TranslationPredictor
from textnets.tasks.translation.preprocessor import TranslationPreprocessor
from textnets.tasks.translation.recipe import (
    TRANSLATION_SCHEMA,
    TranslationData,
    TranslationText,
)
from textnets.text.encoded import EncodedSplit
from textnets.training.setup import TrainingSetup, example_batches


class TranslationTask(Task[SentencePairs, TranslationPreprocessor, TranslatorOutputs]):
    """Texts to their translations."""

    name = "translation"
    does = "translates a text"
    limits = (
        "It may leave out, repeat or invent; a score tells which of its translations it prefers, "
        "not whether one is right."
    )
    schema = TRANSLATION_SCHEMA
    unit = "pairs"
    input_suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".csv", ".jsonl", ".ndjson")
    predictor = TranslationPredictor
    writes_together = True

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.data: TranslationData = recipe.data
        self.text: TranslationText = recipe.text
        self._layout = PairLayout(
            file_format=self.data.format,
            source=self.data.source,
            target=self.data.target,
            source_column=self.data.source_column,
            target_column=self.data.target_column,
            has_header=self.data.header,
            dialect=replace(self.dialect, delimiter=self.data.delimiter),
        )

    @property
    def input_names(self) -> tuple[str, ...]:
        return ("source_ids", "target_ids")

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

    def mistakes(self) -> list[Mistake]:
        found = super().mistakes()
        model = self.recipe.builder_parameters
        if model.get("share_embeddings") and not self.text.shared_vocabulary:
            message = "needs text.shared_vocabulary: true, or the ids mean two things"
            found.append((("model", "share_embeddings"), message))
        for key in ("attention", "coverage_penalty", "copy_unknown"):
            if getattr(self.recipe.evaluation, key) and model.get("attention") == "none":
                message = "needs attention, and the model has none: model.attention: none"
                if key == "attention":
                    message = "the model has none: model.attention: none"
                found.append((("evaluation", key), message))
        return found

    def vocabulary_sections(self, text: Any) -> list[tuple[tuple[str, ...], Any]]:
        return [
            (() if getattr(text, side) is None else (side,), text.of_side(side))
            for side in ("source", "target")
        ]

    # --- Files to examples ---

    def sides_of(self, given: str) -> list[tuple[str, str]]:
        if self._layout.format_of(given) != "lines":
            return super().sides_of(given)
        source, target = self._layout.sides_of(given)
        return [("source", source), ("target", target)]

    def read_parts(
        self, split: str, parts: Mapping[str, Path], progress: Progress, count: RowCount
    ) -> SentencePairs:
        if "source" in parts:
            return self._read(parts["source"], parts["target"], progress, count)
        return self._read(parts[""], None, progress, count)

    def read(self, path: Path, progress: Progress, count: RowCount) -> SentencePairs:
        if self._layout_of(path).format_of(path.name) != "lines":
            return self._read(path, None, progress, count)
        source, target = self._layout.sides_of(str(path))
        return self._read(Path(source), Path(target), progress, count)

    def _layout_of(self, path: Path) -> PairLayout:
        """How a file is written: as the recipe says, or in its own format where that differs."""
        own = format_of_suffix(path.name, certain=True)
        chosen = own_format(path, self.data.format, own, self._names)
        return replace(self._layout, file_format=chosen)

    @property
    def _names(self) -> list[str]:
        """Of the recipe's files."""
        return [name for split in SPLITS for name in self.data.files_of(split)]

    def _read(
        self, path: Path, target: Path | None, progress: Progress, count: RowCount
    ) -> SentencePairs:
        pairs = (
            read_pairs(path, self._layout_of(path), count=count)
            if target is None
            else read_parallel(path, target, self.dialect)
        )
        found = list[Pair]()
        with progress.steps(f"reading {path.name}", None, "pairs") as step:
            for pair in pairs:
                if pair.source.strip() or pair.target.strip():
                    found.append(pair)
                else:
                    count.leave_out("blank on both sides", f"{path}:{pair.line}")
                step.advance()
        count.read += len(found)
        examples, limit = SentencePairs(found), self.data.limit
        if limit is None or limit >= len(examples):
            return examples
        # Such files are often sorted by length, so the first pairs are no sample.
        keys = list(range(len(examples)))
        share = limit / len(examples)
        left, chosen = grouped_share(keys, share, seed=self.recipe.data_seed, purpose="limit")
        count.read -= len(left)
        first = f"{path}:{found[left[0]].line}"
        count.leave_out("data.limit", first, len(left), is_told=False)
        return examples.select(chosen)

    def draw(self, examples: SentencePairs, share: float, purpose: str) -> HeldOut:
        """A source with all of its translations stays on one side."""
        sources = [fingerprint(text) for text in examples.texts]
        return grouped_share(sources, share, seed=self.recipe.data_seed, purpose=purpose)

    def reads_as_data(self, path: Path) -> bool:
        """Also a file whose name tells nothing, where the recipe's are in columns."""
        if path.is_dir() or format_of_suffix(path.name, certain=True) is not None:
            return True
        formats = {self._layout.format_of(name) for name in self._names if name != IN_MEMORY}
        return bool(formats) and formats <= {"tsv", "csv"}

    def read_inputs(self, path: Path, count: RowCount | None = None) -> Iterable[str]:
        layout = self._layout_of(path)
        if layout.file_format not in ("tsv", "csv", "jsonl"):
            layout = replace(layout, file_format=format_of_suffix(path.name) or "tsv")
        return (pair.source for pair in read_pairs(path, layout, with_target=False, count=count))

    def facts(self, splits: Mapping[str, SentencePairs]) -> list[Fact]:
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

    def truths(self, examples: SentencePairs) -> list[dict[str, Any]]:
        return [{"true_translation": target} for target in examples.targets]

    def check(
        self, splits: Mapping[str, SentencePairs], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        reading_of(self.recipe).check()
        for name, examples in splits.items():
            if not examples.pairs:
                raise DataError(f"the {name} split holds no pair of texts")
            if examples.half_empty:
                progress.warn(
                    f"{name}: {examples.half_empty:,} pairs have a blank text on one side; they "
                    "stay where they are"
                )

    # --- The parts ---

    def learn(self, train: SentencePairs) -> TranslationPreprocessor:
        require_tensorflow("turning text into ids")
        return TranslationPreprocessor.learn(self.recipe, train)

    def load(self, folder: Path) -> TranslationPreprocessor:
        return TranslationPreprocessor.load(self.recipe, folder)

    def training_setup(
        self, model: Any, preprocessor: TranslationPreprocessor, train: EncodedSplit
    ) -> TrainingSetup:
        from textnets.builders.sampling_model import build_sampling_model
        from textnets.training.losses import SmoothedCrossEntropy

        section, begin_epoch = self.recipe.training, None
        batches = example_batches(model, train, section, self.recipe.seed)
        if section.scheduled_sampling is not None:
            model, begin_epoch = build_sampling_model(
                model,
                share=section.scheduled_sampling,
                epochs=section.epochs,
                seed=self.recipe.seed,
            )
        loss = SmoothedCrossEntropy(section.label_smoothing)
        return TrainingSetup(model, loss, batches, begin_epoch=begin_epoch)

    def inference(self, preprocessor: TranslationPreprocessor, model: Any) -> TranslationInference:
        return TranslationInference(preprocessor, [model])

    def joint_inference(
        self, preprocessor: TranslationPreprocessor, models: Sequence[Any], weights: Sequence[float]
    ) -> TranslationInference:
        return TranslationInference(preprocessor, models, weights)

    def evaluation(self, preprocessor: TranslationPreprocessor) -> TranslationEvaluation:
        return TranslationEvaluation(preprocessor)


def _joined(examples: SentencePairs) -> list[str]:
    return [f"{pair.source}\t{pair.target}" for pair in examples.pairs]
