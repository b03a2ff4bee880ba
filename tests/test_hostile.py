"""Files that were made to do harm: refused in one line, no code of theirs run, no memory eaten."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
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
@pytest.mark.parametrize("line", [b"\0" * 2**20, b"a,b\n" * 2**18], ids=["one line", "many"])
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
