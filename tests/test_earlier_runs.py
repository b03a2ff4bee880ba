"""Runs that an earlier version made are opened, asked and continued as that version did it.

``earlier_runs/README.md`` says what lies there. On a machine and with packages like those that
made the runs every byte must be the same; elsewhere computed numbers may differ in their last
digits, and nothing else may.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textnets_cli.main import main

import textnets
from textnets import Predictor
from textnets.evaluation.baselines import BASELINES

pytestmark = pytest.mark.heavy

HERE = Path(__file__).parent / "earlier_runs"
COMMANDS: dict[str, dict[str, list[str]]] = json.loads((HERE / "commands.json").read_text())
TOLERANCE = 1e-4  # relative or absolute, of a computed number on another machine

# What depends on the clock, in JSON: the key stays, and what stands after it goes.
TIMES = re.compile(r'("\w*(?:seconds|_per_second)": )[-+.\de]+')
# What environment.json holds of the machine, the clock, and the place of things.
ELSEWHERE = {
    "textnets", "created", "command", "continued", "device", "python", "platform", "versions",
    "training_seconds", "digest",
}  # fmt: skip
# What 'textnets check' says of the machine.
MACHINE_FACTS = ("device ",)
# What it says since those runs were made.
LATER_FACTS = ("read of ", "counts of ")

PACKAGES = ("keras", "tensorflow", "tensorflow-text", "numpy", "scipy", "scikit-learn", "sacrebleu")
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


# --- Running ---


def command(*words: str) -> tuple[int, str, str]:
    """``textnets WORDS...`` in this process: its exit code, what it printed, what it told."""
    before = sys.argv, sys.stdout, sys.stderr
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2))
    sys.argv, sys.stdout, sys.stderr = ["textnets", *words], out, err
    try:
        with pytest.raises(SystemExit) as exit_:
            main(list(words))
    finally:
        sys.argv, sys.stdout, sys.stderr = before
    assert isinstance(exit_.value.code, int)
    return exit_.value.code, *(_written(stream) for stream in (out, err))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def answer(words: Sequence[str]) -> str:
    """What a command printed, without what it says of the machine."""
    code, out, err = command(*words)
    assert code == 0, err
    return "".join(
        line
        for line in out.splitlines(keepends=True)
        if not line.startswith(MACHINE_FACTS + LATER_FACTS)
    )


def machine() -> dict[str, Any]:
    """What the last bits of a sum depend on."""
    cpu, flags = platform.processor(), ""
    if Path("/proc/cpuinfo").is_file():
        found = dict(re.findall(r"(?m)^([^\t:]+)\t*: (.*)$", Path("/proc/cpuinfo").read_text()))
        cpu, flags = found.get("model name", cpu), found.get("flags", found.get("Features", ""))
    return {
        "cpu": cpu,
        "cpu_flags": hashlib.sha256(" ".join(sorted(flags.split())).encode()).hexdigest(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "threads": {name: os.environ.get(name, "") for name in THREADS},
    }


@cache
def made_with() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "made_with.json").read_text())
    return found


@cache
def is_exact() -> bool:
    """Whether numbers must be the same to the last bit."""
    return bool(made_with()["machine"] == machine())


# --- Comparing ---

_NUMBER = re.compile(r"(-?\d+(?:\.\d+(?:e[-+]\d+)?|e[-+]\d+))")  # whole numbers are no measurements


# Searches add up logarithms in another order than they did then: the last digit shown may differ.
_SEARCHED = re.compile(r'("(?:score|log_probability)": )(-\d+\.\d+)')


def assert_same_text(found: str, expected: str, what: str) -> None:
    """The same text; elsewhere its fractions may differ a little."""
    if is_exact() or found == expected:
        assert _SEARCHED.sub(r"\1-", found) == _SEARCHED.sub(r"\1-", expected), what
        now, before = _SEARCHED.findall(found), _SEARCHED.findall(expected)
        assert [float(number) for _, number in now] == pytest.approx(
            [float(number) for _, number in before], abs=2e-6
        ), what
        return
    now, before = _NUMBER.split(found), _NUMBER.split(expected)
    assert now[::2] == before[::2], what
    for one, other in zip(now[1::2], before[1::2], strict=True):
        # A rounded number may be rounded the other way.
        shown = max(10.0 ** -len(number.partition(".")[2]) for number in (one, other))
        allowed = max(TOLERANCE, shown if "e" not in one + other else 0.0)
        assert float(one) == pytest.approx(float(other), rel=TOLERANCE, abs=allowed), what


def assert_same_arrays(found: Path, expected: Path) -> None:
    """The same arrays by the same names; the plain numbers among them too."""
    now, before = _arrays(found), _arrays(expected)
    assert [*now] == [*before], found
    for name, one in before.items():
        what = f"{found}: {name}"
        assert now[name].dtype == one.dtype, what
        if name == "training_state":
            texts = [TIMES.sub(r"\1-", array.tobytes().decode()) for array in (now[name], one)]
            assert_same_text(*texts, what)
            continue
        assert now[name].shape == one.shape, what
        if is_exact() or one.dtype.kind != "f":
            assert now[name].tobytes() == one.tobytes(), what
        else:
            np.testing.assert_allclose(now[name], one, rtol=TOLERANCE, atol=TOLERANCE, err_msg=what)


def _arrays(path: Path) -> dict[str, Any]:
    """Of a checkpoint or a saved model."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name != "sha256"}
    import h5py

    arrays: dict[str, Any] = {}
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
        weights = h5py.File(io.BytesIO(file.read()), "r")
        weights.visititems(
            lambda name, node: arrays.update({name: node[()]} if hasattr(node, "dtype") else {})
        )
    return arrays


def timeless(path: Path) -> str:
    """A file of JSON or JSON Lines as it was written, without what depends on the clock."""
    return TIMES.sub(r"\1-", path.read_bytes().decode())


def described(path: Path) -> str:
    """``environment.json`` without what is another elsewhere."""
    content = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: value for key, value in content.items() if key not in ELSEWHERE}
    kept["data"] = {name: entry["sha256"] for name, entry in content["data"].items()}
    kept["files"] = [*content["files"]]
    kept["keys"] = [key for key in content if key not in ("continued", "digest")]
    kept["device"] = [*content["device"]]
    kept["backend"] = content["device"]["backend"]
    return json.dumps(kept, indent=1)


def report(path: Path) -> str:
    """``report.html`` without its times, and without what its last section says of the machine."""
    text = re.sub(r"(?s)<dd>.*?</dd>", "<dd></dd>", path.read_text(encoding="utf-8"))
    text = re.sub(r", \d+\.\d s</span>", "</span>", text)
    return re.sub(r"(?s)<table.*?</table>", _without_timed_rows, text)


def _without_timed_rows(table: re.Match[str]) -> str:
    """The table of all epochs loses its rows, which history.jsonl has as well."""
    head, _, rows = table[0].partition("<tbody>")
    return head if "seconds</th>" in head else f"{head}<tbody>{rows}"


def store(path: Path) -> str:
    """``store.json`` without the places of its data, and without the key of its version."""
    content = json.loads(path.read_text(encoding="utf-8"))
    kept = {**content, "recipe": len(content["recipe"])}
    kept["data"] = {name: entry["sha256"] for name, entry in content["data"].items()}
    return json.dumps(kept, indent=1)


Comparison = Callable[[Path, Path], None]


def _texts_by(read: Callable[[Path], str]) -> Comparison:
    return lambda found, expected: assert_same_text(read(found), read(expected), str(found))


def _assert_same_bytes(found: Path, expected: Path) -> None:
    assert found.read_bytes() == expected.read_bytes(), found


COMPARISONS: dict[str, Comparison] = {
    "environment.json": _texts_by(described),
    "report.html": _texts_by(report),
    ".json": _texts_by(timeless),
    ".jsonl": _texts_by(timeless),
    ".npz": assert_same_arrays,
    ".keras": assert_same_arrays,
    "store.json": _texts_by(store),
}


def assert_same_folder(found: Path, expected: Path) -> None:
    """Two run directories, or parts of them, hold the same; recipe and vocabularies to the byte."""
    names = files_below(expected)
    assert files_below(found) == names
    for name in names:
        assert_same_file(found / name, expected / name)


def assert_same_file(found: Path, expected: Path) -> None:
    """The same content, by what kind of file it is; most to the byte."""
    assert found.is_file(), f"{found} is missing"
    of_kind = COMPARISONS.get(expected.name) or COMPARISONS.get(expected.suffix)
    (of_kind or _assert_same_bytes)(found, expected)


def files_below(folder: Path) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return sorted(path.relative_to(folder).as_posix() for path in found)


# --- The promises ---


@pytest.fixture(params=COMMANDS)
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project of the earlier version, copied to where it has never been."""
    name: str = request.param
    visit(name, tmp_path, monkeypatch)
    return name


def visit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(HERE / name, tmp_path / name)
    monkeypatch.chdir(tmp_path / name)
    shutil.unpack_archive("runs.tar.xz", filter="data")
    # A run's recipe lies in the run, and its data no longer where they were.
    monkeypatch.setenv("TEXTNETS_DATA", ".")


def leave_out_later_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let classifiers be compared with what there was then; those must score to the same bytes."""
    for name in set(BASELINES) - {"majority", "tfidf_svm"}:
        monkeypatch.delitem(BASELINES, name)


@pytest.fixture
def opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that open a run alike share it, with what TensorFlow has traced of its model."""
    real = Predictor.load.__func__  # type: ignore[attr-defined]

    @cache
    def opened(kind: type[Predictor], folder: str, overrides: tuple[str, ...], **rest: Any) -> Any:
        return real(kind, folder, overrides=overrides, **rest)

    def load(kind: type[Predictor], folder: Path, *, overrides: Any = (), **rest: Any) -> Any:
        return opened(kind, str(folder), tuple(overrides), **rest)

    monkeypatch.setattr(Predictor, "load", classmethod(load))


@pytest.mark.usefixtures("opened_once")
def test_an_earlier_run_answers_as_before(project: str) -> None:
    for name, words in COMMANDS[project].items():
        expected = Path("expected", name).read_bytes().decode()
        assert_same_text(answer(words), expected, f"{project}: textnets {' '.join(words)}")


def test_a_run_that_was_begun_earlier_ends_as_before(
    project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out_later_baselines(monkeypatch)
    with np.load("begun.partial/checkpoint/state.npz", allow_pickle=False) as archive:
        state = json.loads(archive["training_state"].tobytes())
    assert state["epoch"] > 0
    assert state["batch"] > 0  # it was stopped in the middle of an epoch
    code, _, err = command(
        "train", f"{project}.yaml", "--output", "begun", "--resume", "--allow-changes"
    )
    assert code == 0, err
    place = f"epoch {state['epoch'] + 1}, batch {state['batch'] + 1}"
    assert f"continuing from the checkpoint: {place}\n" in err
    changes = re.findall(r"going on all the same: (.*)", err)
    assert [change for change in changes if not re.search(" was .+, is ", change)] == []
    assert_same_folder(Path("begun"), Path("finished"))
    steps = json.loads(Path("begun/environment.json").read_text(encoding="utf-8"))["continued"]
    assert [step["command"].split()[:2] for step in steps] == [["textnets", "train"]]


@pytest.mark.parametrize("name", ["questions", "chunks", "phrases", "verses"])
def test_an_estimator_made_of_an_earlier_run_answers_as_before(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(name, tmp_path, monkeypatch)
    file = "score.jsonl" if name == "verses" else "predict.jsonl"
    lines = Path("expected", file).read_bytes().decode().split("\n")
    records = [record for record in map(json.loads, lines[:-1]) if record["text"]]
    texts = [record["text"] for record in records]
    estimator: Any = textnets.load("finished")
    match name:
        case "questions":
            assert estimator.predict(texts).tolist() == [record["label"] for record in records]
            assert sorted(records[0]["probabilities"]) == estimator.classes_.tolist()
        case "chunks":
            found = estimator.predict([record["tokens"] for record in records])
            assert found == [record["tags"] for record in records]
        case "phrases":
            assert estimator.predict(texts) == [record["translation"] for record in records]
        case "verses":
            expected = [record["log_probability"] for record in records]
            assert estimator.score_samples(texts) == pytest.approx(expected, abs=TOLERANCE)


def test_a_run_that_was_finished_earlier_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit("pins", tmp_path, monkeypatch)
    leave_out_later_baselines(monkeypatch)
    words = ("train", "pins.yaml", "--output", "finished", "--resume", "--allow-changes")
    code, _, err = command(*words)
    assert code == 0, err
    assert err.startswith("finished: is finished; nothing was done.")
    code, _, err = command(*words, "--set", "training.epochs=4")
    assert code == 0, err
    for name in files_below(Path("expected/longer")):
        assert_same_file(Path("finished", name), Path("expected/longer", name))


def test_ids_that_were_stored_earlier_are_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of texts with a tag that training lacks."""
    visit("chunks", tmp_path, monkeypatch)
    said = answer(["tokenize", "chunks.yaml", "--store", "stored_now"])
    assert_same_text(said, Path("expected/store.txt").read_bytes().decode(), "tokenize --store")
    # What was one file for all splits, and is still read, is one for each that has such tags.
    assert Path("ids/unseen_labels.txt").read_bytes() == b"B-ADVP\n"
    assert json.loads(Path("stored_now/test.unseen_labels.json").read_text()) == ["B-ADVP"]
    # It has hashes now, and one without them is still read.
    described = json.loads(Path("stored_now/store.json").read_text())
    assert len(described.pop("files")) == len(list(Path("stored_now").iterdir())) - 1
    text = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
    Path("stored_now/store.json").write_text(text, encoding="utf-8")
    Path("stored_now/test.unseen_labels.json").rename("stored_now/unseen_labels.txt")
    Path("stored_now/unseen_labels.txt").write_bytes(b"B-ADVP\n")
    assert_same_folder(Path("stored_now"), Path("ids"))
    code, _, err = command("train", "chunks.yaml", "--store", "ids", "--output", "run")
    if version("textnets") != made_with()["textnets"]:
        assert code == 2
        assert "with another seed or by another textnets" in err
        return
    assert code == 0, err
    assert Path("run/unseen_labels.txt").read_bytes() == b"B-ADVP\n"
    # Where the ids come from changes nothing of what is learned, and of what that is worth.
    assert command("train", "chunks.yaml", "--output", "of_texts")[0] == 0
    for name in files_below(Path("finished")):
        if name != "environment.json":  # counts unseen_labels.txt among the run's files
            assert_same_file(Path("run", name), Path("of_texts", name))
