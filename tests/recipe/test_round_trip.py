"""What a run stores of its recipe reads back to the same experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from textnets.recipe.shipped import recipe_path, shipped_recipes
from textnets.run.files import dump_sections, write_recipe
from textnets.tasks import read_task

ODD_TEXT = st.one_of(
    st.sampled_from(
        ["no", "null", "1e-3", ".5e3", "1_000", "007", "2020-01-01", "<<", "=", "~", "- a", "a: b",
         "a # b", "'", '"', "\\", " x ", "x\ny", "\x85", "\u2028", "\ufeff", "!!int 3", "&a", "*a",
         "{", "[", "%", "@", "1:30", "0b1", "|", ">", "\t", "é", "😀", "true", "x" * 200,
         "(card|money) number  (first|second|third)  " * 4 + "|\\\\w+", "  " + "x " * 60]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
)  # fmt: skip
SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)
RATES = st.floats(0, 1, exclude_max=True)
SIZES = st.lists(st.integers(1, 512), min_size=1, max_size=3)


def section(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries(required, optional=optional)


DATA = section(
    {"train": ODD_TEXT},
    {
        "validation": st.one_of(SHARES, ODD_TEXT, st.none()),
        "test": st.one_of(SHARES, ODD_TEXT),
        "text": ODD_TEXT,
        "label": ODD_TEXT,
        "multi_label": st.booleans(),
        "label_separator": ODD_TEXT,
        "limit": st.integers(1, 10**9),
    },
)
TEXT = st.one_of(
    section({}, {"max_tokens": st.one_of(st.none(), st.integers(5, 10**6)),
                 "max_length": st.integers(3, 500), "add_bos": st.just(True),
                 "normalize": st.sampled_from(["none", "nfkc"])}),
    section({"tokenizer": st.just("regex"), "pattern": ODD_TEXT}, {"vectors": ODD_TEXT}),
)  # fmt: skip
MODEL = st.one_of(
    section({"builder": st.just("rnn_classifier")}, {"units": SIZES, "dropout": RATES}),
    section({"builder": st.just("cnn_classifier")},
            {"max_norm": st.one_of(st.none(), st.floats(0.1, 9))}),
    section({"builder": st.just("mlp_classifier")}, {"dense_units": st.just([])}),
)  # fmt: skip
TRAINING = st.one_of(
    section({}, {"clip_norm": st.floats(1e-9, 1e9), "learning_rate": st.floats(1e-30, 1e30),
                 "early_stopping": section({}, {"patience": st.integers(1, 9)}),
                 "class_weights": st.one_of(st.just("balanced"),
                                            st.dictionaries(ODD_TEXT, st.floats(0.1, 9)))}),
    section({"optimizer": st.sampled_from(["momentum", "nesterov"])}, {"momentum": RATES}),
    section({"optimizer": st.just("adamw"), "schedule": st.just("plateau")},
            {"plateau_factor": st.just(0.3), "weight_decay": RATES}),
    section({"schedule": st.just("exponential")}, {"decay_rate": st.just(0.5)}),
)  # fmt: skip


def fit_together(sections: dict[str, Any]) -> dict[str, Any]:
    """Keep to the rules between keys: what claim, class weights and separator go with."""
    data = dict(sections["data"])
    if data.get("text", "text") == data.get("label", "label"):
        data["label"] = data.get("text", "text") + "2"
    if not data.get("multi_label"):
        data.pop("label_separator", None)
    fitted = {**sections, "data": data}
    if "claim" in fitted:
        data.setdefault("test", 0.1)
        metric = "micro_f1" if data.get("multi_label") else "accuracy"
        fitted["claim"] = {**fitted["claim"], "metric": metric}
    if data.get("multi_label") and "training" in fitted:
        kept = {k: v for k, v in fitted["training"].items() if k != "class_weights"}
        fitted["training"] = kept
    return fitted


RECIPES = section(
    {"task": st.just("classification"), "data": DATA, "model": MODEL},
    {
        "text": TEXT,
        "training": TRAINING,
        "seed": st.integers(0, 2**31 - 1),
        "evaluation": section({}, {"resamples": st.integers(0, 100)}),
        "claim": section({"metric": st.just("accuracy"), "at_least": st.floats(-1, 1)}, {}),
    },
).map(fit_together)


def assert_reads_back(path: Path) -> None:
    recipe = read_task(path).recipe
    again = path.with_name("again.yaml")
    write_recipe(again, recipe)
    assert read_task(again).recipe.as_sections() == recipe.as_sections()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sections=RECIPES)
@example(sections={"task": "classification", "data": {"train": "no", "text": "\x85"},
                   "model": {"builder": "rnn_classifier"}})  # fmt: skip
@example(sections={"task": "classification", "data": {"dataset": "imdb", "test": None},
                   "model": {"builder": "rnn_classifier"}})  # fmt: skip
def test_any_valid_recipe_reads_back(tmp_path: Path, sections: dict[str, Any]):
    path = tmp_path / "r.yaml"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        dump_sections(sections, file)
    recipe = read_task(path).recipe
    assert recipe.as_sections()["data"]["text"] == sections["data"].get("text", "text")
    assert (
        recipe.builder_parameters.items()
        >= {key: value for key, value in sections["model"].items() if key != "builder"}.items()
    )
    assert_reads_back(path)


@pytest.mark.parametrize("shipped", shipped_recipes(), ids=lambda shipped: shipped.name)
def test_every_shipped_recipe_reads_back(tmp_path: Path, shipped):
    path = tmp_path / "r.yaml"
    path.write_bytes(shipped.path.read_bytes())
    assert_reads_back(path)


def test_a_stored_recipe_can_be_overridden(tmp_path: Path, read, good):
    write_recipe(tmp_path / "run.yaml", read(good))
    changed = read_task(tmp_path / "run.yaml", ["training.optimizer=momentum"]).recipe
    assert changed.training.momentum == 0.9


def test_a_shipped_recipe_is_found_by_its_name(tmp_path: Path):
    assert recipe_path("imdb_bilstm").read_text().startswith("# Is a film review positive?")
    assert recipe_path("imdb_bilstm.yaml") == Path("imdb_bilstm.yaml")
    Path("imdb_bilstm").mkdir()  # the user's own goes first
    assert recipe_path("imdb_bilstm") == Path("imdb_bilstm")
