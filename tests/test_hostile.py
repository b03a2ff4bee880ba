"""Files that were made to do harm: refused in one line, no code of theirs run, no memory eaten."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import succeed, textnets
from tests.conftest import write_recipe
from tests.sharing import made_once
from textnets.errors import InputError
from textnets.pipeline import train
from textnets.run.integrity import prepared_files, write_environment

MakeRecipe = Callable[..., Path]
QUICK = ["evaluation.baselines=false", "training.epochs=1", "evaluation.resamples=0"]


@pytest.fixture(scope="session")
def kept() -> Path:
    """One tiny run, shared; do not write into it."""
    folder = made_once(
        "hostile", lambda folder: train(write_recipe(folder), QUICK, output=folder / "run")
    )
    return folder / "run"


@pytest.fixture
def run(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept, tmp_path / "run")
    return tmp_path / "run"


def sign(run: Path) -> None:
    """Make the hashes right, as an attacker would."""
    environment = json.loads((run / "environment.json").read_text())
    del environment["digest"]
    files = {
        name: digest
        for name, digest in _hashes(run).items()
        if not name.startswith(("checkpoint", "environment", "."))
    }
    environment |= {"files": files, "prepared": prepared_files(run)}
    write_environment(run, environment)


def _hashes(run: Path) -> dict[str, str]:
    import hashlib

    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in run.rglob("*")
        if path.is_file()
    }


def refused(run: Path) -> str:
    found = textnets("predict", run, "--text", "my card is lost")
    assert found.code == 2, found
    assert found.err.count("error: ") == 1
    assert "Traceback" not in found.err
    assert not Path("harm").exists()
    return found.err


# --- Models ---


def change_config(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = run / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    sign(run)


def lambda_layer() -> dict[str, Any]:
    """A layer whose function writes a file, with its byte code, as Keras saves it."""
    import keras

    layer = keras.layers.Lambda(lambda x: (open("harm", "w"), x)[1])  # noqa: SIM115, PTH123
    return keras.saving.serialize_keras_object(layer)


def test_a_layer_that_is_code(run: Path) -> None:
    change_config(run, lambda config: config["config"]["layers"].insert(1, lambda_layer()))
    assert "model.keras: the model cannot be loaded: the layer Lambda may run code" in refused(run)


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("subprocess", "Popen"), ("builtins", "exec"), ("keras.utils", "get_file")],
)
def test_a_class_of_another_module(run: Path, module: str, name: str) -> None:
    stranger = {"module": module, "class_name": name, "config": {"args": ["touch harm"]},
                "registered_name": name}  # fmt: skip

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][2]["config"]["embeddings_initializer"] = stranger

    change_config(run, change)
    assert "model.keras: the model cannot be loaded" in refused(run)


def dense(config: dict[str, Any]) -> dict[str, Any]:
    layers = config["config"]["layers"]
    return next(layer["config"] for layer in layers if layer["class_name"] == "Dense")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.datasets.california_housing", "load_data"), ("keras.config", "set_floatx"),
        ("keras.utils", "get_file"), ("keras.saving", "load_model"), ("builtins", "exec"),
        ("keras.src.utils.file_utils", "get_file"), ("keras.ops", "map"),
    ],
)  # fmt: skip
def test_a_function_that_is_no_activation(run: Path, module: str, name: str) -> None:
    function = {"module": module, "class_name": "function", "config": name,
                "registered_name": name}  # fmt: skip
    change_config(run, lambda config: dense(config).update(activation=function))
    assert f"{module}.{name} is none of the parts that a model" in refused(run)


@pytest.mark.parametrize("name", ["StringLookup", "TextVectorization", "Hashing", "RandomCrop"])
def test_a_layer_that_is_on_no_list(run: Path, name: str) -> None:
    def change(config: dict[str, Any]) -> None:
        layers = config["config"]["layers"]
        next(layer for layer in layers if layer["class_name"] == "Dense")["class_name"] = name

    change_config(run, change)
    assert f"keras.layers.{name} is none of the parts that a model" in refused(run)


def change_units(units: int) -> Callable[[dict[str, Any]], None]:
    return lambda config: dense(config).update(units=units)


def change_embedding(config: dict[str, Any]) -> None:
    layers = config["config"]["layers"]
    embedding = next(layer for layer in layers if "Embedding" in layer["class_name"])
    embedding["config"].update(input_dim=10**6, output_dim=10**4)


@pytest.mark.parametrize(
    "change", [change_units(3_000_000), change_units(2**20), change_embedding],
    ids=["large", "wide", "table"],
)  # fmt: skip
def test_a_config_that_asks_for_memory(run: Path, change: Callable[..., None]) -> None:
    change_config(run, change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "model.keras: the model cannot be loaded" in refused(run)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19  # KiB


@pytest.mark.parametrize("kind", ["HDF5", "zip"])
def test_weights_that_unpack_to_gigabytes(run: Path, kind: str) -> None:
    path = run / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if kind == "HDF5":
        weights = io.BytesIO()
        with h5py.File(weights, "w") as file:
            file.create_dataset("x", (10**10,), "f4", chunks=(10**6,), compression="gzip")
        members["model.weights.h5"] = weights.getvalue()
    else:
        members["model.weights.h5"] += bytes(2**29)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    sign(run)
    assert path.stat().st_size < 2**22
    assert "model.keras: the model cannot be loaded: it" in refused(run)


def test_the_same_run_has_the_same_model_to_the_byte(kept: Path, tmp_path: Path) -> None:
    again = train(kept.parent / "tiny.yaml", QUICK, output=tmp_path / "again").folder
    assert (again / "model.keras").read_bytes() == (kept / "model.keras").read_bytes()


# --- Files that contradict each other ---


@pytest.mark.parametrize("name", ["vocabulary.txt", "labels.txt"])
@pytest.mark.parametrize("change", ["one more", "one less"])
def test_vocabularies_and_labels_that_are_another_models(run: Path, name: str, change: str) -> None:
    path = run / name
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1] if change == "one less" else [*lines, "zebra\n"]))
    sign(run)
    assert "and the model do not fit" in refused(run)


def change_record(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    environment = json.loads((run / "environment.json").read_text())
    del environment["digest"]
    change(environment)
    write_environment(run, environment)


RECORDS: dict[str, dict[str, Any]] = {
    "files": {"files": 5}, "a hash": {"files": {"recipe.yaml": 5}}, "data": {"data": {"train": 1}},
    "prepared": {"prepared": []}, "device": {"device": "cpu"}, "no device": {"device": None},
    "seed": {"seed": "three"}, "versions": {"versions": [1]}, "continued": {"continued": {"a": 1}},
    "format": {"format": "1"}, "vectors": {"vectors": 1}, "best epoch": {"best_epoch": {}},
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_other_types(run: Path, name: str) -> None:
    change_record(run, lambda environment: environment.update(RECORDS[name]))
    more = ("-o", "run", "--resume", "--set", "training.epochs=3", *_words(QUICK[::2]))
    found = textnets("train", write_recipe(run.parent), *more)
    assert found.code == 2, found
    assert found.err.count("error: ") == 1
    assert "Traceback" not in found.err
    assert "environment.json" in found.err or "newer" in found.err or "no run" in found.err
    assert not Path("run.partial").exists()


EVALUATIONS: list[Any] = [
    {"splits": 5}, {"splits": {"test": {}}}, {"splits": {"test": 1}}, [],
    {"splits": {"test": {"scores": {"a": {}}, "examples": 1}}},
    {"splits": {"test": {"scores": {"a": {"value": "x"}}, "examples": 1}}},
    {"splits": {"test": {"scores": {}, "examples": 1, "baselines": {"a": 1}}}},
    {"splits": {"test": {"scores": {}, "examples": 1, "comparison": {"value": []}}}},
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(EVALUATIONS)))
def test_an_evaluation_of_other_types(run: Path, number: int) -> None:
    (run / "evaluation.json").write_text(json.dumps(EVALUATIONS[number]))
    sign(run)
    write_recipe(run.parent)
    found = textnets("train", "tiny.yaml", "-o", "run", "--resume", *_words(QUICK))
    assert found.code == 2, found
    assert "evaluation.json: is not what was written" in found.err


def test_json_that_is_nested_deeply(run: Path) -> None:
    from textnets.run.directory import open_run

    (run / "history.jsonl").write_text("[" * 100_000)
    sign(run)
    with pytest.raises(InputError, match=r"history\.jsonl: is damaged.*nested too deeply"):
        open_run(run).history()
    (run / "environment.json").write_text("[" * 100_000)
    assert "environment.json: is damaged" in refused(run)


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", ["vocabulary.txt", "predictions/mine"])
def test_links_and_pipes_in_a_run(run: Path, kind: str, name: str, tmp_path: Path) -> None:
    path = run / name
    if path.exists():
        path.rename(tmp_path / "kept")
    if kind == "link":
        path.symlink_to(tmp_path / "kept")
    else:
        os.mkfifo(path)
    err = refused(run)
    assert "is a link or no plain file" in err or "vocabulary.txt" in err


def test_labels_that_a_terminal_would_obey() -> None:
    from textnets.predictions import ClassPrediction, TaggedText

    text = "x \x1b]0;title\x07\u2028y"
    line = ClassPrediction(text, ("bad\n\x1b[31mlabel",), 0.5, {"a": 0.5}).as_line()
    assert line == "bad\\n\\x1b[31mlabel\t0.500\tx \\x1b]0;title\\x07 y"
    tagged = TaggedText("a\rb", ("a\rb",), ("T\n",), (0.5,)).as_line()
    assert tagged.isprintable()


def test_a_path_that_leads_out_of_the_archive(run: Path) -> None:
    with zipfile.ZipFile(run / "model.keras", "a") as archive:
        archive.writestr("../../harm", "harm")
    sign(run)
    assert "'../../harm' does not belong in it" in refused(run)


def test_weights_that_are_a_link_to_another_file(run: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.ones(3)
    path = run / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = io.BytesIO(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        names: list[str] = []
        file.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
        del file[names[0]]
        file[names[0]] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/secret")
    members["model.weights.h5"] = weights.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    sign(run)
    assert "model.keras: the model cannot be loaded" in refused(run)


def test_a_run_that_names_files_outside_of_itself(run: Path) -> None:
    environment = json.loads((run / "environment.json").read_text())
    del environment["digest"]
    environment["files"]["../secret"] = "0" * 64
    write_environment(run, environment)
    assert "names a file outside of the run: ../secret" in refused(run)


# --- Recipes and vocabularies ---


@pytest.mark.parametrize(
    "line", ["seed: !!python/object/apply:os.system ['touch harm']", "seed: !env HOME"]
)
def test_a_recipe_with_tags(run: Path, line: str) -> None:
    path = run / "recipe.yaml"
    path.write_text(path.read_text().replace("seed: 3", line))
    sign(run)
    assert "recipe.yaml" in refused(run)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    turns=st.just(itertools.count()),
)
def test_a_vocabulary_of_anything(run: Path, content: bytes, turns: Iterator[int]) -> None:
    for name in ("vocabulary.txt", "labels.txt"):
        before = (run / name).read_bytes()
        (run / name).write_bytes(content)
        sign(run)
        # Both open the run; with the model that takes twenty times as long, so fewer do it.
        for verb in ("tokenize", "predict") if next(turns) % 3 == 0 else ("tokenize",):
            found = textnets(verb, run, "--text", "my card is lost")
            assert found.code in (0, 2), found
            assert "Traceback" not in found.err
        (run / name).write_bytes(before)


@pytest.mark.heavy
def test_a_checkpoint_with_a_pickle(make_recipe: MakeRecipe) -> None:
    """NumPy's object arrays are pickles, which run code when they are read."""

    class Harm:
        def __reduce__(self) -> Any:
            return (open, ("harm", "w"))

    recipe = make_recipe()
    train(recipe, QUICK, output="run")
    path = Path("run/checkpoint/state.npz")
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, allow_pickle=True, **content, harm=np.array([Harm()], dtype=object))
    more = ("--resume", "--set", "training.epochs=2")
    settings = [word for setting in (QUICK[0], QUICK[2]) for word in ("--set", setting)]
    found = textnets("train", recipe, "-o", "run", *more, *settings)
    assert found.code == 2
    assert "state.npz: the checkpoint is damaged" in found.err
    assert not Path("harm").exists()


ODD: list[Any] = [0, -1, 1, 2, 3.5, 0.5, "x", "", None, True, [], [1, 2], {"a": 1}]


def any_change(kept: Path) -> st.SearchStrategy[str]:
    """Any value anywhere in the recipe, for ``--set``."""
    from textnets.tasks import read_task

    sections = read_task(kept / "recipe.yaml").recipe.as_sections()
    keys = [f"{name}.{key}" for name, found in sections.items() if isinstance(found, dict)
            for key in found]  # fmt: skip
    values = st.sampled_from(ODD).map(json.dumps)
    return st.tuples(st.sampled_from(sorted(keys)), values).map("=".join)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_value_anywhere_in_a_recipe_is_read_or_is_a_clean_error(
    kept: Path, data: st.DataObject
) -> None:
    from textnets.tasks import read_task

    change = data.draw(any_change(kept))
    with contextlib.suppress(InputError):
        read_task(kept.parent / "tiny.yaml", [*QUICK, change])


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_value_anywhere_in_a_recipe_trains_or_is_one_clean_error(
    kept: Path, data: st.DataObject
) -> None:
    change = data.draw(any_change(kept))
    found = textnets("train", kept.parent / "tiny.yaml", "-o", "odd", *_words([*QUICK, change]),
                     "--overwrite")  # fmt: skip
    assert found.code in (0, 1, 2), (change, found)
    assert "Traceback" not in found.err
    if found.code == 0:
        assert "run: odd" in found.out
    else:
        assert found.err.count("error: ") == 1, (change, found)
        assert not Path("odd.partial").exists()
    shutil.rmtree("odd", ignore_errors=True)


# --- Data ---

CHECK_IN_LITTLE_MEMORY = """
import resource, sys
import textnets.pipeline, textnets.errors
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    textnets.pipeline.check(sys.argv[1])
except textnets.errors.InputError as error:
    print(error, file=sys.stderr)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""


@pytest.mark.heavy
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\0" * 2**20, id="one line"),
        pytest.param(b"a,b\n" * 2**18, id="many", marks=pytest.mark.long),
    ],
)
def test_a_gzip_bomb_takes_little_memory(make_recipe: MakeRecipe, line: bytes) -> None:
    recipe = make_recipe(replace={"train: train.csv": "train: bomb.csv"})
    member = gzip.compress(line * 64)
    with Path("bomb.csv").open("wb") as file:
        file.write(gzip.compress(b"text,label\n"))
        for _ in range(100):  # 6.4 GB of text
            file.write(member)
    assert Path("bomb.csv").stat().st_size < 20 * 2**20
    found = subprocess.run(
        [sys.executable, "-c", CHECK_IN_LITTLE_MEMORY, str(recipe)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (120, 120)),
        check=False,
    )
    assert "bomb.csv" in found.stderr, found.stderr
    assert int(found.stdout) < 3000  # MB; the whole text takes ten times as much


@pytest.mark.heavy
@pytest.mark.long
def test_a_cell_of_fifty_megabytes(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    with Path("train.csv").open("a", encoding="utf-8") as file:
        file.write('"' + "my card " * (50 * 2**17) + '",card_arrival\n')
    found = succeed("train", recipe, "-o", "run", "--set", "training.epochs=1",
                    "--set", "text.max_length=50", *_words(QUICK[:1]))  # fmt: skip
    assert "run:" in found.out


def test_a_million_empty_lines(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    with Path("train.csv").open("a", encoding="utf-8") as file:
        file.write("\n" * 1_000_000)
    assert "192" in succeed("check", recipe).out
    Path("train.csv").write_text("text,label\n" + "\n" * 1_000_000)
    found = textnets("check", recipe)
    assert found.code == 2
    assert "train.csv" in found.err


def _words(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]
