"""Stored ids: a recipe's encoded splits in a folder, to train from again and elsewhere.

A store is tied to its recipe's ``data:`` and ``text:`` sections: it is refused for a recipe
where they differ.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from textnets.data.sources import sha256_of
from textnets.errors import RunError
from textnets.recipe import Recipe
from textnets.run.directory import refuse_what_is_not_plain
from textnets.run.files import (
    bytes_written_whole,
    checked,
    read_object,
    write_json,
    write_recipe,
)
from textnets.run.integrity import check_file
from textnets.run.layout import RECIPE_FILE, is_learned, is_left_by_systems
from textnets.run.places import real_place, written_beside
from textnets.tasks.examples import SPLITS
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.encoded import EncodedSplit, RaggedIds

_STORE_FILE = "store.json"
_FORMAT = 1
_OF_A_STORE = re.compile(
    r"recipe\.yaml|store\.json|(train|validation|test)\.\w+(\.\w+)?\.(npy|json)"
)
# The key of Preprocessor.sizes that says how many ids there are, of each input and of targets.
_NUMBERS = {
    "token_ids": ("vocabulary_size",),
    "character_ids": ("num_characters",),
    "feature_ids": ("num_features",),
    "column_ids": ("num_column_values",),
    "auxiliary_ids": ("num_auxiliary_values",),
    "ngram_ids": ("num_features",),
    "source_ids": ("source_vocabulary_size",),
    "target_ids": ("target_vocabulary_size",),
    "targets": ("num_classes", "num_tags", "target_vocabulary_size", "vocabulary_size"),
}


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

    def load(
        self, input_names: Sequence[str], learned_names: Sequence[str] = ()
    ) -> dict[str, EncodedSplit]:
        """Memory-map the splits.

        Args:
            input_names: of what each of them holds.
            learned_names: of what the training split holds besides.

        Raises:
            RunError: they were stored for a model that reads less.
            DataError: a file is damaged.
        """
        names = {
            split: (*input_names, *(learned_names if split == "train" else ()))
            for split in self.splits
        }
        for name in (*input_names, *learned_names):
            if not all(
                (self.folder / f"{split}.{name}.ids.npy").exists()
                for split in self.splits
                if name in names[split]
            ):
                raise RunError(
                    f"{self.folder}: holds no {name}, which the recipe's model reads; write it "
                    "anew with 'textnets tokenize RECIPE --store DIR --overwrite'"
                )
        return {split: EncodedSplit.open(self.folder, split, names[split]) for split in names}

    def give_vocabularies(self, run_folder: Path) -> None:
        """Write the vocabularies into a run; one that has them keeps its own, which are the same.

        Raises:
            RunError: the run has others.
        """
        for path in sorted(self.folder.iterdir()):
            if not is_learned(path.name):
                continue
            own = run_folder / path.name
            if not own.exists():
                with bytes_written_whole(own) as file:
                    file.write(path.read_bytes())
            elif sha256_of(own) != sha256_of(path):
                raise RunError(
                    f"{self.folder}: the ids were made with another {path.name} than that of "
                    f"{run_folder}; continue without --store, or start again with --overwrite"
                )

    def check_ids(self, encoded: Mapping[str, EncodedSplit], sizes: Mapping[str, Any]) -> None:
        """Refuse ids that the vocabularies and labels do not have.

        Args:
            encoded: the splits.
            sizes: of the preprocessor.

        Raises:
            RunError: naming the split.
        """
        for name, split in encoded.items():
            arrays = {key: ragged.ids for key, ragged in split.inputs.items()}
            is_ragged = isinstance(split.targets, RaggedIds)
            arrays["targets"] = split.ragged_targets.ids if is_ragged else np.asarray(split.targets)
            for key, ids in arrays.items():
                size = next((sizes[known] for known in _NUMBERS.get(key, ()) if known in sizes), 0)
                if key == "targets":
                    size += len(split.unseen_labels)
                if not _are_below(ids, size):
                    raise RunError(
                        f"{self.folder}: the {key} of '{name}' are none of those that the "
                        "vocabularies and labels beside them have; write it anew with "
                        "'textnets tokenize RECIPE --store DIR --overwrite'"
                    )


def _are_below(ids: npt.NDArray[Any], size: int) -> bool:
    """Whether all are ids of so many things; indicators are zeros and ones, so many in a row."""
    if ids.dtype.kind == "f":
        return ids.shape[-1] <= size and bool(np.isin(ids, (0.0, 1.0)).all())
    return not ids.size or bool(ids.min() >= 0 and ids.max() < size)


def check_store_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse what would destroy something. Nothing is written.

    Raises:
        RunError: the folder is there already, or is no store.
    """
    real_place(folder)
    if folder.exists() and not (folder / _STORE_FILE).is_file():
        raise RunError(
            f"{folder}: exists and holds no stored ids, so it is left alone, even with "
            "--overwrite; choose another folder"
        )
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_ours = is_learned(name) or _OF_A_STORE.fullmatch(name) is not None
        if not is_ours and not is_left_by_systems(path):
            raise RunError(
                f"{folder}: holds {name} besides stored ids, so it is left alone, even with "
                "--overwrite; move that away, or choose another folder"
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
            "files": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
        },
    )


def open_store(folder: Path, recipe: Recipe) -> Store:
    """Open a store for a recipe.

    Raises:
        RunError: it is missing, damaged, or was made for other data or text settings.
    """
    path = folder / _STORE_FILE
    if not path.exists():
        raise RunError(
            f"{folder}: holds no stored ids; write them with 'textnets tokenize RECIPE --store DIR'"
        )
    content = read_object(path)
    number = checked(int, content.get("format"), path)
    if number > _FORMAT:
        raise RunError(f"{folder}: written by a newer textnets; update textnets")
    described = checked(_Described, content, path)
    if described.recipe != _key(recipe):
        raise RunError(
            f"{folder}: was made for other data or text settings than the "
            "recipe's, with another seed or by another textnets; compare with "
            f"{folder / RECIPE_FILE}, or write it anew"
        )
    refuse_what_is_not_plain(folder)
    for name, digest in described.files.items():
        try:
            check_file(folder, name, digest)
        except RunError:
            raise RunError(
                f"{folder / name}: is missing, or not the file that was written; copy the store "
                "again, or write it anew with 'textnets tokenize RECIPE --store DIR --overwrite'"
            ) from None
    found = {entry.name for entry in folder.iterdir() if not is_left_by_systems(entry)}
    unknown = found - {_STORE_FILE, *described.files}
    if unknown and described.files:
        raise RunError(f"{folder}: {min(unknown)} is none of the files that were written")
    return Store(folder, described.data, described.splits)


@dataclass(frozen=True)
class _Described:
    """What ``store.json`` says; the hashes of the other files it has since after version 0.1.0."""

    recipe: str
    data: dict[str, dict[str, str]]
    splits: tuple[Literal["train", "validation", "test"], ...]
    files: dict[str, str] = field(default_factory=dict)


def _key(recipe: Recipe) -> str:
    sections = recipe.as_sections()
    decisive = {name: sections[name] for name in ("task", "data", "text", "seed")}
    if _extends(decisive["text"]):
        decisive["initialize_from"] = recipe.initialize_from
    decisive["textnets"] = version("textnets")  # tokenizers may differ from version to version
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _extends(text: Mapping[str, Any]) -> bool:
    """Whether a ``text:`` section, or one inside of it, extends the vocabulary of another run."""
    inner = [value for value in text.values() if isinstance(value, dict)]
    return text.get("vocabulary") == "extend" or any(map(_extends, inner))
