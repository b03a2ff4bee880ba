"""What lies where in a run directory: the name of every file, once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

FORMAT = 1  # of the directory; raised when an older textnets could not read it

RECIPE_FILE = "recipe.yaml"
ENVIRONMENT_FILE = "environment.json"
MODEL_FILE = "model.keras"
HISTORY_FILE = "history.jsonl"
EVALUATION_FILE = "evaluation.json"
REPORT_FILE = "report.html"
PREDICTIONS_FOLDER = "predictions"
CHECKPOINT_FOLDER = "checkpoint"
LOCK_FILE = ".lock"
MEMBERS_FOLDER = "members"  # of an ensemble: a run each
MIXTURE_FILE = "mixture.json"  # how much each of them counts
FOLDS_FOLDER = "folds"  # of a cross-validation: a run each
SELECTION_FOLDER = "selection"  # the run that told for how many epochs to train on all examples

# Inside of the checkpoint's folder.
CHECKPOINT_STATE_FILE = "state.npz"
BEST_WEIGHTS_FILES = "best-*.npz"

# Not hashed: the file that holds the hashes, and what only a continued run needs.
NOT_HASHED = (ENVIRONMENT_FILE, CHECKPOINT_FOLDER, LOCK_FILE)
# What a run has before it is trained: the same from then on.
WRITTEN_LATER = (
    MODEL_FILE,
    HISTORY_FILE,
    EVALUATION_FILE,
    REPORT_FILE,
    PREDICTIONS_FOLDER,
    MEMBERS_FOLDER,
    MIXTURE_FILE,
    FOLDS_FOLDER,
)
# Hashed, but checked only by who reads them: a prediction rests on none of them.
NOT_NEEDED = (EVALUATION_FILE, REPORT_FILE, PREDICTIONS_FOLDER)

# All that a run holds but for the runs inside of it, and what a preprocessor learned.
_LEARNED = (
    r"(source_|target_)?(vocabulary|words|labels|unseen_labels|characters|character_ngrams|features|columns|auxiliary)\.txt"
    r"|(source_|target_)?tokenizer\.model|ngrams\.npy|tokenizer\.json|encoder\.json"
)
_ANY_NAME = r"[^/]+"
# What file managers leave in a folder that somebody has looked into, and NFS in one in use.
_LEFT_BY_SYSTEMS = re.compile(r"(\.DS_Store|Thumbs\.db|[Dd]esktop\.ini|\.directory|\._.*|\.nfs\w+)")
_OF_A_RUN = re.compile(
    rf"({_LEARNED}|recipe\.yaml|environment\.json|model\.keras|history\.jsonl|evaluation\.json"
    rf"|report\.html|mixture\.json|\.lock|predictions(/{_ANY_NAME}\.jsonl)?"
    rf"|checkpoint(/(state|best-\d+)\.npz)?)(\.new)?"
)
_OF_RUNS = re.compile(
    rf"(members|folds)(/(?P<one>\.?{_ANY_NAME}))?|(?P<other>\.?selection(\.{_ANY_NAME})?)"
)


def is_learned(name: str) -> bool:
    """Whether a file of this name is one that a preprocessor writes."""
    return re.fullmatch(_LEARNED, name) is not None


def is_left_by_systems(path: Path) -> bool:
    """Whether a file is nobody's work, and may go with the folder that it is in."""
    return path.is_file() and _LEFT_BY_SYSTEMS.fullmatch(path.name) is not None


def strangers(folder: Path, known: Collection[str] = ()) -> Iterator[str]:
    """What lies in a folder and is no part of a run, by its path there: files of a user's own,
    links, and what is neither a file nor a folder.

    Args:
        folder: of a run, finished or not.
        known: files that it says it has, whatever their names.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_known = name in known or path.is_dir() or is_left_by_systems(path) or _is_of_a_run(name)
        if not _is_plain(path) or not is_known:
            yield name


def not_plain(folder: Path) -> Iterator[str]:
    """The links in a folder, and what is neither a file nor a folder, by its path there."""
    for path in folder.rglob("*"):
        if not _is_plain(path):
            yield path.relative_to(folder).as_posix()


def _is_plain(path: Path) -> bool:
    return not path.is_symlink() and (path.is_file() or path.is_dir())


def _is_of_a_run(name: str) -> bool:
    """Whether a run has such a file; of a run inside of another by what follows its name."""
    while _OF_A_RUN.fullmatch(name) is None:
        parts = name.split("/")
        depth = {"members": 2, "folds": 2}.get(parts[0], 1)
        inside = "/".join(parts[:depth])
        if len(parts) <= depth or _OF_RUNS.fullmatch(inside) is None:
            return False
        name = "/".join(parts[depth:])
    return True


def inner_places(folder: Path) -> list[Path]:
    """Where the runs inside of a run lie, finished ones and those that are not."""
    several = (folder / MEMBERS_FOLDER, folder / FOLDS_FOLDER)
    inside = (path for one in several if one.is_dir() for path in sorted(one.iterdir()))
    found = [path for path in inside if not is_left_by_systems(path)]
    selection = folder / SELECTION_FOLDER
    return [*found, *filter(Path.is_dir, (selection, partial_folder(selection)))]


def partial_folder(output: Path) -> Path:
    """Where a run is written until it is complete."""
    return output.with_name(output.name + ".partial")


def best_weights_file(epoch: int) -> str:
    """The name of the file with the weights of an epoch, counted from 1."""
    return BEST_WEIGHTS_FILES.replace("*", f"{epoch:05d}")
