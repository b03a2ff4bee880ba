"""The pretrained encoder that a model reads: as a builder takes it, and as a run records it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError, InputError, RunError
from textnets.progress import Progress
from textnets.tasks import AnyTask
from textnets.tasks.encoders import open_encoder
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.encoder_folder import EncoderFolder

_KEY = "text.encoder"


def packages_of(task: AnyTask) -> tuple[str, ...]:
    """What cuts the texts of a task's models, where textnets does not."""
    return ("tokenizers",) if task.encoder_names else ()


def encoders_record(task: AnyTask) -> dict[str, dict[str, str]] | None:
    """What a run records of the encoders that its models read, by their names in the recipe: path
    and sha256.

    Raises:
        InputError: one is not there or no encoder, or what reads it is not installed.
    """
    found = {}
    for name in task.encoder_names:
        folder = open_encoder(name, beside=task.recipe.folder)
        found[name] = {"path": str(folder.path.resolve()), "sha256": folder.sha256}
    return found or None


def find_encoder(task: AnyTask, known: Mapping[str, Any] | None = None) -> EncoderFolder | None:
    """The encoder of a task's one model; ``None`` where it reads none.

    Args:
        task: of one model.
        known: what the run that is trained recorded of its encoders.

    Raises:
        InputError: see :func:`encoders_record`.
        RunError: it is no longer what it was.
    """
    for name in task.encoder_names:
        folder = open_encoder(name, beside=task.recipe.folder)
        if known is not None and name in known and known[name].get("sha256") != folder.sha256:
            raise RunError(
                f"{_KEY}: {folder.path}: has changed since this run was begun; put it back, or "
                "start again with --overwrite"
            )
        return folder
    return None


def encoder_vectors(
    preprocessor: AnyPreprocessor, folder: EncoderFolder | None, progress: Progress
) -> npt.NDArray[np.float32] | None:
    """The vectors that a builder is given, ``<float32>[vocabulary, width]``; ``None`` where its
    model reads no encoder.

    Args:
        preprocessor: of the model.
        folder: of the encoder; without it they are zeros, of a model whose weights come from
            elsewhere: a checkpoint has them all.
        progress: where to say what they are.

    Raises:
        DataError: the numbers are no vectors.
        RunError: the texts were cut by another encoder.
    """
    settings = preprocessor.encoder_settings
    if settings is None:
        return None
    rows = int(preprocessor.sizes["vocabulary_size"])
    if folder is None:
        return np.zeros((rows, settings.width), np.float32)
    if folder.sha256 != settings.sha256:
        raise RunError(
            f"{_KEY}: {folder.path}: is not the encoder that the texts were turned into ids of; "
            "put that one back, or encode them again"
        )
    try:
        vectors = folder.vectors()
    except DataError as error:
        raise DataError(f"{_KEY}: {error}") from None
    count = len(folder.tokens.vocabulary.ordinary_tokens)
    progress.say(
        f"encoder: {count:,} tokens of {folder.path}, {settings.width} wide, kept as they are"
    )
    return vectors


def tell_of_encoders(task: AnyTask, known: Mapping[str, Any] | None, progress: Progress) -> None:
    """Say where a run that goes on was begun with an encoder that is no longer there, or has
    changed: its vectors are in the checkpoint, and its tokenizer in the run."""
    for name, entry in (known or {}).items():
        try:
            folder = open_encoder(name, beside=task.recipe.folder)
            same, said = folder.sha256 == entry.get("sha256"), "has changed since"
        except InputError:
            same, said = False, "is not there, or not whole"
        if not same:
            progress.say(
                f"{_KEY}: {name} {said}; the run has its tokenizer, and the checkpoint its vectors"
            )
