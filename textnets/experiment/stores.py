"""Stored ids: a recipe's encoded splits in a folder, to train from again and elsewhere.

A store is tied to its recipe's ``data:`` and ``text:`` sections: it is refused for a recipe
where they differ.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from textnets.data.sources import sha256_of
from textnets.errors import RunError
from textnets.recipe import Recipe
from textnets.run.files import write_json, write_recipe
from textnets.run.layout import RECIPE_FILE
from textnets.run.places import written_beside
from textnets.tasks.examples import SPLITS
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.encoded import EncodedSplit
from textnets.text.ngrams import NGRAMS_FILE

_STORE_FILE = "store.json"
_FORMAT = 1


@dataclass(frozen=True)
class Store:
    """An opened store.

    Attributes:
        folder: where it lies.
        fingerprints: path and sha256 of the files it was made from, by split.
        splits: names of the encoded splits.
    """

    folder: Path
    fingerprints: dict[str, dict[str, str]]
    splits: tuple[str, ...]

    def check_files(self, files: Mapping[str, Path]) -> None:
        """Refuse raw data that is not what the ids were made from.

        Raises:
            RunError: a file has changed since.
        """
        for name, path in files.items():
            if name in self.fingerprints and sha256_of(path) != self.fingerprints[name]["sha256"]:
                raise RunError(
                    f"{self.folder}: the ids were made from other data: {path} has changed since; "
                    "write the store anew with --overwrite"
                )

    def load(self, input_names: Sequence[str]) -> dict[str, EncodedSplit]:
        """Memory-map the splits.

        Raises:
            RunError: they were stored for a model that reads less.
            DataError: a file is damaged.
        """
        for name in input_names:
            if not all((self.folder / f"{split}.{name}.ids.npy").exists() for split in self.splits):
                raise RunError(
                    f"{self.folder}: holds no {name}, which the recipe's model reads; write it "
                    "anew with 'textnets tokenize RECIPE --store DIR --overwrite'"
                )
        return {name: EncodedSplit.open(self.folder, name, input_names) for name in self.splits}

    def copy_vocabularies(self, run_folder: Path) -> None:
        """Give the vocabularies to a run."""
        for path in self.folder.iterdir():
            if path.suffix in (".txt", ".model") or path.name == NGRAMS_FILE:
                shutil.copyfile(path, run_folder / path.name)


def check_store_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse what would destroy something. Nothing is written.

    Raises:
        RunError: the folder is there already, or is no store.
    """
    if folder.exists() and not (folder / _STORE_FILE).is_file():
        raise RunError(
            f"{folder}: exists and holds no stored ids, so it is left alone, even with "
            "--overwrite; choose another folder"
        )
    if folder.exists() and not overwrite:
        raise RunError(f"{folder}: exists already; --overwrite replaces it")


def write_store(
    folder: Path,
    recipe: Recipe,
    preprocessor: AnyPreprocessor,
    encoded: Mapping[str, EncodedSplit],
    fingerprints: Mapping[str, Mapping[str, str]],
    *,
    overwrite: bool,
) -> None:
    """Write a store whole: beside, then renamed.

    Raises:
        RunError: the folder is there already, or is no store.
    """
    check_store_place(folder, overwrite=overwrite)
    with written_beside(folder) as beside:
        _write_files(beside, recipe, preprocessor, encoded, fingerprints)


def _write_files(
    folder: Path,
    recipe: Recipe,
    preprocessor: AnyPreprocessor,
    encoded: Mapping[str, EncodedSplit],
    fingerprints: Mapping[str, Mapping[str, str]],
) -> None:
    write_recipe(folder / RECIPE_FILE, recipe)
    preprocessor.save(folder)
    for name, split in encoded.items():
        split.save(folder, name)
    write_json(
        folder / _STORE_FILE,
        {
            "format": _FORMAT,
            "recipe": _key(recipe),
            "data": fingerprints,
            "splits": [name for name in SPLITS if name in encoded],
        },
    )


def open_store(folder: Path, recipe: Recipe) -> Store:
    """Open a store for a recipe.

    Raises:
        RunError: it is missing, damaged, or was made for other data or text settings.
    """
    path = folder / _STORE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        store = Store(folder, dict(content["data"]), tuple(content["splits"]))
        key, number = content["recipe"], content["format"]
    except FileNotFoundError:
        raise RunError(
            f"{folder}: holds no stored ids; write them with 'textnets tokenize RECIPE --store DIR'"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    if number > _FORMAT:
        raise RunError(f"{folder}: written by a newer textnets; update textnets")
    if key != _key(recipe):
        raise RunError(
            f"{folder}: was made for other data or text settings than the "
            "recipe's, with another seed or by another textnets; compare with "
            f"{folder / RECIPE_FILE}, or write it anew"
        )
    return store


def _key(recipe: Recipe) -> str:
    sections = recipe.as_sections()
    decisive = {name: sections[name] for name in ("task", "data", "text", "seed")}
    decisive["textnets"] = version("textnets")  # tokenizers may differ from version to version
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
