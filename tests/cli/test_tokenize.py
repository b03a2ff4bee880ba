"""What becomes of texts, and stored ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Trained, listing, refuse, succeed
from textnets.run.model_file import load_model

Project = Callable[..., Path]


def weights_of(run: Path) -> list[bytes]:
    return [weight.numpy().tobytes() for weight in load_model(run / "model.keras").weights]


def test_a_run_and_its_recipe_give_the_same_ids(trained: Trained) -> None:
    stdin = b"My card, please!\n\nfrobnicate it\n"
    flags = ("--format", "jsonl")
    of_run = succeed("tokenize", trained.run, *flags, stdin=stdin)
    of_recipe = succeed("tokenize", trained.folder / "tiny.yaml", *flags, stdin=stdin)
    assert of_run.out == of_recipe.out
    first, empty, unknown = map(json.loads, of_run.lines)
    assert first["tokens"] == ["my", "card", ",", "please", "!"]
    assert (empty["tokens"], empty["ids"]) == ([""], [1])
    assert unknown["ids"][0] == 1
    assert unknown["unknown"] == [True, False]
    assert of_run.err == "8 tokens, 2 unknown, coverage 75.0%\n"


def test_unknown_tokens_are_marked(trained: Trained) -> None:
    ended = succeed("tokenize", trained.run, "--text", "my frobnicate")
    assert ended.lines[0].endswith("'frobnicate'=[UNK]")
    assert ended.err == "2 tokens, 1 unknown, coverage 50.0%\n"
    assert succeed("tokenize", trained.run).err == "0 tokens, 0 unknown, coverage –\n"


def test_the_frame_is_shown(project: Project) -> None:
    words = ("--set", "text.add_bos=true", "--set", "text.add_eos=true")
    ended = succeed("tokenize", project(), *words, "--text", "card")
    assert ended.lines[0].startswith("'[BOS]'=2 'card'=")
    assert ended.lines[0].endswith(" '[EOS]'=3")
    assert not Path("runs").exists()


@pytest.mark.heavy
def test_training_on_stored_ids_gives_the_same_model(project: Project) -> None:
    recipe = project()
    ended = succeed("tokenize", recipe, "--store", "new/ids")
    assert [line.split(":")[0] for line in ended.lines] == ["train", "validation", "test"]
    assert {path.name for path in Path("new").iterdir()} == {"ids"}
    succeed("train", recipe, "-o", "plain")
    succeed("train", recipe, "-o", "stored", "--store", "new/ids")
    assert weights_of(Path("plain")) == weights_of(Path("stored"))
    for name in ("vocabulary.txt", "labels.txt", "predictions/test.jsonl"):
        assert Path("plain", name).read_bytes() == Path("stored", name).read_bytes()
    scores = [json.loads(Path(run, "evaluation.json").read_text()) for run in ("plain", "stored")]
    assert scores[0]["splits"]["test"]["scores"] == scores[1]["splits"]["test"]["scores"]

    assert "exists already; --overwrite replaces it" in refuse(
        "tokenize", recipe, "--store", "new/ids"
    )
    err = refuse("train", recipe, "-o", "x", "--store", "new/ids", "--set", "text.lowercase=false")
    assert "new/ids: was made for other data or text settings" in err
    succeed("tokenize", recipe, "--store", "new/ids", "--overwrite")


@pytest.mark.parametrize("place", ["ids", "ids.partial"])
def test_a_store_touches_nothing_beside_it(project: Project, place: str) -> None:
    recipe = project()
    Path("ids.partial").mkdir()
    Path("ids.partial/mine").touch()
    before = listing(Path("ids.partial"))
    if place == "ids":
        succeed("tokenize", recipe, "--store", "ids")
    else:
        refuse("tokenize", recipe, "--store", "ids.partial", "--overwrite")
    assert listing(Path("ids.partial")) == before
