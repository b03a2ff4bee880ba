"""Models that another runtime computes, with the texts around them done here.

Beside the models lies :data:`DESCRIPTION_FILE`: one JSON object with all that stands between texts
and ids, ids and answers, in plain lists, so that other languages can read it too.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import RunError, TextnetsError
from textnets.lite.contents import Contents, ContentsWriter

FORMAT = 1  # raised when an older reader could not read a description
DESCRIPTION_FILE = "model.json"
_DTYPES = ("float32", "int32", "int64")
_CHUNK = 2**20


class PlainWriter(ContentsWriter):
    """Keeps parts in the description itself, instead of by name in an archive."""

    def array(self, values: npt.NDArray[Any]) -> Any:
        """``{"dtype": ..., "shape": ..., "values": ...}``."""
        shape, flat = list(values.shape), values.reshape(-1).tolist()
        return {"dtype": str(values.dtype), "shape": shape, "values": flat}

    def texts(self, texts: Sequence[str]) -> Any:
        """The list."""
        return list(texts)

    def raw(self, content: bytes) -> Any:
        """``{"base64": ...}``."""
        return {"base64": base64.b64encode(content).decode("ascii")}


def write_description(
    folder: Path, description: Mapping[str, Any], files: Sequence[str], runtime: str
) -> None:
    """Write :data:`DESCRIPTION_FILE` beside the models.

    Args:
        folder: that holds them.
        description: what a predictor reads.
        files: names of the models' files, of which it keeps the sha256.
        runtime: ``onnx`` or ``litert``.
    """
    told = {
        "textnets_model": FORMAT,
        "runtime": runtime,
        **description,
        "files": {name: _sha256(folder / name) for name in files},
    }
    told["sha256"] = _digest(told)
    text = json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1)
    (folder / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")


class PlainContents(Contents):
    """A description with its models.

    Args:
        path: of the description.
        header: what it says.
        open_model: makes a model of its own part of the description.
    """

    def __init__(
        self,
        path: Path,
        header: Mapping[str, Any],
        open_model: Callable[[PlainContents, Mapping[str, Any]], Any],
    ) -> None:
        self.path, self.header, self._open_model = path, header, open_model

    @classmethod
    def open_with(
        cls,
        folder: Path,
        runtime: str,
        open_model: Callable[[PlainContents, Mapping[str, Any]], Any],
    ) -> PlainContents:
        """Open an export, and check its files.

        Raises:
            RunError: there is none, or it is not what was written.
        """
        path = folder / DESCRIPTION_FILE
        try:
            header = json.loads(path.read_text(encoding="utf-8"))
            version = header["textnets_model"]
            if isinstance(version, int) and version > FORMAT:
                raise RunError(
                    f"{path}: written by a newer textnets (format {version}; this one reads up to "
                    f"format {FORMAT}); update textnets"
                )
            if version != FORMAT or header["runtime"] != runtime:
                raise ValueError("it is of another kind")
            if header.pop("sha256") != _digest(header):
                raise ValueError("its own sha256 differs")
            for name, digest in header["files"].items():
                if Path(name).name != name or _sha256(folder / name) != digest:
                    raise ValueError(f"the sha256 of {name} differs")
        except FileNotFoundError as error:
            raise RunError(f"{error.filename}: no such file") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise RunError(f"{error.filename}: cannot be read: {reason}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(_damaged(path, runtime, error)) from None
        return cls(path, header, open_model)

    def model(self, found: Mapping[str, Any]) -> Any:
        """One of the models."""
        return self._open_model(self, found)

    def array(self, found: Any) -> npt.NDArray[Any]:
        """An array."""
        if found["dtype"] not in _DTYPES:
            raise ValueError(f"it holds an array of {found['dtype']}")
        return np.array(found["values"], found["dtype"]).reshape(found["shape"])

    def texts(self, found: Any) -> list[str]:
        """A list of texts."""
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise ValueError("a list of texts is none")
        return found

    def raw(self, found: Any) -> bytes:
        """Bytes."""
        return base64.b64decode(found["base64"], validate=True)

    @contextmanager
    def being_read(self) -> Iterator[None]:
        """Tell what goes wrong in the block as one error."""
        try:
            yield
        except (TextnetsError, MemoryError):
            raise
        except Exception as error:  # of the runtime, or of what a description was changed to
            raise RunError(_damaged(self.path, self.header["runtime"], error)) from None


def _damaged(path: Path, runtime: str, error: Exception) -> str:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return (
        f"{path}: is no model of 'textnets export --to {runtime}', or damaged: {reason}; export "
        "it again"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
