"""A run's files in memory: what a fitted estimator is made of."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from textnets.run.directory import Run
from textnets.run.files import unreadable
from textnets.run.layout import CHECKPOINT_FOLDER
from textnets.run.places import written_beside
from textnets.run.target import RunTarget
from textnets.tasks import Predictor


class PackedRun:
    """A finished run without its checkpoint: plain bytes, so it can be pickled and copied.

    Args:
        files: content of each file by its path inside of the run.
        device: where it answers.
        allow_builders: modules that may be imported to load it.
    """

    def __init__(
        self, files: Mapping[str, bytes], device: str, allow_builders: Sequence[str] = ()
    ) -> None:
        self._files = dict(files)
        self._device = device
        self._allow_builders = tuple(allow_builders)

    @classmethod
    def of(cls, run: Run, device: str, allow_builders: Sequence[str] = ()) -> PackedRun:
        """Read a run that was opened, and so is whole.

        Raises:
            RunError: a file cannot be read.
        """
        files = {}
        for path in sorted(run.folder.rglob("*")):
            if path.is_file() and path.relative_to(run.folder).parts[0] != CHECKPOINT_FOLDER:
                try:
                    files[path.relative_to(run.folder).as_posix()] = path.read_bytes()
                except OSError as error:
                    raise unreadable(path, error) from None
        return cls(files, device, allow_builders)

    @cached_property
    def predictor(self) -> Predictor:
        """Loaded when it is first used; the same as of the run directory, since it is one."""
        with self._unpacked() as folder:
            found = Predictor.load(folder, device=self._device, allow_builders=self._allow_builders)
            found.preprocessor.encode_inputs([""])  # reads the tokenizer while the folder is there
        return found

    def write(self, folder: Path, *, overwrite: bool) -> None:
        """Write the run directory whole: beside, then renamed.

        Raises:
            RunError: something stands there that may not be replaced, or it cannot be written.
        """
        target = RunTarget(folder, overwrite=overwrite)
        target.check(resume=False)
        with written_beside(target.output) as beside:
            self._write_files(beside)

    @contextmanager
    def _unpacked(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(
            prefix="textnets-", ignore_cleanup_errors=True
        ) as temporary:
            folder = Path(temporary) / "run"
            self._write_files(folder)
            yield folder

    def _write_files(self, folder: Path) -> None:
        for name, content in self._files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "predictor"}
