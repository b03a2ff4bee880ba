"""A folder with a pretrained sentence encoder, as model2vec saves it.

It holds a vector for each token, and a text's vector is their mean: ``model.safetensors`` has the
tensor ``embeddings``, and where the vocabulary was quantized a row number (``mapping``) and a
factor (``weights``) for each token; ``tokenizer.json`` cuts texts, and ``config.json`` says whether
the mean is divided by its length. No other file of the folder is opened, and none is run: the
weights are numbers with a table of contents, and never a pickle.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError, MissingExtraError
from textnets.text.encoder_tokens import (
    LARGEST_TOKENIZER,
    TOKENIZER_FILE,
    EncoderSettings,
    EncoderTokens,
)
from textnets.text.vocabulary import SPECIAL_TOKENS

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
FILES = (CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE)
_MAX_LENGTH = 512  # tokens, where the folder does not say, as in model2vec
_LARGEST_CONFIG = 2**24  # bytes
_LARGEST_TABLE = 2**32  # bytes of float32: a million tokens, 1,024 wide
_FLOATS = ("F32", "F16", "BF16", "F64", "I8")
_INTEGERS = ("I64", "I32", "I16", "U32", "U16", "U8")
_SAVED_SO = "expected a folder as model2vec saves it (StaticModel.save_pretrained)"


@dataclass(frozen=True)
class EncoderFolder:
    """An encoder that was found, all of it checked but for the numbers of its vectors.

    Attributes:
        path: of the folder.
        tokens: what cuts texts.
    """

    path: Path
    tokens: EncoderTokens

    @property
    def sha256(self) -> str:
        """Of its three files."""
        return self.tokens.settings.sha256

    @classmethod
    def read(cls, path: Path, max_length: int | None = None) -> EncoderFolder:
        """Open a folder.

        Args:
            path: of it.
            max_length: so many tokens of a text count, where it is not the folder's own number.

        Raises:
            DataError: a file is missing, or not what it should be; or they do not fit each other.
            MissingExtraError: what reads them is not installed.
        """
        _refuse_others(path)
        config = _read_bytes(path / CONFIG_FILE, _LARGEST_CONFIG)
        content = _read_bytes(path / TOKENIZER_FILE, LARGEST_TOKENIZER)
        digests = {
            CONFIG_FILE: hashlib.sha256(config).hexdigest(),
            WEIGHTS_FILE: _sha256(path / WEIGHTS_FILE),
            TOKENIZER_FILE: hashlib.sha256(content).hexdigest(),
        }
        own_length, unit_length = _read_config(path / CONFIG_FILE, config)
        with _opened(path / WEIGHTS_FILE) as file:
            width = _width_of(path / WEIGHTS_FILE, file)
            settings = EncoderSettings(own_length, unit_length, width, _digest(digests))
            try:
                tokens = EncoderTokens(content, settings, max_length)
            except MissingExtraError:
                raise
            except ValueError as error:
                where = path / TOKENIZER_FILE
                raise DataError(f"{where}: is no tokenizer that can be used: {error}") from None
            _check_shapes(path / WEIGHTS_FILE, file, tokens)
        return cls(path, tokens)

    def vectors(self) -> npt.NDArray[np.float32]:
        """A row for each id, ``<float32>[vocabulary, width]``, with the token's factor in it. Those
        of special ids are zero, so that a text without known tokens has a vector of zeros.

        Raises:
            DataError: a number is not finite, a row is missing, or the file was changed since it
                was opened.
        """
        path = self.path / WEIGHTS_FILE
        with _opened(path) as file:
            names = set(file.keys())
            _check_shapes(path, file, self.tokens)
            embeddings = _tensor(path, file, "embeddings")
            mapping = _tensor(path, file, "mapping") if "mapping" in names else None
            weights = _tensor(path, file, "weights") if "weights" in names else None
        if mapping is not None:
            if mapping.min() < 0 or mapping.max() >= len(embeddings):
                raise DataError(
                    f"{path}: 'mapping' names row {_outside(mapping, len(embeddings))} of "
                    f"{len(embeddings):,}"
                )
            embeddings = embeddings[mapping]
        first, vocabulary = len(SPECIAL_TOKENS), self.tokens.vocabulary
        table = np.zeros((len(vocabulary), embeddings.shape[1]), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            table[first:] = embeddings
            if weights is not None:
                table[first:] *= weights.astype(np.float32)[:, None]
        if not np.isfinite(table).all():
            row = int(np.argmin(np.isfinite(table).all(axis=1)))
            token = vocabulary.decode_id(row)
            raise DataError(f"{path}: the vector of {token!r} (row {row - first}) is not finite")
        if _digest({name: _sha256(self.path / name) for name in FILES}) != self.sha256:
            raise DataError(f"{self.path}: the encoder was changed while it was read; try again")
        return table


def _refuse_others(path: Path) -> None:
    """Tell what a folder is that is no such encoder."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "there is no such folder"
        raise DataError(f"{path}: {what}; {_SAVED_SO}")
    missing = [name for name in FILES if not (path / name).exists()]
    if not missing:
        return
    hint = ""
    if (path / "config_sentence_transformers.json").exists():
        hint = "; it is one of sentence-transformers: load it with model2vec and save it again"
    elif list(path.glob("*.bin")) + list(path.glob("*.pt")) + list(path.glob("*.pkl")):
        hint = "; weights in a pickle are never read, since a pickle may run code"
    raise DataError(f"{path}: holds no {missing[0]}; {_SAVED_SO}{hint}")


def _read_bytes(path: Path, most: int) -> bytes:
    """A plain file, or what a link to one leads to, as caches of downloads have them."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"{path}: is no plain file")
        if found.st_size > most:
            raise DataError(f"{path}: has {found.st_size:,} bytes, {most:,} at most are read")
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _sha256(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: is no plain file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _digest(digests: Mapping[str, str]) -> str:
    """Of a folder, as :func:`textnets.data.sources.sha256_of` has it, of these files only."""
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def _read_config(path: Path, content: bytes) -> tuple[int | None, bool]:
    """The longest text in tokens, and whether a vector is divided by its length."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected an object of settings, was: {str(found)[:60]!r}")
    unit_length, length = found.get("normalize", False), found.get("max_length", _MAX_LENGTH)
    if not isinstance(unit_length, bool):
        raise DataError(f"{path}: normalize: expected true or false, was: {unit_length!r}")
    is_length = isinstance(length, int) and not isinstance(length, bool) and length > 0
    if not is_length and length is not None:
        raise DataError(
            f"{path}: max_length: expected a number of tokens above 0, or null, was: {length!r}"
        )
    return length, unit_length


# --- The weights ---


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file of safetensors: its table of contents is compared with its size before it is used."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MissingExtraError("a pretrained encoder (text.encoder)", extra="encoder") from None
    try:
        with safe_open(str(path), framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise DataError(f"{path}: is no file of safetensors, or damaged: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _shape_of(path: Path, file: Any, name: str, types: tuple[str, ...]) -> list[int]:
    """The shape that a tensor has by the table of contents."""
    found = file.get_slice(name)
    if found.get_dtype() not in types:
        known = ", ".join(types)
        raise DataError(f"{path}: {name!r} is of type {found.get_dtype()}, expected one of {known}")
    return list(found.get_shape())


def _width_of(path: Path, file: Any) -> int:
    names = sorted(file.keys())
    if "embeddings" not in names:
        shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
        raise DataError(
            f"{path}: holds no tensor 'embeddings' (but {shown or 'none'}), so it is no encoder of "
            f"one vector a token; {_SAVED_SO}; model2vec distills one from a Transformer"
        )
    shape = _shape_of(path, file, "embeddings", _FLOATS)
    if len(shape) != 2 or min(shape) < 1:
        raise DataError(f"{path}: 'embeddings' is of shape {shape}, expected [rows, width]")
    return shape[1]


def _check_shapes(path: Path, file: Any, tokens: EncoderTokens) -> None:
    """Refuse tensors that are not of the tokenizer's tokens."""
    names, count = set(file.keys()), len(tokens.vocabulary.ordinary_tokens)
    rows, width = _shape_of(path, file, "embeddings", _FLOATS)
    wanted = {"mapping": _INTEGERS, "weights": _FLOATS}
    for name, types in wanted.items():
        if name in names and (shape := _shape_of(path, file, name, types)) != [count]:
            raise DataError(
                f"{path}: {name!r} is of shape {shape}, expected [{count}]: one for each token of "
                f"{TOKENIZER_FILE}"
            )
    if "mapping" not in names and rows != count:
        raise DataError(
            f"{path}: has vectors of {rows:,} tokens, and {TOKENIZER_FILE} has {count:,}: they are "
            "not of one encoder"
        )
    if width != tokens.settings.width:
        raise DataError(f"{path}: was changed while it was read; try again")
    if (size := 4 * len(tokens.vocabulary) * width) > _LARGEST_TABLE:
        raise DataError(
            f"{path}: {count:,} tokens, {width:,} wide, take {size:,} bytes, {_LARGEST_TABLE:,} at "
            "most"
        )


def _tensor(path: Path, file: Any, name: str) -> npt.NDArray[Any]:
    # Gives NumPy a type for BF16; comes with TensorFlow and Keras.
    import ml_dtypes  # type: ignore[import-untyped, unused-ignore]  # noqa: F401

    try:
        found: npt.NDArray[Any] = file.get_tensor(name)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {name!r} cannot be read: {error}") from None
    return found


def _outside(mapping: npt.NDArray[Any], rows: int) -> int:
    return int(mapping[(mapping < 0) | (mapping >= rows)][0])
