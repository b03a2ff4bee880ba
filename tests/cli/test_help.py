"""Help, misspelt names, and what they do not load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import listing, refuse, succeed

VERBS = (
    "train", "reproduce", "evaluate", "predict", "serve", "score", "generate", "export",
    "embeddings", "tokenize", "check", "recipes", "data", "schema",
)  # fmt: skip
HEAVY = ("tensorflow", "keras", "sklearn", "numpy", "jax", "requests", "pooch")

LOADED = """
import json, sys
from textnets_cli import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as exit_:
        print(exit_.code, *sorted(sys.modules), file=sys.stderr)
"""


def loaded_by(*commands: Sequence[str]) -> list[tuple[int, set[str]]]:
    """The exit code of each command, and what is loaded after it: by it or by those before."""
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in ended.stderr.splitlines() if " textnets_cli " in line]
    assert len(lines) == len(commands)
    return [(int(code), set(modules)) for code, *modules in lines]


def test_without_words_the_help_is_shown() -> None:
    assert succeed().out == succeed("--help").out


def test_help_names_every_verb_in_the_order_of_use() -> None:
    out = succeed("--help").out
    listed = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line]
    assert tuple(listed[: len(VERBS)]) == VERBS
    assert "..." not in out.partition("Commands:")[2], "a summary is cut off"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_explains_itself(verb: str) -> None:
    out = succeed(verb, "--help").out
    assert out.startswith(f"Usage: textnets {verb} ")
    assert out == succeed(verb, "-h").out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.heavy
def test_help_loads_nothing_heavy() -> None:
    commands = [["--help"], *([verb, "--help"] for verb in VERBS)]
    for command, (code, modules) in zip(commands, loaded_by(*commands), strict=True):
        assert code == 0, command
        assert not modules & {*HEAVY, "rich", "pydantic", "ruamel.yaml"}, command


@pytest.mark.heavy
def test_lists_and_refusals_load_no_framework(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("task: classification\nepochs: 3\n")
    commands = [["recipes"], ["schema"], ["train", str(tmp_path / "bad.yaml")]]
    ends = loaded_by(*commands)
    assert [code for code, _ in ends] == [0, 0, 2]
    for command, (_, modules) in zip(commands, ends, strict=True):
        assert not modules & {"tensorflow", "keras", "sklearn", "jax", "requests"}, command


def test_version() -> None:
    assert succeed("--version").out == "textnets 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("trian", "x.yaml"), "Did you mean 'train'?"),
        (("train", "x.yaml", "--ouput", "y"), "Did you mean '--output'?"),
        (("predict",), "Missing argument 'RUN'"),
        (("evaluate", "run", "--format", "yaml"), "is not one of 'text', 'json'"),
        (("train", "a.yaml", "b.yaml"), "unexpected extra argument (b.yaml)"),
        (("recipes", "--output", "x.yaml"), "name the recipe to copy"),
        (("tokenize", "x.yaml", "--overwrite"), "--overwrite goes with --store"),
        (("tokenize", ".", "--store", "s"), "--store goes with a RECIPE"),
        (("tokenize", ".", "--set", "seed=1"), "--set goes with a RECIPE"),
        (("tokenize", "x.yaml", "--store", "s", "--text", "a"), "give no other texts"),
        (("predict", "run", "lines.txt", "--text", "a"), "two sources of texts"),
        (("predict", "run", "--text", "\udcff"), "is not UTF-8"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], hint: str) -> None:
    err = refuse(*words)
    assert hint in err
    assert "--help'" in err
    assert not listing(Path())
