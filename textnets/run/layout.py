"""What lies where in a run directory: the name of every file, once."""

from __future__ import annotations

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


def inner_places(folder: Path) -> list[Path]:
    """Where the runs inside of a run lie, finished ones and those that are not."""
    several = (folder / MEMBERS_FOLDER, folder / FOLDS_FOLDER)
    found = [path for one in several if one.is_dir() for path in sorted(one.iterdir())]
    selection = folder / SELECTION_FOLDER
    return [*found, *filter(Path.is_dir, (selection, partial_folder(selection)))]


def partial_folder(output: Path) -> Path:
    """Where a run is written until it is complete."""
    return output.with_name(output.name + ".partial")


def best_weights_file(epoch: int) -> str:
    """The name of the file with the weights of an epoch, counted from 1."""
    return BEST_WEIGHTS_FILES.replace("*", f"{epoch:05d}")
