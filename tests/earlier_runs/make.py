"""Make the runs and answers that ``tests/test_earlier_runs.py`` compares with.

    .venv/bin/python -m tests.earlier_runs.make [PROJECT ...]

That test is worth something because the runs were made by code that was there before: it is run
again only with that code, which it checks, and on a checkout without changes of it. Who adds a
project makes that one alone, and with the code of the commit that ``made_with.json`` names.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, read_questions, write_csv
from tests.test_earlier_runs import (
    COMMANDS,
    HERE,
    answer,
    assert_same_folder,
    command,
    machine,
)

COMMIT = "e290811efb467e3fb702158f998374a07d9c1576"

# After so many steps a training is stopped: in the middle of an epoch that is not the first.
STOPS = {
    "questions": 20, "topics": 8, "pins": 6, "chunks": 11, "phrases": 22, "play": 34, "verses": 9,
}  # fmt: skip


# --- Data: cut from the sets that ship ---


def write_questions() -> None:
    for split, most in (("train", 14), ("test", 6)):
        rows = [(text.replace("\n", " "), label) for text, label in read_questions(split, most)]
        write_csv(Path(f"{split}.csv"), rows)


def write_topics() -> None:
    """Topics by the words of a question: none, one or more."""
    for split, most in (("train", 14), ("test", 6)):
        rows = []
        for text, _ in read_questions(split, most):
            topics = [word for word in ("card", "pin", "exchange", "lost") if word in text.lower()]
            rows.append(json.dumps({"text": text, "topics": topics}) + "\n")
        Path(f"{split}.jsonl").write_text("".join(rows), encoding="utf-8")


def write_pins() -> None:
    rows = [row for row in read_questions("train", 30) if row[1] in ("change_pin", "card_arrival")]
    lines = [f"{' '.join(text.split())}\t{label}\n" for text, label in rows]
    Path("train.tsv").write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")


def write_chunks() -> None:
    """A noun and what modifies it; a verb's group. The test split has a kind of its own."""
    kinds = {"NOUN": "NP", "PROPN": "NP", "ADJ": "NP", "DET": "NP", "VERB": "VP", "AUX": "VP"}
    for name, split, most in (("train", "dev", 60), ("test", "test", 14)):
        sentences = [s for s in _treebank(split) if 2 < len(s) < 13][:most]
        lines, other = [], name == "test"
        for sentence in sentences:
            before = "O"
            for word, part in sentence:
                kind = kinds.get(part, "O")
                tag = kind if kind == "O" else f"{'I' if kind == before else 'B'}-{kind}"
                if part == "ADV" and other:
                    tag, other = "B-ADVP", False
                lines.append(f"{word} {part} {tag}")
                before = kind
            lines.append("")
        Path(f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _treebank(split: str) -> list[list[tuple[str, str]]]:
    path = ROOT / "recipes" / "data" / "ud_english_ewt" / f"en_ewt-ud-{split}.conllu.gz"
    blocks = gzip.decompress(path.read_bytes()).decode().split("\n\n")
    rows = [[line.split("\t") for line in block.split("\n")] for block in blocks]
    return [
        [(row[1], row[3]) for row in some if len(row) > 1 and row[0].isdigit()] for some in rows
    ]


def write_phrases() -> None:
    path = ROOT / "recipes" / "data" / "tatoeba_eng_fra" / "eng_fra.tsv.gz"
    rows = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    rows = [row for row in rows if len(row[0]) < 18 and len(row[1]) < 22][:92]
    for split, some in (("train", rows[:80]), ("test", rows[80:])):
        for index, side in enumerate(("en", "fr")):
            text = "".join(row[index] + "\n" for row in some)
            Path(f"{split}.{side}").write_text(text, encoding="utf-8")


def _play() -> list[str]:
    path = ROOT / "recipes" / "data" / "tiny_shakespeare" / "input.txt.gz"
    return gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)


def write_play() -> None:
    Path("play.txt").write_text("".join(_play()[:110]), encoding="utf-8")


def write_verses() -> None:
    lines = [line for line in _play() if len(line.split()) > 3]
    Path("train.txt").write_text("".join(lines[:70]), encoding="utf-8")
    Path("test.txt").write_text("".join(lines[70:84]), encoding="utf-8")


# --- Runs ---


@contextmanager
def stopped_after(steps: int) -> Iterator[None]:
    """Let a training be told to stop (SIGTERM) after so many of its steps."""
    from textnets.training import fitting

    whole: Any = fitting._Fitting._train_batch

    def train_batch(self: Any, *words: Any) -> None:
        whole(self, *words)
        if self.state.step == steps:
            signal.raise_signal(signal.SIGTERM)

    fitting._Fitting._train_batch = train_batch  # type: ignore[method-assign]
    try:
        yield
    finally:
        fitting._Fitting._train_batch = whole  # type: ignore[method-assign]


def make(name: str) -> None:
    """One project, in a folder that is gone afterwards: no run can find its data there again."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / name
        shutil.copytree(HERE / name, folder, ignore=shutil.ignore_patterns("runs.*", "expected"))
        with chdir(folder):
            globals()[f"write_{name}"]()
            make_runs(name)
            write_answers(name)
            pack("finished", "begun.partial", "ids")
        shutil.rmtree(HERE / name)
        shutil.copytree(folder, HERE / name)


def make_runs(name: str) -> None:
    recipe = f"{name}.yaml"
    code, _, err = command("train", recipe, "--output", "finished")
    print(err)
    assert code == 0, err
    with stopped_after(STOPS[name]):
        code, _, err = command("train", recipe, "--output", "begun")
    assert code == 128 + signal.SIGTERM, err
    # What continuing it must end with is the run that was never stopped.
    shutil.copytree("begun.partial", "again.partial")
    code, _, err = command("train", recipe, "--output", "again", "--resume")
    assert code == 0, err
    assert_same_folder(Path("again"), Path("finished"))
    shutil.rmtree("again")
    others = {"pins": make_longer, "chunks": make_stored}
    others.get(name, lambda: None)()


def make_longer() -> None:
    """What a finished run ends with when it trains on."""
    shutil.copytree("finished", "longer")
    words = ("--resume", "--set", "training.epochs=4")
    code, _, err = command("train", "pins.yaml", "--output", "longer", *words)
    assert code == 0, err
    for name in ("history.jsonl", "evaluation.json", "predictions"):
        target = Path("expected", "longer", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path("longer", name), target)
    shutil.rmtree("longer")


def make_stored() -> None:
    """Stored ids; training on them ends with what training on the texts ended with."""
    Path("expected").mkdir()
    said = answer(["tokenize", "chunks.yaml", "--store", "ids"])
    Path("expected/store.txt").write_bytes(said.encode())


def write_answers(name: str) -> None:
    Path("expected").mkdir(exist_ok=True)
    for file, words in COMMANDS[name].items():
        Path("expected", file).write_bytes(answer(words).encode())


def pack(*names: str) -> None:
    """Packed, since the files that Keras writes are mostly empty."""
    with tarfile.open("runs.tar.xz", "w:xz") as archive:
        for name in filter(os.path.exists, names):
            archive.add(name, filter=_of_nobody)
            shutil.rmtree(name)


def _of_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def git(*words: str) -> str:
    return subprocess.check_output(["git", *words], cwd=ROOT, text=True).strip()


def check_code() -> None:
    """Refuse to write what would prove nothing."""
    if git("diff", "--stat", COMMIT, "--", "textnets", "cli", "recipes", "constraints.txt"):
        sys.exit(f"the code is not that of {COMMIT}: what it makes would prove nothing")


if __name__ == "__main__":
    check_code()
    made = {"commit": COMMIT, "textnets": version("textnets"), "machine": machine()}
    (HERE / "made_with.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    for project in sys.argv[1:] or COMMANDS:
        make(project)
