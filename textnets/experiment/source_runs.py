"""The run whose weights a model begins with: found, and checked before anything of it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textnets.builders.custom import module_of
from textnets.errors import InputError, RunError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.document import read_document
from textnets.run.directory import Run, open_run
from textnets.run.layout import FOLDS_FOLDER, MEMBERS_FOLDER, RECIPE_FILE, partial_folder
from textnets.run.model_file import load_model
from textnets.tasks import AnyTask, read_run
from textnets.tasks.ensemble import read_weights
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.tasks.registry import builders_of
from textnets.text.vocabulary import Vocabulary

_KEY = "model.initialize_from"
# A table of one run stands for these of another: what reads a text, whatever it does with it.
_SAME_TABLES = {"tokens": ("tokens", "source"), "source": ("source", "tokens")}


@dataclass(frozen=True)
class SourceRun:
    """A finished run of one model, whole and of parts that are known.

    Attributes:
        name: as the recipe has it.
        run: its directory.
        task: of its recipe.
        preprocessor: its vocabularies.
        allow_builders: modules that may be imported to load its model: those of the recipe.
    """

    name: str
    run: Run
    task: AnyTask
    preprocessor: AnyPreprocessor
    allow_builders: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of its record, which has the hash of every file."""
        return str(self.run.environment["digest"])

    def as_json(self) -> dict[str, str]:
        """What a run records of it."""
        return _described(self.run)

    def load_model(self) -> Any:
        """Its model; no code of it is run.

        Raises:
            RunError: it is damaged, or holds what no model of textnets is made of.
        """
        try:
            model = load_model(self.run.model_path, self.allow_builders)
            self.preprocessor.check_model(model, self.run.folder)
        except RunError as error:
            raise RunError(f"{_KEY}: {error}") from None
        return model

    def vocabulary_for(self, table: str) -> tuple[str, Vocabulary] | None:
        """The table of this run that stands for one of another model, and its vocabulary."""
        known = self.preprocessor.vector_tables
        for name in _SAME_TABLES.get(table, (table,)):
            if name in known:
                return name, known[name][1]
        return None


def open_source(recipe: Recipe, known: Mapping[str, Any] | None = None) -> SourceRun | None:
    """The run that a recipe's model begins with; ``None`` where it begins with none.

    Args:
        recipe: of one model.
        known: what the run that is trained recorded of the runs that it began with.

    Raises:
        InputError: it is not there, unfinished or damaged, of several models, has a builder of a
            module that the recipe does not name, or is no longer what it was.
    """
    name = recipe.initialize_from
    if name is None:
        return None
    run = _open(name, recipe)
    if known is not None and name in known and known[name].get("sha256") != _digest(run):
        raise RunError(
            f"{_KEY}: {run.folder}: has changed since this run was begun; put it back, or start "
            "again with --overwrite"
        )
    allowed = tuple(filter(None, map(module_of, recipe.builders)))
    task = _task_of(run, allowed)
    return SourceRun(name, run, task, task.load(run.folder), allowed)


def sources_record(recipe: Recipe, output: Path | None = None) -> dict[str, Any] | None:
    """What a run records of the runs that its models begin with, by their names in the recipe.

    Args:
        recipe: of the run.
        output: where it will lie.

    Raises:
        InputError: see :func:`open_source`; or one of them is the run itself.
    """
    found = {}
    for name in recipe.source_names:
        if output is not None:
            _refuse_itself(name, recipe, output)
        run = _open(name, recipe)
        _task_of(run, tuple(filter(None, map(module_of, recipe.builders))))
        found[name] = _described(run)
    return found or None


def tell_of_changes(recipe: Recipe, known: Mapping[str, Any] | None, progress: Progress) -> None:
    """Say where a run that goes on began with one that is no longer there, or has changed: what
    was taken of it is in the checkpoint."""
    for name, entry in (known or {}).items():
        try:
            same = _digest(_open(name, recipe)) == entry.get("sha256")
            said = "has changed since"
        except InputError:
            same, said = False, "is not there, or not whole"
        if not same:
            progress.say(
                f"{_KEY}: {name} {said}; what was taken of it is in the checkpoint, from which "
                "the run goes on"
            )


def extend_vocabularies(learned: AnyPreprocessor, source: SourceRun | None) -> AnyPreprocessor:
    """What was learned from the training split, with the ids of the source's tokens where the
    recipe says ``text.vocabulary: extend``.

    Raises:
        InputError: the source has no such tokens, or writes them otherwise.
    """
    if source is None or not learned.extended_tables:
        return learned
    known: dict[str, Vocabulary] = {}
    for table in learned.extended_tables:
        found = source.vocabulary_for(table)
        if found is None and table == "characters":
            continue  # the source's model reads none
        if found is None:
            raise InputError(
                f"text.vocabulary: extend: {source.name} has no vocabulary of the {table}; set "
                f"text.{table}.vocabulary: learn"
            )
        here, there = learned.writing_of(table), source.preprocessor.writing_of(found[0])
        differing = [
            f"text.{key}: {_shown(getattr(there, key))} (was: {_shown(getattr(here, key))})"
            for key in ("tokenizer", "pattern", "normalize", "lowercase")
            if getattr(here, key) != getattr(there, key)
        ]
        if differing:
            raise InputError(
                f"text.vocabulary: extend: the tokens of {source.name} are written otherwise; set "
                + ", ".join(differing)
            )
        known[table] = found[1]
    return learned.extended(known)


# --- Finding and checking ---


def _open(name: str, recipe: Recipe) -> Run:
    try:
        return open_run(_place_of(name, recipe))
    except RunError as error:
        raise RunError(f"{_KEY}: {error}") from None


def _place_of(name: str, recipe: Recipe) -> Path:
    """Where a run of that name lies: beside the recipe, else where the process was started, which
    is where runs are written.

    Raises:
        InputError: at neither place.
    """
    try:
        given = Path(name).expanduser()
        places = list(dict.fromkeys([recipe.folder / given, given]))
        for place in places:
            if place.exists() or partial_folder(place).exists():
                return place
    except (OSError, RuntimeError, ValueError) as error:  # no name of a place, or nobody's home
        raise InputError(f"{_KEY}: {name!r} cannot be looked for: {error}") from None
    looked = "".join(f"\n  {place.absolute()}" for place in places)
    raise InputError(f"{_KEY}: {name}: there is no such run; looked for{looked}")


def _refuse_itself(name: str, recipe: Recipe, output: Path) -> None:
    source = _place_of(name, recipe).resolve()
    for place in (output.resolve(), partial_folder(output).resolve()):
        if source == place or source in place.parents or place in source.parents:
            raise InputError(
                f"{_KEY}: {name} is the run that is written, or one is inside of the other; "
                "choose another --output DIR"
            )


def _task_of(run: Run, allowed: tuple[str, ...]) -> AnyTask:
    for builder in builders_of(read_document(run.folder / RECIPE_FILE).data):
        module = module_of(builder)
        if module and module not in allowed:
            raise RunError(
                f"{_KEY}: {run.folder}: its builder {builder!r} is none of textnets' own, and its "
                f"code is not run; a recipe whose builder is of {module} may begin with it"
            )
    task = read_run(run.folder, allow_builders=allowed)
    recipe = task.recipe
    if recipe.data.folds is not None:
        raise RunError(
            f"{_KEY}: {run.folder}: is a cross-validation; name one of its models, such as "
            f"{run.folder / FOLDS_FOLDER / '1'}"
        )
    if recipe.ensemble is not None:
        weights = read_weights(task, run.folder)
        best = recipe.member_runs[weights.index(max(weights))].name
        raise RunError(
            f"{_KEY}: {run.folder}: is an ensemble; name one of its models, such as "
            f"{run.folder / MEMBERS_FOLDER / best}, which counts most"
        )
    if task.encoder_names:
        raise RunError(
            f"{_KEY}: {run.folder}: its vectors are those of a pretrained encoder, whose tokens no "
            "other builder has; give text.encoder to a model of encoder_classifier, or begin with "
            "word vectors (text.vectors)"
        )
    return task


def _described(run: Run) -> dict[str, str]:
    return {"path": str(run.folder.resolve()), "sha256": _digest(run)}


def _digest(run: Run) -> str:
    return str(run.environment["digest"])


def _shown(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) or value is None else str(value)
