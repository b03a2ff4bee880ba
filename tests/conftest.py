"""What all tests share: quiet backends, and small data sets cut from the one that ships."""

from __future__ import annotations

import csv
import gc
import gzip
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests import heavy, warm
from tests.sharing import made_once, share_below

# The same examples in every CI run, so that a change fails for what it changed; elsewhere
# hypothesis goes on exploring. No example has a deadline: a busy machine fails no test.
settings.register_profile("explore", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "explore")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As many processes run as there are cores: more threads in each only wait for one another.
for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

# What JAX compiles here runs a few times: compiling it well would take most of the time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# A background job of a shell ignores Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

heavy.watch()

ROOT = Path(__file__).parent.parent
INTENTS = ("card_arrival", "change_pin", "exchange_rate", "lost_or_stolen_card")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if heavy.is_heavy(item):
            item.add_marker(pytest.mark.heavy)


def pytest_collection_finish() -> None:
    # The million objects of what was imported stay: the collector need not look at them again
    # each time that a model is traced.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    heavy.begin(item)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    heavy.end()


def pytest_sessionfinish() -> None:
    warm.end_servers()


def read_questions(split: str, most: int = 60) -> list[tuple[str, str]]:
    """Real questions of four of Banking77's intents, at most so many each, with their labels."""
    path = ROOT / "recipes" / "data" / "banking77" / f"{split}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    return [row for intent in INTENTS for row in [r for r in rows if r[1] == intent][:most]]


def write_csv(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """A csv file with the columns ``text,label``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


RECIPE = """\
task: classification
data:
  train: train.csv
  test: test.csv
  validation: 0.2
text:
  max_tokens: 500
model:
  builder: cnn_classifier
  embedding_width: 16
  widths: [2, 3]
  maps: 8
training:
  batch_size: 16
  epochs: 2
  learning_rate: 5e-3
evaluation:
  resamples: 50
seed: 3
"""

# What trains soonest, for tests that look at files rather than at models.
MLP_MODEL = """\
model:
  builder: mlp_classifier
  embedding_width: 8
  dense_units: []
"""
CHEAP_RECIPE = RECIPE[: RECIPE.index("model:")] + MLP_MODEL + RECIPE[RECIPE.index("training:") :]

RNN_MODEL = """\
model:
  builder: rnn_classifier
  embedding_width: 8
  cell: gru
  units: [6]
  dropout: 0.2
  recurrent_dropout: 0.1
  embedding_dropout: 0.1
"""


def write_recipe(
    folder: Path, text: str = RECIPE, name: str = "tiny", replace: dict[str, str] | None = None
) -> Path:
    """A recipe with its data beside it; ``replace`` maps parts of its text."""
    write_csv(folder / "train.csv", read_questions("train"))
    write_csv(folder / "test.csv", read_questions("test"))
    for old, new in (replace or {}).items():
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def make_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny recipe with its data beside it; ``replace`` maps parts of its text."""

    def write(name: str = "tiny", replace: dict[str, str] | None = None) -> Path:
        return write_recipe(tmp_path, RECIPE, name, replace)

    return write


@pytest.fixture
def make_cheap_recipe(tmp_path: Path) -> Callable[..., Path]:
    """As ``make_recipe``, with the model that trains soonest."""

    def write(name: str = "tiny", replace: dict[str, str] | None = None) -> Path:
        return write_recipe(tmp_path, CHEAP_RECIPE, name, replace)

    return write


#: How ``finished`` was trained.
QUICK = ["evaluation.baselines=false", "training.checkpoint_every=1"]


@pytest.fixture(scope="session")
def finished() -> Path:
    """The run of the cheap recipe with ``QUICK``; do not write into it."""
    from textnets.pipeline import train

    def make(folder: Path) -> None:
        train(write_recipe(folder, CHEAP_RECIPE), QUICK, output=folder / "run")

    return made_once("finished", make) / "run"


@pytest.fixture(scope="session")
def recurrent() -> Path:
    """The run of a recurrent classifier, an epoch long; do not write into it."""
    from textnets.pipeline import train

    text = RECIPE[: RECIPE.index("model:")] + RNN_MODEL + RECIPE[RECIPE.index("training:") :]

    def make(folder: Path) -> None:
        settings = ["training.epochs=1", "evaluation.baselines=false"]
        train(write_recipe(folder, text), settings, output=folder / "run")

    return made_once("recurrent", make) / "run"


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    share_below(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test reads the user's data or cache, or writes into the project."""
    monkeypatch.delenv("TEXTNETS_DATA", raising=False)
    monkeypatch.setenv("TEXTNETS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.chdir(tmp_path)
