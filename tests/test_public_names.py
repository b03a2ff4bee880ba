"""What ``import textnets`` offers: little, documented by examples that run, typed, and cheap."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import textnets
from tests.sharing import share_fits

ROOT = Path(__file__).parent.parent
HEAVY = ("tensorflow", "keras", "sklearn", "numpy", "pydantic", "pandas", "jax", "click")

# Later examples use the run that the one of 'train' wrote.
NAMES = sorted(textnets.__all__, key=lambda name: (name != "train", name))


@pytest.mark.heavy
def test_every_public_name_has_an_example_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    share_fits(monkeypatch)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    finder = doctest.DocTestFinder(recurse=False)
    told: list[str] = []
    for name in NAMES:
        (test,) = finder.find(getattr(textnets, name), name, globs={name: getattr(textnets, name)})
        assert test.examples, f"textnets.{name} has no example"
        runner.run(test, out=told.append)
    assert "".join(told) == ""


def test_the_names_are_all_there_is() -> None:
    assert sorted(textnets.__all__) == textnets.__all__
    assert set(textnets.__all__) <= set(dir(textnets))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        textnets.trian  # noqa: B018


@pytest.mark.heavy
def test_import_loads_nothing_heavy() -> None:
    program = (
        "import sys, textnets;"
        f"print([name for name in {HEAVY!r} if name in sys.modules],"
        " sorted(name for name in sys.modules if name.startswith('textnets')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[] ['textnets']"


USER_CODE = """
from pathlib import Path

import textnets
from textnets.builders import build_cnn_classifier


def fit(texts: list[str], labels: list[str]) -> textnets.TextClassifier:
    classifier = textnets.TextClassifier("cnn_classifier", maps=8, learning_rate=0.01)
    return classifier.fit(texts, labels)


def train(recipe: Path) -> float:
    run = textnets.train(recipe, {"training.epochs": 1})
    for prediction in run.predict(["a text"]):
        print(prediction.as_line(), prediction.text.upper())
    if run.evaluation is None:
        return 0.0
    return run.evaluation.scores["accuracy"].value


model = build_cnn_classifier(vocabulary_size=100, num_classes=2)
tagger: textnets.TextTagger = textnets.TextTagger()
tags: list[list[str]] = tagger.predict([["a", "word"]])
"""

WRONG = """
fit("one text", [1])
tags = tagger.predict("a word", 3)
"""


@pytest.mark.heavy
def test_a_users_code_is_type_checked(tmp_path: Path) -> None:
    codes = {"user.py": USER_CODE, "wrong.py": USER_CODE + WRONG}
    for name, code in codes.items():
        (tmp_path / name).write_text(code)
    arguments = ["--strict", "--no-error-summary", "--ignore-missing-imports"]
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments, *(str(tmp_path / name) for name in codes)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    told = {name: [line for line in found.stdout.splitlines() if name in line] for name in codes}
    assert told["user.py"] == []
    assert len(told["wrong.py"]) >= 2
