"""Cuts the power while a run is trained, and after its end, and goes on from what is on the disk.

The disk is a file with an ext4 file system, mounted as root. At a random moment the training is
stopped and the file is copied: what is in memory only is lost, as by a power cut. The copy is
mounted, and the training is told to go on there.

``python -m tests.power_cuts --number 50`` cuts so many times and prints how each ended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.every_operation import (
    RECIPE,
    TRAIN,
    content,
    import_what_is_needed,
    in_a_process,
    write_project,
)

LONGER = RECIPE.replace("epochs: 2", "epochs: 30")
_MEGABYTES = 32
_AT_ONCE = 5  # cuts of one training
_AFTER = 0.2  # of the cuts, after its end


class CannotMountError(Exception):
    """Only root can mount a file system, and not in every container."""


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[None]:
    """The file system in a file, at a place while the block runs."""
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-o", "loop", image, place], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotMountError(done.stderr.strip())
    try:
        yield
    finally:
        for _ in range(50):
            if subprocess.run(["umount", place], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            subprocess.run(["umount", "-l", place], check=False)


def make_disk(image: Path) -> None:
    with image.open("wb") as file:
        file.truncate(_MEGABYTES * 2**20)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise CannotMountError(f"mkfs.ext4: {error}") from None


def cut_power(number: int, seed: int) -> Iterator[str]:
    """Cut the power so many times; how each ended, in words, where it ended well.

    Raises:
        CannotMountError: where that cannot be tried.
        AssertionError: a run could not be continued, or is another one.
    """
    chosen = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        whole = root / "whole"
        write_project(whole, LONGER)
        started = time.monotonic()
        assert in_a_process(whole, TRAIN) == 0, (whole / "log").read_text()
        seconds, expected = time.monotonic() - started, content(whole / "run")
        for first in range(0, number, _AT_ONCE):
            moments = [
                seconds * (1.0 + 2.0 * chosen.random())
                if chosen.random() < _AFTER
                else seconds * chosen.random()
                for _ in range(min(_AT_ONCE, number - first))
            ]
            for copy, when in _copies(root, sorted(moments)):
                yield f"{when}: {_go_on(root, copy, expected)}"
                copy.unlink()


def _copies(root: Path, moments: list[float]) -> list[tuple[Path, str]]:
    """What is on the disk at some moments of a training, in seconds from its start."""
    disk, place, found = root / "disk.img", root / "disk", []
    make_disk(disk)
    with mounted(disk, place):
        write_project(place / "work", LONGER)
        os.sync()
        pid, started = os.fork(), time.monotonic()
        if pid == 0:
            os._exit(in_a_process(place / "work", TRAIN))
        ended = False
        for number, moment in enumerate(moments):
            while not ended and time.monotonic() - started < moment:
                ended = os.waitpid(pid, os.WNOHANG)[0] != 0
                time.sleep(0.005)
            time.sleep(max(0.0, started + moment - time.monotonic()))
            inner = _children_of(pid) if not ended else []
            for one in inner:
                os.kill(one, signal.SIGSTOP)
            copy = root / f"copy-{number}.img"
            shutil.copyfile(disk, copy)
            for one in inner:
                os.kill(one, signal.SIGCONT)
            found.append((copy, f"{moment:.2f} s{' (after the end)' if ended else ''}"))
        if not ended:
            os.waitpid(pid, 0)
    return found


def _children_of(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _go_on(root: Path, copy: Path, expected: dict[str, str]) -> str:
    place = root / "after"
    with mounted(copy, place):
        work = place / "work"
        there = sorted(path.name for path in work.iterdir()) if work.exists() else []
        code = in_a_process(work, [*TRAIN, "--resume"])
        said = (work / "log").read_text()
        assert code == 0, (there, said)
        assert "Traceback" not in said
        found = content(work / "run")
        differing = [name for name in {*found, *expected} if found.get(name) != expected.get(name)]
        assert not differing, (differing, there, said)
    words = {"is finished": "was whole", "continuing from": "went on", "nothing to": "began anew"}
    return next((told for word, told in words.items() if word in said), "ended")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    import_what_is_needed()
    print(f"seed {chosen.seed}")
    ended: dict[str, int] = {}
    try:
        for told in cut_power(chosen.number, chosen.seed):
            how = told.rpartition(": ")[2]
            ended[how] = ended.get(how, 0) + 1
            print(f"{sum(ended.values())} of {chosen.number}: {told}", flush=True)
    except CannotMountError as error:
        raise SystemExit(f"skipped: only root can mount a file system in a file: {error}") from None
    print(f"{sum(ended.values())} of {chosen.number} continue or are whole: {ended}")


if __name__ == "__main__":
    main()
