"""The recipes that ship with textnets."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from textnets.errors import InputError, did_you_mean


@dataclass(frozen=True)
class ShippedRecipe:
    """One of them.

    Attributes:
        name: without the suffix.
        path: the file.
        summary: its first comment line.
    """

    name: str
    path: Path
    summary: str


def shipped_folder() -> Path:
    """Where the recipes are installed, with the data sets that ship with them under ``data/``."""
    return Path(str(files("textnets_recipes")))


def shipped_recipes() -> list[ShippedRecipe]:
    """All of them, by name."""
    return [
        ShippedRecipe(path.stem, path, _summary(path))
        for path in sorted(shipped_folder().glob("*.yaml"))
    ]


def recipe_path(recipe: str | Path) -> Path:
    """A recipe's file: the path itself, or a shipped recipe of that name.

    Raises:
        InputError: there is no such file, and what was given looks like a name.
    """
    path = Path(recipe)
    if path.exists() or path.name != str(recipe) or path.suffix:
        return path
    known = {shipped.name: shipped.path for shipped in shipped_recipes()}
    if path.name not in known:
        raise InputError(
            f"{recipe}: there is no such file, and no recipe ships under this name; "
            f"{did_you_mean(path.name, known)}"
        )
    return known[path.name]


def _summary(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        first = file.readline()
    return first.lstrip("# ").strip()


def copy_recipe(name: str, output: str | Path | None, *, overwrite: bool) -> Path:
    """Copy a shipped recipe out, to change it.

    Raises:
        InputError: no such recipe, or the file is there already.
    """
    known = {shipped.name: shipped for shipped in shipped_recipes()}
    if name not in known:
        raise InputError(f"no recipe ships under this name, was: {name!r}; "
                         f"{did_you_mean(name, known)}")  # fmt: skip
    target = Path(output) if output else Path(f"{name}.yaml")
    if target.is_dir():
        target = target / f"{name}.yaml"
    if target.exists() and not overwrite:
        raise InputError(f"{target}: exists already; --overwrite replaces it")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(known[name].path, target)
    return target
