"""A file needs Python and NumPy: nothing else is imported, nor is it asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exports import exported_run

pytestmark = pytest.mark.heavy

HEAVY = (
    "tensorflow", "tensorflow_text", "keras", "jax", "sklearn", "scipy", "pydantic", "ruamel",
    "ruamel.yaml", "h5py", "pandas", "click", "rich", "pooch", "requests", "jinja2", "sacrebleu",
    "annotated_types", "regex", "sentencepiece",
)  # fmt: skip

# As in an environment with textnets and NumPy alone: whatever else is asked for is not there.
PROGRAM = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in ("textnets", "numpy", "__editable__"):
            return None
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

before = set(sys.modules)
sys.meta_path.insert(0, Missing())
import textnets.lite
model = textnets.lite.load(sys.argv[1])
print(model.predict(["my card still has not arrived", ""])[0]["label"])
strangers = {name.partition(".")[0] for name in set(sys.modules) - before}
strangers -= {*sys.stdlib_module_names, "textnets", "numpy"}
print(sorted(name for name in strangers if not name.startswith(("_", "numpy"))))
"""


@pytest.fixture(scope="module")
def file(finished: Path) -> Path:
    return exported_run(finished) / "model.textnets"


def run(program: str, *words: str | Path) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def test_where_nothing_but_numpy_is_installed(file: Path) -> None:
    label, strangers = run(PROGRAM, file)
    assert label == "card_arrival"
    assert strangers == "[]"


def test_every_module_of_it_loads_nothing_heavy() -> None:
    folder = Path(__file__).parents[2] / "textnets" / "lite"
    names = [f"textnets.lite.{path.stem}" for path in folder.glob("*.py")]
    names = [name.removesuffix(".__init__") for name in names]
    program = f"""
import sys, importlib
for name in {sorted(names)!r}:
    importlib.import_module(name)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert run(program) == ["[]"]


def test_importing_it_alone_loads_nothing() -> None:
    loaded = "import sys, textnets.lite; print('numpy' in sys.modules, 'zipfile' in sys.modules)"
    assert run(loaded) == ["False False"]


def test_a_start_and_a_sentence_take_little(file: Path) -> None:
    program = """
import sys, json, time
import textnets.lite
from textnets.lite.answering import peak_megabytes
model = textnets.lite.load(sys.argv[1])
model.predict(["my card still has not arrived"])
print(json.dumps([time.process_time(), peak_megabytes()]))
"""
    found = [json.loads(run(program, file)[0]) for _ in range(3)]
    assert min(seconds for seconds, _ in found) < 1.0  # 0.2 on an idle machine
    assert max(megabytes for _, megabytes in found) < 100
