"""Models that were trained apart and answer together: late fusion.

An ensemble's preprocessor and inference look like one model's: what a member needs of a text
stands under the member's number, and the outputs are those of one model. Trained jointly, a strong
model starves a weak one; trained apart, they are wrong in different places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from textnets.errors import RunError
from textnets.predictions import Prediction
from textnets.progress import Progress
from textnets.run.files import checked, read_object
from textnets.run.layout import MEMBERS_FOLDER, MIXTURE_FILE, MODEL_FILE, SELECTION_FOLDER
from textnets.run.model_file import load_model
from textnets.tasks.columns import Columns
from textnets.tasks.inference import AnyInference, Inference
from textnets.tasks.preprocessor import AnyPreprocessor, Preprocessor
from textnets.text.encoded import EncodedSplit
from textnets.text.encoder import Coverage, Token
from textnets.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from textnets.tasks.task import Task

# The shares that a member is tried with beside those before it.
_SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
#: What a member counts beside those before it where nothing tells.
DEFAULT_SHARE = 0.3


@dataclass(frozen=True)
class EnsemblePreprocessor(Preprocessor[Any]):
    """The preprocessors of the members; each has its own tokens and vocabulary.

    Attributes:
        members: one each.
    """

    members: Sequence[AnyPreprocessor]

    @property
    def first(self) -> AnyPreprocessor:
        """Of the first member: targets and labels are the same in all."""
        return self.members[0]

    def save(self, folder: Path) -> None:
        """Nothing: each member's run holds its own."""

    def encode(
        self, examples: Any, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        found = [
            member.encode(examples, progress, f"{label} for member {number}")
            for number, member in enumerate(self.members, start=1)
        ]
        return _joined([split for split, _ in found]), found[0][1]

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        return _joined([member.encode_inputs(texts) for member in self.members])

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """Those of the first member."""
        return self.first.tokens(texts)

    @property
    def sizes(self) -> dict[str, Any]:
        return self.first.sizes

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        return self.first.vector_tables

    def extended(self, known: Mapping[str, Vocabulary]) -> Self:
        """Itself: each member was learned by itself."""
        return self

    @property
    def output_width(self) -> int | None:
        return self.first.output_width


def first_of(preprocessor: Any) -> Any:
    """Of an ensemble that of the first member, else the same."""
    return preprocessor.first if isinstance(preprocessor, EnsemblePreprocessor) else preprocessor


def as_scored(preprocessor: AnyPreprocessor, split: EncodedSplit) -> EncodedSplit:
    """What of an encoded split is scored: of an ensemble's what its first member takes."""
    return _of_member(split, 0) if isinstance(preprocessor, EnsemblePreprocessor) else split


class EnsembleInference(Inference[Any]):
    """The outputs of several models, mixed.

    Args:
        parts: each model's way to answer, the member that encodes for it, and its weight; the
            weights sum to 1.
    """

    def __init__(self, parts: Sequence[tuple[AnyInference, int, float]]) -> None:
        self._parts = parts

    def outputs(
        self, split: EncodedSplit, progress: Progress, *, quick: bool = False, tight: bool = False
    ) -> Any:
        found = [
            inference.outputs(_of_member(split, member), progress, quick=quick, tight=tight)
            for inference, member, _ in self._parts
        ]
        return self.mixed(found, [weight for _, _, weight in self._parts])

    def mixed(self, outputs: Sequence[Any], weights: Sequence[float]) -> Any:
        return self._parts[0][0].mixed(outputs, weights)

    def predictions(self, texts: Sequence[str], outputs: Any) -> Sequence[Prediction]:
        return self._parts[0][0].predictions(texts, outputs)

    def columns(
        self, texts: Sequence[str], outputs: Any, *, flat: bool = False, details: bool = False
    ) -> Columns:
        return self._parts[0][0].columns(texts, outputs, flat=flat, details=details)


def _joined(splits: Sequence[EncodedSplit]) -> EncodedSplit:
    """The members' inputs side by side."""
    inputs = {
        f"{number}/{name}": ids
        for number, split in enumerate(splits)
        for name, ids in split.inputs.items()
    }
    return replace(splits[0], inputs=inputs)


def _of_member(split: EncodedSplit, member: int) -> EncodedSplit:
    """What one member takes."""
    mark = f"{member}/"
    inputs = {
        name.removeprefix(mark): ids for name, ids in split.inputs.items() if name.startswith(mark)
    }
    return replace(split, inputs=inputs)


# --- Weights ---


def choose_weights(
    outputs: Sequence[Any],
    mix: Callable[[Sequence[Any], Sequence[float]], Any],
    measure: Callable[[Any], float],
) -> list[float]:
    """How much each member counts: one after the other, by what the mixture of it and those before
    it is worth; of shares that are equally good the middle one.

    Args:
        outputs: of each member for the validation split.
        mix: as :meth:`textnets.tasks.inference.Inference.mixed`.
        measure: what a mixture is worth; higher is better.

    Returns:
        A weight each, which sum to 1.
    """
    weights, so_far = [1.0], outputs[0]
    for found in outputs[1:]:
        values = [measure(mix([so_far, found], [1.0 - share, share])) for share in _SHARES]
        best = [share for share, value in zip(_SHARES, values, strict=True) if value == max(values)]
        share = best[len(best) // 2]
        weights = [weight * (1.0 - share) for weight in weights] + [share]
        so_far = mix([so_far, found], [1.0 - share, share])
    return weights


def default_weights(count: int) -> list[float]:
    """Weights where no validation split tells."""
    weights = [1.0]
    for _ in range(count - 1):
        weights = [weight * (1.0 - DEFAULT_SHARE) for weight in weights] + [DEFAULT_SHARE]
    return weights


# --- Runs ---


@dataclass(frozen=True)
class Members:
    """The members of an ensemble's run.

    Attributes:
        task: of the ensemble.
        preprocessors: of each member.
        inferences: of each model: a member has one for each of its seeds.
        models: in the order of :attr:`textnets.recipe.Recipe.member_runs`.
    """

    task: Task[Any, Any, Any]
    preprocessors: Sequence[AnyPreprocessor]
    inferences: Sequence[AnyInference]
    models: Sequence[Any]

    @classmethod
    def load(
        cls,
        task: Task[Any, Any, Any],
        folder: Path,
        allow_builders: Sequence[str],
        *,
        selection: bool = False,
        prepare: Callable[[Any], Any] = lambda model: model,
    ) -> Members:
        """Of a run directory.

        Args:
            task: of the ensemble.
            folder: of its run.
            allow_builders: modules that may be imported.
            selection: of members that were trained once more take the models before, which did
                not train on the validation split.
            prepare: what becomes of each model before it answers.

        Raises:
            RunError: a file is missing or damaged.
        """
        preprocessors: dict[int, AnyPreprocessor] = {}
        inferences, models = [], []
        for run in task.recipe.member_runs:
            place, member = folder / MEMBERS_FOLDER / run.name, type(task)(run.recipe)
            if selection and (place / SELECTION_FOLDER).is_dir():
                place = place / SELECTION_FOLDER
            if run.member not in preprocessors:  # the same with every seed
                preprocessors[run.member] = member.load(place)
            model = load_model(place / MODEL_FILE, allow_builders)
            preprocessors[run.member].check_model(model, place)
            models.append(model)
            inferences.append(member.inference(preprocessors[run.member], prepare(model)))
        known = list(preprocessors.values())
        if task.writes_together and any(one.sizes != known[0].sizes for one in known):
            raise RunError(f"{folder}: its members do not have the same tokens")
        return cls(task, known, inferences, models)

    @property
    def preprocessor(self) -> AnyPreprocessor:
        """Of the ensemble."""
        if self.task.writes_together:
            return self.preprocessors[0]
        return EnsemblePreprocessor(self.task.recipe, self.preprocessors)

    def outputs(self, split: EncodedSplit, progress: Progress) -> list[Any]:
        """What each model says of a split that :attr:`preprocessor` encoded."""
        return [
            inference.outputs(self._as_read(split, run.member), progress)
            for inference, run in zip(self.inferences, self.task.recipe.member_runs, strict=True)
        ]

    def _as_read(self, split: EncodedSplit, member: int) -> EncodedSplit:
        return split if self.task.writes_together else _of_member(split, member)

    def inference(self, weights: Sequence[float]) -> AnyInference:
        """How they answer together, each with its weight; the weights sum to 1."""
        counted = [number for number, weight in enumerate(weights) if weight > 0.0]
        of_counted = [weights[number] for number in counted]
        if self.task.writes_together:
            models = [self.models[number] for number in counted]
            return self.task.joint_inference(self.preprocessors[0], models, of_counted)
        numbers = [run.member for run in self.task.recipe.member_runs]
        return EnsembleInference(
            [(self.inferences[number], numbers[number], weights[number]) for number in counted]
        )


def load_preprocessor_of(task: Task[Any, Any, Any], folder: Path) -> AnyPreprocessor:
    """The vocabularies of a run; of an ensemble those of its first member."""
    runs = task.recipe.member_runs
    loaded: AnyPreprocessor = (
        type(task)(runs[0].recipe).load(folder / MEMBERS_FOLDER / runs[0].name)
        if runs
        else task.load(folder)
    )
    return loaded


def read_weights(task: Task[Any, Any, Any], folder: Path) -> list[float]:
    """How much each model of an ensemble's run counts.

    Raises:
        RunError: the file that says so is missing or damaged.
    """
    path = folder / MIXTURE_FILE
    found = read_object(path).get("weights")
    names = [run.name for run in task.recipe.member_runs]
    if not isinstance(found, dict) or list(found) != names:
        raise RunError(f"{path}: does not say how much each member counts")
    weights = list(checked(dict[str, float], found, path).values())
    if not all(weight >= 0.0 for weight in weights) or abs(sum(weights) - 1.0) > 1e-6:
        raise RunError(f"{path}: the weights do not sum to 1")
    return weights
