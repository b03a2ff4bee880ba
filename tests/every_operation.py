"""Ends a piece of work at one of its file operations, or lets that fail, and goes on from there.

The operations of a work (files opened, renamed, removed and synced, folders made and removed) are
counted; then the work is done once more for each of them, or for every so manieth, in a forked
process that is killed right before it, or is given an I/O error there. After that what is in the
place must be whole or absent, and going on must give the same bytes as work that nothing disturbed.

``python -m tests.every_operation`` tries them all and prints how many there were; with ``--every
10``, each tenth.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECIPE = """\
task: classification
data: {train: train.csv, validation: 0.25, test: 0.2}
text: {max_tokens: 60}
model: {builder: mlp_classifier, embedding_width: 4, dense_units: []}
training: {batch_size: 16, epochs: 2, learning_rate: 5e-2, checkpoint_every: 2}
evaluation: {baselines: false, resamples: 0}
seed: 3
"""
REFIT = RECIPE.replace("checkpoint_every: 2", "checkpoint_every: 2, refit: all")
ENSEMBLE = RECIPE + "ensemble: {seeds: 2}\n"
FOLDS = RECIPE.replace("validation: 0.25, test: 0.2", "validation: 0.25, folds: 2")

TRAIN = ["train", "r.yaml", "-o", "run"]
MORE = [*TRAIN, "--resume", "--set", "training.epochs=3"]
STORE = ["tokenize", "r.yaml", "--store", "ids"]
SAVE = ["save"]


@dataclass(frozen=True)
class Work:
    """What is done, and what is done after it was ended.

    Attributes:
        command: that is ended.
        first: commands that make what is there before; the last of them is of the place.
        again: that must end well after it was ended: one, then the other, by turns.
        place: where the result lies.
        recipe: whose work it is.
        keeps: whether there is something whole in the place at every moment.
    """

    command: list[str]
    again: tuple[list[str], ...]
    first: tuple[list[str], ...] = ()
    place: str = "run"
    recipe: str = RECIPE
    keeps: bool = False


_EITHER = ([*TRAIN, "--resume"], [*TRAIN, "--overwrite"])
_OTHER = [*TRAIN, "--set", "seed=4"]
WORKS = {
    "train": Work(TRAIN, _EITHER),
    "more epochs": Work(MORE, (MORE,), (TRAIN,), keeps=True),
    "changes": Work(
        [*TRAIN, "--resume", "--allow-changes", "--set", "training.learning_rate=0.01", "--set",
         "training.epochs=3"],
        ([*TRAIN, "--resume", "--allow-changes", "--set", "training.learning_rate=0.01", "--set",
          "training.epochs=3"],),
        (TRAIN,), keeps=True,
    ),
    "overwrite": Work([*TRAIN, "--overwrite"], ([*TRAIN, "--overwrite"],), (_OTHER,), keeps=True),
    "save": Work(SAVE, (SAVE,), (TRAIN, [*_OTHER[:2], "-o", "saved", *_OTHER[4:]]),
                 place="saved", keeps=True),
    "store": Work([*STORE, "--overwrite"], ([*STORE, "--overwrite"],), (STORE,), place="ids",
                  keeps=True),
    "new store": Work(STORE, ([*STORE],), place="ids"),
    "refit": Work(TRAIN, _EITHER, recipe=REFIT),
    "ensemble": Work(TRAIN, _EITHER, recipe=ENSEMBLE),
    "folds": Work(TRAIN, _EITHER, recipe=FOLDS),
}  # fmt: skip


# --- One process ---


class _Watch:
    """Counts the file operations below a folder, and acts right before one of them."""

    def __init__(self, folder: Path, number: int, act: Callable[[], None]) -> None:
        self._root, self._number, self._act = f"{folder}{os.sep}", number, act
        self.seen: list[str] = []
        sys.addaudithook(self._hook)
        real = os.fsync

        def fsync(number: int) -> None:
            self._count("fsync", Path(f"/proc/self/fd/{number}").readlink())
            real(number)

        os.fsync = fsync

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            is_written = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if isinstance(path, str | bytes | os.PathLike):
                self._count("write" if is_written else "read", path)
        elif event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
            folder = arguments[-1] if event != "os.rename" else -1  # that the name is in
            inside = Path(f"/proc/self/fd/{folder}").readlink() if folder >= 0 else Path()
            self._count(event, inside / os.fsdecode(arguments[0]))

    def _count(self, event: str, path: Any) -> None:
        absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  (a link stays one)
        name = absolute.removeprefix(self._root)
        if absolute == name or name in ("r.yaml", "train.csv", "log"):
            return
        self.seen.append(f"{event} {name}")
        if len(self.seen) - 1 == self._number:
            self._act()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _do(words: list[str]) -> int:
    """A command of the command line, or what stands for one of Python's."""
    if words == SAVE:
        import textnets
        from textnets.errors import TextnetsError

        try:
            textnets.load("run").save("saved", overwrite=True)
        except TextnetsError as error:
            print(error, file=sys.stderr)
            return error.exit_code
        return 0
    from textnets_cli.main import main

    try:
        main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def in_a_process(folder: Path, words: list[str], number: int = -1, how: str = "") -> int:
    """Do it in a fork, which is ended at one of its operations; its exit code.

    What it said is in ``folder/log``, what it did in ``folder.seen``.
    """
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.chdir(folder)
            log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            watch = _Watch(folder, number, {"kill": _die, "error": _fail, "": _fail}[how])
            code = _do(words)
            sys.stdout.flush()
            sys.stderr.flush()
            Path(f"{folder}.seen").write_text("\n".join(watch.seen))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# --- All operations of a work ---


def write_project(folder: Path, recipe: str) -> None:
    folder.mkdir()
    (folder / "r.yaml").write_text(recipe)
    words = ["card", "lost", "money", "rate", "change"]
    rows = [f"{words[i % 5]} {words[i * 7 % 5]} {'yes' if i % 2 else 'no'},{'ab'[i % 2]}"
            for i in range(48)]  # fmt: skip
    (folder / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")


def content(place: Path) -> dict[str, str]:
    """What must be the same, whenever it was made."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if not path.is_file() or path.name in ("environment.json", "report.html", "store.json"):
            continue
        if "checkpoint/" in name:  # holds seconds
            continue
        text = path.read_bytes()
        if path.name == "history.jsonl":
            rows = [json.loads(line) for line in text.splitlines()]
            times = ("seconds", "_per_second")
            kept = [{k: v for k, v in row.items() if not k.endswith(times)} for row in rows]
            text = json.dumps(kept).encode()
        found[name] = hashlib.sha256(text).hexdigest()
    return found


def _check_whole(place: Path) -> None:
    """What is there is whole."""
    from textnets.experiment.stores import open_store
    from textnets.run.directory import open_run
    from textnets.tasks import read_task

    if (place / "store.json").exists():
        open_store(place, read_task(place.parent / "r.yaml").recipe)
    else:
        open_run(place)


def try_all(name: str, how: str, every: int, start: int = 0, folder: Path | None = None) -> int:
    """End a work at its operations, and go on from each; how many were tried.

    Args:
        name: of the work, in :data:`WORKS`.
        how: ``kill`` or ``error``.
        every: so manieth operation.
        start: the first of them.
        folder: to work in; by default one that is removed in the end.
    """
    with contextlib.ExitStack() as stack:
        root = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return _try_all(root, WORKS[name], f"{name}, {how}", how, every, start)


def _try_all(root: Path, work: Work, what: str, how: str, every: int, start: int) -> int:
    before, whole = root / "before", root / "whole"
    write_project(before, work.recipe)
    for words in work.first:
        assert in_a_process(before, words) == 0, (before / "log").read_text()
    shutil.copytree(before, whole)
    assert in_a_process(whole, work.command) == 0, (whole / "log").read_text()
    seen = Path(f"{whole}.seen").read_text().splitlines()
    expected = content(whole / work.place)
    # Killed before a file is read, nothing is as it is not before the next one is written.
    numbers = [n for n, one in enumerate(seen) if how == "error" or not one.startswith("read ")]
    chosen = numbers[start % every :: every]
    for turn, number in enumerate(chosen):
        here, told = root / "here", f"{what} at {number} of {len(seen)}: {seen[number]}"
        shutil.copytree(before, here)
        code = in_a_process(here, work.command, number, how)
        said = (here / "log").read_text()
        assert code in ((-signal.SIGKILL,) if how == "kill" else (0, 1, 2)), (told, code, said)
        assert "Traceback" not in said, (told, said)
        if work.keeps or (here / work.place).exists():
            try:
                _check_whole(here / work.place)
            except Exception as error:
                raise AssertionError((told, "what is there is not whole", said)) from error
        again = work.again[turn % len(work.again)]
        if (here / "ids").exists() and "--overwrite" not in again:
            again = [*again, "--overwrite"]
        code = in_a_process(here, again)
        assert code == 0, (told, again, (here / "log").read_text())
        assert content(here / work.place) == expected, (told, again)
        left = {path.name for path in here.iterdir()} - {path.name for path in whole.iterdir()}
        assert not left, (told, left)
        shutil.rmtree(here)
    return len(chosen)


def import_what_is_needed() -> None:
    """Once, for all forks."""
    import importlib

    for name in ("keras", "tensorflow_text", "textnets_cli.main", "textnets.pipeline",
                 "textnets.estimators", "textnets.tasks", "textnets.recipe.document"):  # fmt: skip
        importlib.import_module(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="*", default=list(WORKS), help=", ".join(WORKS))
    parser.add_argument("--every", type=int, default=1, help="so manieth operation")
    parser.add_argument("--how", choices=("kill", "error"), help="by default both")
    chosen = parser.parse_args()
    import_what_is_needed()
    total = 0
    for name in chosen.works:
        for how in (chosen.how,) if chosen.how else ("kill", "error"):
            tried = try_all(name, how, chosen.every)
            total += tried
            print(f"{name}, {how}: {tried} operations", flush=True)
    print(f"{total} operations in all: from each it went on to the same bytes")


if __name__ == "__main__":
    main()
