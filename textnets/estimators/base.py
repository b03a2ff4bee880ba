"""What the estimators share: parameters, fitting, saving, and what they refuse."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from textnets.backend.devices import prepare_device
from textnets.builders.custom import module_of
from textnets.data.sources import IN_MEMORY
from textnets.errors import InputError, InterruptedTrainingError, did_you_mean
from textnets.estimators.flat_parameters import (
    Parameter,
    builder_parameters,
    changed_values,
    is_same,
    recipe_document,
    section_parameters,
    show_parameters,
)
from textnets.estimators.packed_run import PackedRun
from textnets.experiment.compound import execute
from textnets.experiment.encoders import encoders_record, packages_of
from textnets.experiment.prepare import Data
from textnets.experiment.record import begin_record, fingerprint_of_examples
from textnets.experiment.source_runs import sources_record
from textnets.progress import terminal_progress
from textnets.recipe.sections import MAX_SEED
from textnets.run.directory import Run
from textnets.run.target import RunTarget
from textnets.tasks import TASKS, AnyTask, Predictor, task_from
from textnets.tasks.examples import Examples
from textnets.tasks.preprocessor import AnyPreprocessor

RandomState = int | np.random.RandomState | None

_FIXED = ("builder", "random_state", "device", "verbose")


class TextEstimator(BaseEstimator):  # type: ignore[misc]
    """A text model with the manners of scikit-learn.

    Parameters of the text, of training and of the builder are all flat: ``units``,
    ``learning_rate``, ``max_tokens``. They have the names, meanings and defaults of a recipe's
    keys, and are checked by the same rules when the model is fitted.
    """

    task_name: ClassVar[str]
    default_builder: ClassVar[str]
    #: Keys of the recipe's ``data`` section that are parameters.
    _data_keys: ClassVar[tuple[str, ...]] = ("validation",)
    #: Defaults that are not the recipe's.
    _defaults: ClassVar[Mapping[str, Any]] = {}

    # --- Parameters ---

    @classmethod
    def _section_parameters(cls) -> dict[str, Parameter]:
        return section_parameters(TASKS[cls.task_name].schema, cls._data_keys, cls._defaults)

    @classmethod
    def _parameters_with(cls, builder: Any) -> dict[str, Parameter] | None:
        """All that depend on the recipe; ``None`` where there is no such builder."""
        return builder_parameters(builder, cls._section_parameters())

    def _store(
        self,
        builder: str,
        random_state: RandomState,
        device: str,
        verbose: int,
        parameters: Mapping[str, Any],
    ) -> None:
        """Only store: values are checked when the model is fitted, names at once."""
        self.builder, self.random_state = builder, random_state
        self.device, self.verbose = device, verbose
        known = self._parameters_with(builder)
        if known is None:  # there is no such builder, as fitting will say: take any names
            defaults = {name: one.default for name, one in self._section_parameters().items()}
            self._set({**defaults, **parameters})
        else:
            self._check_names(builder, parameters, known)
            self._set({**{name: one.default for name, one in known.items()}, **parameters})

    def _set(self, values: Mapping[str, Any]) -> None:
        """Have these parameters, besides the fixed ones, and no others."""
        for name in getattr(self, "_names", ()):
            delattr(self, name)
        for name, value in values.items():
            setattr(self, name, value)
        self._names = tuple(values)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Every parameter and its value: the estimator's, the text's, of training, the builder's.

        Args:
            deep: without effect, no parameter is an estimator.
        """
        return {name: getattr(self, name) for name in (*_FIXED, *self._names)}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by their flat names; with another ``builder``, that one's too.

        Raises:
            ValueError: a name is not known (the nearest is named), or a parameter was set that
                the new builder has not. Nothing is changed then.
        """
        builder = params.get("builder", self.builder)
        known = self._parameters_with(builder)
        before = self._parameters_with(self.builder)
        values = {name: getattr(self, name) for name in self._names}
        if builder is not self.builder and known is not None and before is not None:
            # What was not set is the new builder's to default.
            values = {
                name: value
                for name, value in values.items()
                if not is_same(value, before[name].default)
            }
        values |= {name: value for name, value in params.items() if name not in _FIXED}
        names = known if known is not None else self._names
        self._check_names(builder, values, names)
        if known is not None:
            values = {**{name: one.default for name, one in known.items()}, **values}
        self._set(values)
        for name in _FIXED:
            setattr(self, name, params.get(name, getattr(self, name)))
        return self

    def _check_names(self, builder: Any, names: Iterable[str], known: Collection[str]) -> None:
        for name in names:
            if name not in known:
                raise InputError(
                    f"{type(self).__name__} with builder={builder!r} has no parameter {name!r}; "
                    f"{did_you_mean(name, [*_FIXED, *known])}"
                )

    # --- Fitting ---

    def _make_task(self, **changed: Any) -> AnyTask:
        """The task of a recipe made of the parameters.

        Args:
            changed: parameters that the recipe writes in another way.

        Raises:
            RecipeError: with every mistake of the parameters.
        """
        name = type(self).__name__
        known = self._parameters_with(self.builder) or self._section_parameters()
        sections = {
            "task": self.task_name,
            "data": {"train": IN_MEMORY},
            "model": {"builder": self.builder},
            "evaluation": {"baselines": False},
            "seed": self._seed(),
        }
        document = recipe_document(name, sections, known, {**self.get_params(), **changed})
        return task_from(document, None)

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(MAX_SEED))

    def _fit(self, task: AnyTask, examples: Examples, notes: Mapping[str, Any]) -> AnyPreprocessor:
        """Train, keep the run, and give what was learned from the texts.

        Args:
            task: of the parameters.
            examples: to fit; the task holds a share of them out for validation.
            notes: what the run's record says besides.
        """
        progress = terminal_progress(quiet=not self.verbose)
        splits = task.with_shares({"train": examples}, {"train": "the examples"}, progress)
        sources, encoders = sources_record(task.recipe), encoders_record(task)
        device = prepare_device(self.device)
        fingerprint = {"train": fingerprint_of_examples(examples, task)}
        record = begin_record(
            task.recipe, fingerprint, splits, device, "", packages=packages_of(task)
        )
        record = dataclasses.replace(record, notes=notes, sources=sources, encoders=encoders)
        with _generators_kept(), tempfile.TemporaryDirectory(prefix="textnets-") as folder:
            target = RunTarget(Path(folder) / "run")
            try:
                done = execute(task, target, Data({}, splits), record, progress=progress)
            except InterruptedTrainingError:
                raise KeyboardInterrupt from None  # there is no run to go on with
            own = list(
                map(module_of, task.recipe.builders)
            )  # imported already: its model was built
            self._keep(done.run, PackedRun.of(done.run, self.device, own))
        return done.preprocessor

    def _keep(self, run: Run, packed: PackedRun) -> None:
        self._run = packed
        self.history_ = run.history()
        self.n_iter_ = len(self.history_)

    @property
    def _predictor(self) -> Predictor:
        check_is_fitted(self)
        predictor: Predictor = self._run.predictor
        return predictor

    # --- What was fitted ---

    @property
    def model_(self) -> Any:
        """The fitted ``keras.Model``, not compiled."""
        return self._predictor.model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_run")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.non_deterministic = self.random_state is None
        return tags

    # --- Runs ---

    def save(self, run: str | Path, *, overwrite: bool = False) -> None:
        """Write the run directory that the command line would have written.

        Args:
            run: where.
            overwrite: replace a run that is there.

        Raises:
            NotFittedError: nothing was fitted.
            RunError: something is there, or it cannot be written.
        """
        check_is_fitted(self)
        self._run.write(Path(run), overwrite=overwrite)

    @classmethod
    def of_run(cls, run: Run, task: AnyTask, device: str, allow_builders: Sequence[str]) -> Self:
        """A fitted estimator of a run that was opened; see :func:`textnets.load`."""
        recipe = task.recipe
        known = cls._parameters_with(recipe.builder) or {}
        found = cls(
            builder=recipe.builder,
            random_state=recipe.seed,
            device=device,
            **changed_values(recipe.as_sections(), known),
        )
        packed = PackedRun.of(run, device, allow_builders)
        found._keep(run, packed)
        found._restore(packed.predictor.preprocessor, run)
        return found

    def _restore(self, preprocessor: Any, run: Run) -> None:
        """Set what fitting would have set, of a run and its vocabularies."""


_Estimator = TypeVar("_Estimator", bound=type[TextEstimator])


def with_full_signature(estimator: _Estimator) -> _Estimator:
    """A class decorator: the constructor shows the parameters of the default builder."""
    known = estimator._parameters_with(estimator.default_builder) or {}
    show_parameters(vars(estimator)["__init__"], known)
    return estimator


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Training seeds Python's and NumPy's own generators; a caller's stay as they were."""
    ours, numpys = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)


# --- Input ---


def check_lengths(rows: Sequence[Any], others: Sequence[Any], name: str) -> None:
    """Refuse columns that are not equally long, or empty.

    Raises:
        InputError: naming both lengths.
    """
    if len(rows) != len(others):
        raise InputError(
            f"X and {name} are not equally long: Found input variables with inconsistent numbers "
            f"of samples: [{len(rows)}, {len(others)}]"
        )
    if len(rows) == 0:
        raise InputError("X is empty: 0 sample(s), while a minimum of 1 is required")
