"""Language modeling: what comes next, at every place of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from textnets.backend.devices import require_tensorflow
from textnets.data.counts import RowCount
from textnets.data.readers import Row, format_of_suffix, read_rows
from textnets.data.running_text import (
    cut_long_lines,
    cut_tail,
    cut_where_tail_begins,
    is_cut,
    read_lines,
    stream_lines,
)
from textnets.data.splits import count_repeated, count_shared
from textnets.errors import DataError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.tasks.evaluation import Fact
from textnets.tasks.language_modeling.evaluation import LanguageModelingEvaluation
from textnets.tasks.language_modeling.examples import TextLines
from textnets.tasks.language_modeling.inference import (
    LanguageModelingInference,
    LanguageModelOutputs,
)
from textnets.tasks.language_modeling.predictor import LanguageModelPredictor
from textnets.tasks.language_modeling.preprocessor import LanguageModelingPreprocessor
from textnets.tasks.language_modeling.recipe import (
    DEFAULT_WINDOW,
    LANGUAGE_MODELING_SCHEMA,
    LanguageModelingData,
    LanguageModelingText,
)
from textnets.tasks.task import Mistake, Task
from textnets.text.batches import ExampleBatches, RowsTwice, TargetsAsInput, TrainingBatches
from textnets.text.encoded import EncodedSplit
from textnets.text.streams import StreamBatches
from textnets.training.setup import TrainingSetup

_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class LanguageModelingTask(Task[TextLines, LanguageModelingPreprocessor, LanguageModelOutputs]):
    """Text to the probabilities of what comes next."""

    name = "language_modeling"
    does = "says how probable a text is, and writes on"
    limits = (
        "What it writes may be false or hurtful; it repeats what it was trained on, and knows "
        "nothing else."
    )
    schema = LANGUAGE_MODELING_SCHEMA
    unit = "lines"
    input_suffixes: ClassVar[tuple[str, ...]] = ()
    predictor = LanguageModelPredictor
    writes_together = True

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.data: LanguageModelingData = recipe.data
        self.text: LanguageModelingText = recipe.text

    # --- Metrics ---

    @property
    def headline(self) -> str:
        return "cross_entropy"

    @property
    def metrics(self) -> Mapping[str, bool]:
        bits = "bits_per_character" if self._has_characters else "bits"
        return dict.fromkeys(("loss", "cross_entropy", bits, "perplexity"), True)

    @property
    def score_names(self) -> tuple[str, ...]:
        plain = super().score_names
        if self.recipe.evaluation.cache is None:
            return plain
        return (*plain, *(f"cache_{name}" for name in plain))

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
        if self.recipe.evaluation.cache is not None and not self.data.stream:
            message = "is of what a text held before; it goes with data.stream: true"
            found.append((("evaluation", "cache"), message))
        if self.text.add_eos and not self.data.stream:
            message = "sentences have [EOS] in any case; it goes with data.stream: true"
            found.append((("text", "add_eos"), message))
        is_adaptive = bool(self.recipe.builder_parameters.get("adaptive_softmax"))
        if is_adaptive and self.recipe.training.sampled_softmax is not None:
            message = "model.adaptive_softmax needs no sample; remove one of the two"
            found.append((("training", "sampled_softmax"), message))
        is_partial = is_adaptive or self.recipe.training.sampled_softmax is not None
        if is_partial and self.recipe.training.r_drop is not None:
            message = (
                "compares the probabilities of all tokens, which a softmax that is adaptive or "
                "sampled does not give; remove one of the two"
            )
            found.append((("training", "r_drop"), message))
        return found

    # --- Files to examples ---

    def read(self, path: Path, progress: Progress, count: RowCount) -> TextLines:
        if self.data.text is not None:
            return self._read_column(self.data.text, path, progress, count)
        if is_table(path):
            raise DataError(
                f"{path}: language models read plain text, and this is a table; name the column "
                "of its texts with data.text"
            )
        progress.say(f"reading {path.name} ...")
        lines = read_lines(
            path,
            keep_ends=self.keeps_ends,
            limit=self.data.limit,
            dialect=self.dialect,
            count=count,
        )
        count.read += len(lines)
        if not self.data.stream:
            blank = [number for number, line in enumerate(lines, 1) if not line.strip()]
            count.read -= len(blank)
            if blank:
                count.leave_out("a blank line", f"{path}:{blank[0]}", len(blank), is_told=False)
        return self.examples(lines)

    def _read_column(
        self, column: str, path: Path, progress: Progress, count: RowCount
    ) -> TextLines:
        """Each text of a table, as if it were a line."""
        count.unit = "rows"
        lines = list[str]()
        with progress.steps(f"reading {path.name}", None, "rows") as step:
            rows = self._rows(column, path, count)
            for row in islice(rows, self.data.limit):
                step.advance()
                text = row.text(column)
                if not text.strip():
                    count.leave_out("a blank text", row.where, is_told=False)
                elif self.keeps_ends:
                    lines += [f"{line}\n" for line in _LINE_BREAK.split(text)]
                else:
                    lines.append(_LINE_BREAK.sub(" ", text))
                count.read += bool(text.strip())
            for row in rows:
                count.leave_out("data.limit", row.where, is_told=False)
        if not lines:
            raise DataError(f"{path}: there is no text in column '{column}'")
        return self.examples(lines)

    def _rows(self, column: str, path: Path, count: RowCount | None) -> Iterator[Row]:
        if path.exists() and not is_table(path):
            raise DataError(
                f"{path}: data.text names the column of a table, and this is none; remove the key"
            )
        return read_rows(path, columns=[column], dialect=self.dialect, count=count)

    def reads_as_data(self, path: Path) -> bool:
        return self.data.text is not None and is_table(path)

    @property
    def keeps_ends(self) -> bool:
        """Whether a line's break is a token of the text."""
        return self.data.stream and not self.text.add_eos

    def examples(self, lines: list[str]) -> TextLines:
        """What is read of some lines, with their breaks where those are tokens."""
        if not self.data.stream:
            return TextLines([line for line in lines if line.strip()])
        return TextLines(cut_long_lines(lines) if self.keeps_ends else lines)

    def read_inputs(self, path: Path, count: RowCount | None = None) -> Iterable[str]:
        if self.data.text is None:
            yield from stream_lines(path, self.dialect, count)
            return
        count = count or RowCount()
        for row in self._rows(self.data.text, path, count):
            try:
                yield row.text(self.data.text)
            except DataError as error:
                count.refuse(error)

    def hold_out(self, splits: Mapping[str, TextLines]) -> dict[str, TextLines]:
        """Shares of a running text are tails of it: the test split last, then validation."""
        if not self.data.stream:
            return super().hold_out(splits)
        parts = dict(splits)
        lines, held_out = self._cuttable(splits["train"].lines), 0.0
        end = len(lines)
        for split in ("test", "validation"):
            share = getattr(self.data, split)
            if isinstance(share, float):
                held_out += share
                if held_out >= 1.0:
                    raise DataError(f"data.test and data.validation hold out {held_out:g} of 1")
                start = cut_tail(lines, held_out, split)
                parts[split] = TextLines(lines[start:end])
                if start >= end:
                    raise DataError(f"{split}: a tail of {share} holds no line; enlarge it")
                end = start
        parts["train"] = TextLines(lines[:end])
        return parts

    def _cuttable(self, lines: list[str]) -> list[str]:
        """The lines, cut also inside of one where a tail could not begin otherwise, unless every
        line ends in [EOS]."""
        held_out = 0.0
        for split in ("test", "validation"):
            share = getattr(self.data, split)
            if isinstance(share, float):
                held_out += share
                if self.keeps_ends and held_out < 1.0 and not is_cut(lines, held_out):
                    lines = cut_where_tail_begins(lines, held_out)
        return lines

    def check(
        self, splits: Mapping[str, TextLines], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        """Any text can be trained on."""

    def facts(self, splits: Mapping[str, TextLines]) -> list[Fact]:
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

    def truths(self, examples: TextLines) -> list[dict[str, Any]]:
        return [{} for _ in examples.lines]

    # --- The parts ---

    def learn(self, train: TextLines) -> LanguageModelingPreprocessor:
        require_tensorflow("turning text into ids")
        return LanguageModelingPreprocessor.learn(self.recipe, train)

    def load(self, folder: Path) -> LanguageModelingPreprocessor:
        return LanguageModelingPreprocessor.load(self.recipe, folder)

    def training_setup(
        self, model: Any, preprocessor: LanguageModelingPreprocessor, train: EncodedSplit
    ) -> TrainingSetup:
        from textnets.builders.loss_model import build_loss_model
        from textnets.training.losses import OutputAsLoss

        section = self.recipe.training
        batches = self._batches_of(train)
        if section.r_drop is not None:
            batches = RowsTwice(batches)
        rows = section.batch_size * batches.rows_together
        found = build_loss_model(
            model,
            streams=rows if self.data.stream else None,
            num_sampled=section.sampled_softmax,
            seed=self.recipe.seed,
            r_drop=section.r_drop,
        )
        return TrainingSetup(
            found.model,
            OutputAsLoss(),
            TargetsAsInput(batches),
            begin_epoch=found.reset,
            at_row=found.begin_at,
        )

    def _batches_of(self, train: EncodedSplit) -> TrainingBatches:
        section = self.recipe.training
        if not self.data.stream:
            return ExampleBatches(
                train,
                batch_size=section.batch_size,
                bucket_width=section.bucket_width,
                seed=self.recipe.seed,
            )
        token_ids, targets = train.inputs["token_ids"].ids, train.ragged_targets.ids
        if len(targets) < section.batch_size:
            raise DataError(
                f"training.batch_size: {section.batch_size} streams cannot be made of a text of "
                f"{len(targets)} tokens"
            )
        window = section.window or DEFAULT_WINDOW
        return StreamBatches(token_ids, targets, section.batch_size, window)

    def inference(
        self, preprocessor: LanguageModelingPreprocessor, model: Any
    ) -> LanguageModelingInference:
        return LanguageModelingInference(preprocessor, [model])

    def joint_inference(
        self,
        preprocessor: LanguageModelingPreprocessor,
        models: Sequence[Any],
        weights: Sequence[float],
    ) -> LanguageModelingInference:
        return LanguageModelingInference(preprocessor, models, weights)

    def evaluation(self, preprocessor: LanguageModelingPreprocessor) -> LanguageModelingEvaluation:
        return LanguageModelingEvaluation(preprocessor)


def is_table(path: Path) -> bool:
    """Whether a file has columns, or is a folder of class folders."""
    return path.is_dir() or format_of_suffix(path) is not None
