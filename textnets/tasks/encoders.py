"""The pretrained encoders that recipes name: found where data files are, and checked."""

from __future__ import annotations

from pathlib import Path

from textnets.data.sources import find_file
from textnets.errors import DataError
from textnets.text.encoder_folder import EncoderFolder

_KEY = "text.encoder"


def open_encoder(name: str, *, beside: Path, max_length: int | None = None) -> EncoderFolder:
    """The encoder that a recipe's ``text.encoder`` names. Nothing is ever downloaded.

    Args:
        name: as written in the recipe.
        beside: the folder that holds the recipe.
        max_length: the recipe's ``text.max_length``.

    Raises:
        DataError: it is not there, or no such encoder.
        MissingExtraError: what reads it is not installed.
    """
    try:
        return EncoderFolder.read(find_file(name, beside=beside), max_length)
    except DataError as error:
        raise DataError(f"{_KEY}: {error}") from None
