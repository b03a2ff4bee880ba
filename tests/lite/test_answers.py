"""Runs of an earlier version, of all tasks: exported, they answer as they did then."""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import textnets.lite
from tests.test_earlier_runs import COMMANDS, HERE
from textnets.errors import InputError
from textnets.export import export_run
from textnets.lite.translation import LiteTranslator

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The name of a project to what its run was exported to."""
    root = tmp_path_factory.mktemp("earlier")

    @cache
    def export(name: str) -> Any:
        with tarfile.open(HERE / name / "runs.tar.xz") as archive:
            members = [one for one in archive if one.name.startswith("finished")]
            archive.extractall(root / name, members, filter="data")
        found = export_run(root / name / "finished", "numpy", root / f"{name}-exported")
        assert found.proof.difference <= 1e-5
        return textnets.lite.load(found.folder)

    return export


def expected(project: str, name: str) -> list[dict[str, Any]]:
    lines = (HERE / project / "expected" / name).read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def texts_of(project: str) -> list[str]:
    return (HERE / project / "texts.txt").read_text(encoding="utf-8").split("\n")[:-1]


def assert_same(found: Any, known: Any) -> None:
    """The same plain data, but for the error of floats and of rounding them."""
    if isinstance(known, dict):
        assert list(found) == list(known)
        for key in known:
            assert_same(found[key], known[key])
    elif isinstance(known, list):
        assert isinstance(found, list | tuple)
        assert len(found) == len(known)
        for one, other in zip(found, known, strict=True):
            assert_same(one, other)
    elif isinstance(known, float):
        assert math.isclose(found, known, rel_tol=1e-5, abs_tol=1.1e-5)
    else:
        assert found == known
        assert type(found) is type(known)


ASKED = [
    (project, name)
    for project, commands in COMMANDS.items()
    for name, words in commands.items()
    if words[0] in ("predict", "score", "generate") and name.endswith(".jsonl")
]


@pytest.mark.parametrize(("project", "name"), ASKED, ids=map("/".join, ASKED))
def test_what_an_earlier_version_said(lite: Callable[[str], Any], project: str, name: str) -> None:
    model, texts = lite(project), texts_of(project)
    words = COMMANDS[project][name]
    if words[0] == "score":
        found = list(model.score(texts))
    elif words[0] == "generate":
        found = model.write(length=20, count=2, seed=3, num_alternatives=3)
    elif "--n-best" in words:
        found = model.predict(texts, n_best=2, beam_size=2, attention=True)
    else:
        found = model.predict(texts)
    assert_same(found, expected(project, name))


def test_sampled_texts(lite: Callable[[str], Any]) -> None:
    known = (HERE / "verses" / "expected" / "generate.txt").read_text(encoding="utf-8")
    (found,) = lite("verses").write("the", seed=3, length=30, top_k=9, temperature=0.8)
    assert found["continued"] + "\n" == known


@pytest.mark.parametrize("project", ["play", "verses"])
def test_streamed_token_by_token(lite: Callable[[str], Any], project: str) -> None:
    model = lite(project)
    settings = {"length": 12, "seed": 5, "top_p": 0.9, "num_alternatives": 2}
    (whole,) = model.write("the ", **settings)
    steps = list(model.stream("the ", **settings))
    assert [step["token"] for step in steps] == whole["tokens"]
    assert_same([step["probability"] for step in steps], whole["probabilities"])
    assert_same([step["alternatives"] for step in steps], whole["alternatives"])
    assert steps[-1]["continued"] == whole["continued"]
    assert "alternatives" not in next(model.stream("a", length=1))


def test_any_number_of_texts_and_any_batch(lite: Callable[[str], Any]) -> None:
    for project in ("questions", "chunks", "phrases"):
        model, texts = lite(project), texts_of(project) * 3
        whole = model.predict(texts)
        assert_same([model.predict([text])[0] for text in texts[:4]], whole[:4])
        assert_same(list(model.predict_stream(iter(texts))), whole)
        assert model.predict([]) == []
        assert model.task in ("classification", "tagging", "translation")
        assert model.info["models"] == 1


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ("one text", "texts: expected a list of texts, was: one string"),
        (["a", None], r"texts\[1\]: expected a string, was: NoneType None; drop or fill it"),
        (["a", float("nan")], r"texts\[1\]: expected a string, was: float nan; drop or fill it"),
        ([b"a"], r"texts\[0\]: expected a string, was: bytes"),
        (3, "texts: expected a list of texts, was: int 3"),
        ({"a": 1}, "texts: expected a list of texts, was: dict"),
        ([["a"]], r"texts\[0\]: expected a string, was: list"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(
    lite: Callable[[str], Any], texts: Any, told: str
) -> None:
    for project in ("questions", "verses"):
        with pytest.raises(InputError, match=told):
            lite(project).predict(texts)
    if not isinstance(texts, list):
        return
    with pytest.raises(InputError, match=told):
        list(lite("verses").score(texts))
    with pytest.raises(InputError, match=told):
        list(lite("questions").predict_stream(texts))


def test_settings_out_of_range_are_refused(lite: Callable[[str], Any]) -> None:
    writer, translator = lite("verses"), lite("phrases")
    assert isinstance(translator, LiteTranslator)
    wrong: Iterator[tuple[Callable[[], Any], str]] = iter(
        [
            (lambda: writer.write(length=0), "length: expected a whole number, 1 or more"),
            (lambda: writer.write(temperature=-1.0), "temperature: expected 0 or more"),
            (lambda: writer.write(top_p=0.0), "top_p: expected more than 0"),
            (lambda: writer.write(None), "prompt: expected a text"),  # type: ignore[arg-type]
            (lambda: writer.stream(seed=-1), "seed: expected a whole number, 0 or more"),
            (lambda: translator.predict(["a"], beam_size=0), "beam_size: expected a whole number"),
            (lambda: translator.predict(["a"], n_best=9), "n_best: a beam of . finds no more"),
        ]
    )
    for ask, told in wrong:
        with pytest.raises(InputError, match=told):
            ask()


def test_the_file_may_be_replaced_while_a_model_is_used(
    lite: Callable[[str], Any], tmp_path: Path
) -> None:
    known = lite("pins")
    place = tmp_path / "model.textnets"
    place.write_bytes(Path(known.info["path"]).read_bytes())
    model = textnets.lite.load(place)
    (tmp_path / "new").write_bytes(Path(lite("topics").info["path"]).read_bytes())
    (tmp_path / "new").replace(place)
    texts = texts_of("pins")
    assert model.predict(texts) == known.predict(texts)
    place.unlink()
    assert model.predict(texts) == known.predict(texts)


def test_threads_may_ask_one_model(lite: Callable[[str], Any]) -> None:
    model, texts = lite("phrases"), texts_of("phrases")
    known = [model.predict(texts, beam_size=size) for size in (1, 2, 3)]
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda n: model.predict(texts, beam_size=1 + n % 3), range(12))
        for number, answer in enumerate(found):
            assert_same(answer, known[number % 3])
