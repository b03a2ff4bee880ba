"""check, recipes, schema and data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import listing, refuse, succeed
from tests.conftest import ROOT

Project = Callable[..., Path]


def facts_of(out: str) -> dict[str, str]:
    return {
        name: value
        for name, _, value in (line.strip().partition("  ") for line in out.splitlines())
        if value
    }


def test_check_says_what_training_would_do(project: Project) -> None:
    recipe = project({"  max_tokens: 500": "  max_tokens: 50\n  max_length: 10"})
    with Path("test.csv").open("a") as file, Path("train.csv").open() as train:
        file.write(train.read().split("\n")[1] + "\n")
    before = listing(Path())
    ended = succeed("check", recipe)
    assert listing(Path()) == before
    facts = {name: value.strip() for name, value in facts_of(ended.out).items()}
    assert facts["train examples"] == "192"
    assert facts["validation examples"] == "48"
    assert facts["test texts also in train"].endswith("of 81")
    assert facts["vocabulary_size"] == "50"
    assert facts["parameters"] == f"{50 * 16 + (2 + 3) * 16 * 8 + 2 * 8 + 16 * 4 + 4:,}"
    assert facts["embedding"] == "800"
    assert facts["num_classes"] == "4"
    assert "% unknown" in facts["test tokens"]
    assert "of the texts truncated" in facts["train tokens"]
    assert "0.0% of the texts truncated" not in facts["train tokens"]
    assert facts["fused GPU kernel"] == "does not apply: no recurrent layers"
    assert facts["steps an epoch"] == "12, 24 at most"


def test_shipped_recipes_are_listed_and_copied() -> None:
    names = [line.split()[0] for line in succeed("recipes").lines]
    assert names == sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
    ended = succeed("recipes", "banking77_cnn")
    assert ended.out == "banking77_cnn.yaml: change it, then 'textnets train banking77_cnn.yaml'\n"
    shipped = (ROOT / "recipes" / "banking77_cnn.yaml").read_bytes()
    assert Path("banking77_cnn.yaml").read_bytes() == shipped
    err = refuse("recipes", "banking77_cnn")
    assert "banking77_cnn.yaml: exists already; --overwrite replaces it" in err
    succeed("recipes", "banking77_cnn", "--overwrite")
    assert "did you mean 'banking77_cnn'?" in refuse("recipes", "banking77_cn")


@pytest.mark.heavy
def test_a_copied_recipe_finds_its_data(tmp_path: Path) -> None:
    succeed("recipes", "banking77_cnn", "--output", "elsewhere/mine.yaml")
    small = ("--set", "data.limit=400", "--set", "training.epochs=1")
    small += ("--set", "evaluation.baselines=false", "--set", "data.test=0.2")
    ended = succeed("train", "elsewhere/mine.yaml", *small)
    assert "test: 80 examples" in ended.lines[0]
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()


def test_a_shipped_recipe_is_known_by_its_name() -> None:
    facts = facts_of(succeed("check", "banking77_cnn", "--set", "data.limit=200",
                             "--set", "data.test=0.2").out)  # fmt: skip
    assert facts["train file"].strip().endswith("banking77/train.csv.gz")


def test_schema_is_json_schema() -> None:
    schema = json.loads(succeed("schema").out)
    assert "json-schema.org" in schema["$schema"]
    text = json.dumps(schema)
    assert all(word in text for word in ("cnn_classifier", "max_tokens", "bucket_width"))


def test_data_lists_the_catalog_and_finds_a_set() -> None:
    ended = succeed("data")
    found = {line.split()[0]: line for line in ended.lines}
    assert "license: CC BY 4.0" in found["banking77"]
    assert "license: CC BY-SA 4.0" in found["ud_english_ewt"]
    assert Path(succeed("data", "banking77").out.strip()).is_dir()
    assert "did you mean 'banking77'?" in refuse("data", "banking7")


@pytest.mark.parametrize("verb", ["data", "recipes"])
def test_lists_write_nothing(verb: str) -> None:
    succeed(verb)
    assert not listing(Path())
