"""One process in which TensorFlow cannot be imported trains a model of every task on JAX."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

from tests.sharing import made_once
from tests.warm import run_program

#: What is trained: the task's name, and that of its folder.
TASKS = ("classification", "tagging", "translation", "language_modeling")

# Refuses TensorFlow as an environment without it would: a warm process does so already.
PROGRAM = """\
import contextlib, io, json, os, sys
assert "tensorflow" not in sys.modules
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_text"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
from textnets_cli import main
ends = []
for folder, *words in json.loads(sys.argv[1]):
    if words[0] == "generate":  # a prompt, empty or not, is text, and that needs TensorFlow
        assert "tensorflow" not in sys.modules
        sys.meta_path[:] = [one for one in sys.meta_path if type(one).__name__ != "Refuse"]
    os.chdir(folder)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as exit_:
            ends.append((exit_.code, out.getvalue(), err.getvalue()))
print(json.dumps(ends))
"""


def jax_runs() -> Path:
    """A folder for each task, with its ``tiny.yaml``, its ``ids`` and the ``run`` on JAX.

    Beside them ``said.json``: by task, what training said; and what the language model wrote.
    """
    return made_once("on_jax", _train)


def _train(folder: Path) -> None:
    from tests import test_language_modeling, test_processes, test_tagging, test_translation
    from textnets.pipeline import store_ids

    writers = {
        "classification": test_processes.write_for_jax,
        "tagging": test_tagging.write_for_jax,
        "translation": test_translation.write_for_jax,
        "language_modeling": test_language_modeling.write_for_jax,
    }
    words = []
    for task in TASKS:
        place = folder / task
        place.mkdir()
        with chdir(place):
            recipe = writers[task](place)
            store_ids(recipe, "ids")
        words.append([str(place), "train", recipe.name, "--store", "ids", "-o", "run"])
    writing = ("generate", "run", "--length", "20", "--seed", "2")
    words.append([str(folder / "language_modeling"), *writing])
    ended = run_program(PROGRAM, json.dumps(words), backend="jax")
    said = {}
    for name, (code, out, err) in zip(
        [*TASKS, "generate"], json.loads(ended.splitlines()[-1]), strict=True
    ):
        assert code == 0, f"{name}: {err[-3000:]}"
        said[name] = {"out": out, "err": err}
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")
