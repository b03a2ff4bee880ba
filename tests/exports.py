"""An export that several tests read."""

from __future__ import annotations

from pathlib import Path

from tests.sharing import made_once
from textnets.export import export_run


def exported_run(run: Path) -> Path:
    """The folder of the cheap run's export to numpy; do not write into it."""

    def make(folder: Path) -> None:
        export_run(run, "numpy", folder / "out")

    return made_once("exported", make) / "out"
