"""How fast textnets is beside plain Keras and PyTorch, in one table.

    make bench                                          # everything; TEXTNETS_DATA names the sets
    make bench QUICK=1                                  # two works whose data ship, a few minutes
    python benchmarks/bench.py sst2_cnn --rounds 20     # one work

Each contender of a work is a process of its own, which reads the same ids and takes turns with the
others (``rivals/turns.py``); which is first changes from round to round. The first round of each
kind is not counted. Shown are textnets' median rate, and of the ratios of the rates within a round
the median and the range from 10 to 90 in 100: above 1, textnets is faster.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
OURS, KERAS, TORCH = "textnets", "Keras", "PyTorch"
ROUNDS, QUICK_ROUNDS = 11, 6
CALM = 0.15  # of the machine, at most, for other processes in a round that counts
MOST_ROUNDS = 2  # times as many as are wanted
BUSY = " (busy)"
SENTENCE = "my card still has not arrived"


@dataclass(frozen=True)
class Line:
    """What one line of the table is about.

    Attributes:
        label: in the table.
        asks: what a round asks of a contender.
        moves: whether each round goes on with the next batches, or not; ``None`` where it takes
            none.
        repeats: how often a contender does it in a round, where that is not once: what a fast one
            does in milliseconds is too short to be timed.
        unit: what is counted.
    """

    label: str
    asks: Mapping[str, Any]
    moves: bool | None = None
    repeats: Mapping[str, int] = field(default_factory=dict)
    unit: str = "examples"


@dataclass(frozen=True)
class Work:
    """What contenders train or decode.

    Attributes:
        recipe: whose ids, sizes and settings all of them have.
        rivals: the scripts ``rivals/keras_RIVALS.py`` and ``rivals/torch_RIVALS.py``.
        lines: of the table.
        what: ``train`` or ``decode``, for ``ours.py``.
        settings: other than the recipe's.
    """

    recipe: str
    rivals: str
    lines: Sequence[Line]
    what: str = "train"
    settings: Sequence[str] = ()


def training(batches: int, unit: str = "examples", label: str = "training") -> Line:
    return Line(label, {"work": "train", "count": batches}, moves=True, unit=unit)


def decoding(search: str, size: int) -> Line:
    name = {"greedy": "greedy", "beam": "beam of 5"}[search]
    asks = {"work": search, "size": size, "count": max(size, 4)}
    repeats = {OURS: 6, TORCH: 6, KERAS: 1} if size == 1 else {OURS: 2, TORCH: 2, KERAS: 1}
    return Line(f"{name}, batches of {size}", asks, repeats=repeats)


INFERENCE = Line("inference", {"work": "predict"})
DECODINGS = [decoding(search, size) for search in ("greedy", "beam") for size in (1, 64)]
SHRUNK = "training, adaptive_shrink: 4"
WORKS = {
    "banking77_cnn": Work("banking77_cnn", "cnn", [training(80), INFERENCE]),
    "ewt_gru_tagger": Work("ewt_gru_tagger", "tagger", [training(30), INFERENCE]),
    "imdb_bilstm": Work(
        "imdb_bilstm_published", "bilstm", [training(24), INFERENCE],
        settings=["training.clip_norm=1"],
    ),
    "sst2_cnn": Work("sst2_cnn", "cnn", [training(40), INFERENCE]),
    "wikitext2_lstm": Work("wikitext2_lstm", "language_model", [training(12, "words")]),
    "wikitext2_lstm_shrunk": Work(
        "wikitext2_lstm", "language_model", [training(12, "words", SHRUNK)],
        settings=["model.adaptive_shrink=4"],
    ),
    "multi30k_gru_attention": Work("multi30k_gru_attention", "translator", [training(12)]),
    "multi30k_decoding": Work("multi30k_gru_attention", "translator", DECODINGS, "decode"),
}  # fmt: skip
SHIPPED = ("banking77_cnn", "ewt_gru_tagger")
ONE = "one_prediction"
OF_PROCESSORS = ", processors"


# --- Contenders ---


class FailedError(Exception):
    """A contender ended; its message is the end of what it said."""


class Contender:
    """A process that does a round for each line that it is sent."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed in end()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})},
        )
        self.said = self._answer()["ready"]

    def round(self, asked: Mapping[str, Any]) -> dict[str, float]:
        """What the process answers to a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        self._errors.seek(0)
        raise FailedError(self._errors.read()[-2000:])

    def end(self) -> None:
        """No more lines: the process ends by itself."""
        self._process.communicate()
        self._errors.close()


@contextmanager
def ended_at_last(contender: Contender) -> Iterator[Contender]:
    try:
        yield contender
    finally:
        contender.end()


def busy_seconds() -> float | None:
    """Of all processors since the start of the machine; ``None`` where it does not say."""
    try:
        words = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, words)
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


# --- Rounds ---


@dataclass(frozen=True)
class Round:
    """A turn of each contender.

    Attributes:
        rates: of each contender, a second.
        others: what other processes took of the machine, a share, in the turn where it was most.
    """

    rates: Mapping[str, float]
    others: float


@dataclass
class Measured:
    """What the rounds of a line gave.

    Attributes:
        rounds: that count.
        is_calm: whether the machine did little else in all of them.
        memory: of each contender, MB at most until then.
        tokens: that a decoded text has, of each contender.
    """

    rounds: Sequence[Round]
    is_calm: bool
    memory: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, float] = field(default_factory=dict)

    def rates(self, name: str) -> list[float]:
        """Of a contender, a number a round."""
        return [one.rates[name] for one in self.rounds]

    def ratios(self, rival: str) -> list[float]:
        """How many times as fast textnets was, round by round, sorted."""
        return sorted(one.rates[OURS] / one.rates[rival] for one in self.rounds)


def calm_rounds(take: Callable[[int], Round], wanted: int) -> tuple[list[Round], bool]:
    """Rounds in which the machine did little else, and whether there were enough of them.

    A second process on the same cores does not slow all alike: one that waits for its slowest
    thread at each product, as PyTorch does, loses most. So a round in which others worked is taken
    again, and where that is most of them all are kept, and the line says so.

    Args:
        take: a round; the first, number 0, does not count.
        wanted: how many.
    """
    take(0)
    taken: list[Round] = []
    calm: list[Round] = []
    while len(calm) < wanted and len(taken) < MOST_ROUNDS * wanted:
        taken.append(take(len(taken) + 1))
        if taken[-1].others <= CALM:
            calm.append(taken[-1])
    return (calm, True) if 2 * len(calm) >= wanted else (taken, False)


def measure(
    line: Line, contenders: Mapping[str, Contender], rounds: int, *, by_processor: bool = False
) -> Measured:
    """Let contenders take turns.

    Args:
        line: what is asked.
        contenders: by name.
        rounds: how many count.
        by_processor: whether seconds are those of processors, of all threads together, and not of
            the clock.
    """
    memory = dict.fromkeys(contenders, 0.0)
    tokens: dict[str, float] = {}
    names = [*contenders]

    def take(number: int) -> Round:
        asked, rates, others = dict(line.asks), dict[str, float](), [0.0]
        if line.moves is not None:
            asked["start"] = number * asked["count"] * line.moves
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if line.repeats:
                asked["repeat"] = line.repeats.get(name, 1)
            since = Clock()
            found = contenders[name].round(asked)
            others.append(0.0 if by_processor else since.others(found["used"]))
            seconds = found["processor_seconds" if by_processor else "seconds"]
            rates[name], memory[name] = found["examples"] / seconds, found["memory"]
            if "tokens" in found:
                tokens[name] = found["tokens"] / found["examples"]
        return Round({name: rates[name] for name in names}, max(others))

    rounds_taken, is_calm = calm_rounds(take, rounds)
    return Measured(rounds_taken, is_calm, memory, tokens)


class Clock:
    """Since when something runs, and how much all processors had done by then."""

    def __init__(self) -> None:
        self._started, self._busy = time.perf_counter(), busy_seconds()

    def others(self, own: float) -> float:
        """What other processes took of the machine since, a share; 0 where it is not known.

        Args:
            own: seconds of processors that are not theirs.
        """
        busy, wall = busy_seconds(), time.perf_counter() - self._started
        if busy is None or self._busy is None:
            return 0.0
        return max(0.0, (busy - self._busy - own) / wall / (os.cpu_count() or 1))


@dataclass(frozen=True)
class Bench:
    """How rounds are run.

    Attributes:
        folder: for the ids of each recipe.
        rounds: that count.
        torch: the Python that has PyTorch; ``None`` without one.
        by_processor: see :func:`measure`.
        show: what is told of each line as it is there.
    """

    folder: Path
    rounds: int
    torch: str | None
    by_processor: bool
    show: Callable[[str], None]

    def place_of(self, recipe: str) -> Path:
        """Where a recipe's ids lie, for all contenders; made once."""
        place = self.folder / recipe
        if not place.exists():
            place.mkdir()
            _run([sys.executable, str(BENCHMARKS / "ours.py"), "store", str(place), recipe])
        return place

    def contenders(self, work: Work, stack: ExitStack) -> dict[str, Contender]:
        """The processes, ready."""
        place, rivals = self.place_of(work.recipe), BENCHMARKS / "rivals"
        ours = [str(BENCHMARKS / "ours.py"), work.what, str(place), work.recipe, *work.settings]
        arrays = str(place / "arrays.npz")
        commands = {
            OURS: [sys.executable, *ours],
            KERAS: [sys.executable, str(rivals / f"keras_{work.rivals}.py"), arrays],
        }
        if self.torch is not None:
            commands[TORCH] = [self.torch, str(rivals / f"torch_{work.rivals}.py"), arrays]
        return {
            name: stack.enter_context(ended_at_last(Contender(command)))
            for name, command in commands.items()
        }


def _run(command: Sequence[str]) -> str:
    """What a command prints.

    Raises:
        FailedError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(done.stderr[-2000:])
    return done.stdout


# --- One prediction from a fresh process ---


@dataclass(frozen=True)
class Spent:
    """Seconds of a process from its start to its end, on the clock and of processors."""

    wall: float
    cpu: float


def spent(command: Sequence[str]) -> Spent:
    """Run a command from nothing.

    Raises:
        FailedError: it failed.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, text=True)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise FailedError(said.read()[-2000:])
    return Spent(wall, usage.ru_utime + usage.ru_stime)


def one_prediction(bench: Bench) -> None:
    """Show what the first prediction costs: the start of Python, the libraries, the model."""
    place, rivals = bench.place_of("banking77_cnn"), BENCHMARKS / "rivals"
    textnets = str(Path(sys.executable).with_name("textnets"))
    run, vocabulary = place / "run", str(place / "ids" / "vocabulary.txt")
    settings = ["training.epochs=1", "evaluation.test=false", "data.limit=1000"]
    overrides = [word for setting in settings for word in ("--set", setting)]
    _run([textnets, "train", "banking77_cnn", "--output", str(run), "--quiet", *overrides])
    model, arrays = str(place / "model.keras"), str(place / "arrays.npz")
    _run([sys.executable, str(rivals / "keras_cnn.py"), arrays, model])
    commands = {
        OURS: [textnets, "predict", str(run), "--text", SENTENCE],
        KERAS: [sys.executable, str(rivals / "keras_one.py"), model, vocabulary, "89", SENTENCE],
    }
    if bench.torch is not None:
        saved = str(place / "model.pt")
        _run([bench.torch, str(rivals / "torch_cnn.py"), arrays, saved])
        commands[TORCH] = [
            bench.torch, str(rivals / "torch_one.py"), saved, vocabulary, SENTENCE,
        ]  # fmt: skip

    def take(number: int) -> Round:
        others, rates = [0.0], {}
        for name, command in commands.items():
            since = Clock()
            seconds = spent(command)
            rates[name], rates[name + OF_PROCESSORS] = 1 / seconds.wall, 1 / seconds.cpu
            others.append(0.0 if bench.by_processor else since.others(seconds.cpu))
        return Round(rates, max(others))

    taken, is_calm = calm_rounds(take, bench.rounds)
    for kind in (OF_PROCESSORS,) if bench.by_processor else ("", OF_PROCESSORS):
        of_kind = [{name: one.rates[name + kind] for name in commands} for one in taken]
        measured = Measured([Round(rates, 0.0) for rates in of_kind], is_calm)
        middle = f"{1 / median(measured.rates(OURS)):.2f} s"
        bench.show(row(f"one prediction from a fresh process{kind}", middle, measured))


# --- The table ---

TITLE = (
    f"| work | {OURS} | against plain {KERAS} | against {TORCH} "
    f"| peak MB, {OURS} / {KERAS} / {TORCH} |"
)


def row(label: str, middle: str, measured: Measured) -> str:
    """A line of the table."""
    label += "" if measured.is_calm else BUSY
    cells = [label, middle, *(ratio(measured, rival) for rival in (KERAS, TORCH))]
    cells.append(" / ".join(f"{held:,.0f}" for held in measured.memory.values()) or "–")
    return f"| {' | '.join(cells)} |"


def ratio(measured: Measured, rival: str) -> str:
    """The median, and the range from 10 to 90 in 100."""
    if rival not in measured.rounds[0].rates:
        return "–"
    found = measured.ratios(rival)
    low, high = (quantile(found, share) for share in (0.1, 0.9))
    digits = 0 if median(found) >= 20 else 2
    return f"{median(found):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def quantile(found: Sequence[float], share: float) -> float:
    """Of sorted numbers, with those in between."""
    place = share * (len(found) - 1)
    below = int(place)
    above = min(below + 1, len(found) - 1)
    return found[below] + (found[above] - found[below]) * (place - below)


def rendered(work: Work, line: Line, measured: Measured) -> str:
    rate = median(measured.rates(OURS))
    middle = f"{rate:,.0f} {line.unit}/s"
    return row(f"{work.recipe}, {line.label}", middle, measured)


# --- The story ---


def run_work(bench: Bench, work: Work, notes: list[str], others: list[float]) -> list[Any]:
    """Show the lines of a work, and give what was measured."""
    raw = []
    with ExitStack() as stack:
        contenders = bench.contenders(work, stack)
        for line in work.lines:
            measured = measure(line, contenders, bench.rounds, by_processor=bench.by_processor)
            bench.show(rendered(work, line, measured))
            others += [one.others for one in measured.rounds]
            if measured.tokens:
                each = ", ".join(f"{name} {count:.0f}" for name, count in measured.tokens.items())
                notes.append(f"{work.recipe}, {line.label}: tokens written a text: {each}")
            raw.append({"recipe": work.recipe, "line": line.label, **asdict(measured)})
        for name, contender in contenders.items():
            of = " ".join([work.recipe, *work.settings])
            notes.append(f"{of}, {name}: {contender.said}")
    return raw


def main() -> None:
    given = parse_arguments()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the table is about CPUs
    if given.processor_time:
        os.environ["OMP_WAIT_POLICY"] = "passive"  # PyTorch's threads wait without work, else
    torch = given.torch_python
    if torch == sys.executable and importlib.util.find_spec("torch") is None:
        torch = None
        print(
            "PyTorch is not installed, so its column stays empty; 'make bench' installs it, and so "
            "does pip install 'textnets[bench]'\n",
            file=sys.stderr,
        )
    names = given.works or ([*SHIPPED, ONE] if given.quick else [*WORKS, ONE])
    notes: list[str] = []
    others: list[float] = []
    raw: list[Any] = []
    print(f"{TITLE}\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="textnets-bench-") as folder:
        rounds = given.rounds or (QUICK_ROUNDS if given.quick else ROUNDS)
        bench = Bench(Path(folder), rounds, torch, given.processor_time, partial(print, flush=True))
        for name in names:
            try:
                if name == ONE:
                    one_prediction(bench)
                else:
                    raw += run_work(bench, WORKS[name], notes, others)
            except FailedError as error:
                notes.append(f"{name}: left out: {error}")
    print(f"\n{machine()}; {rounds} rounds.", end=" ")
    if given.processor_time:
        print("Seconds are those of processors, not of the clock.")
    elif others:
        print(f"Other processes took {median(others):.0%} of the machine (median of the rounds).")
        print(f"Lines with '{BUSY.strip()}' had few rounds with less than {CALM:.0%}: no findings.")
    print("\n".join(["", *(f"- {note}" for note in notes)]))
    if given.raw:
        given.raw.write_text(json.dumps({"machine": machine(), "lines": raw}, indent=1))


def machine() -> str:
    """What did the work."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), model)
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join([*WORKS, ONE])}")
    parser.add_argument("--quick", action="store_true", help="two works whose data ship")
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS}, or {QUICK_ROUNDS} with --quick")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="count seconds of processors, which other work on the machine hardly changes",
    )
    parser.add_argument("--raw", type=Path, help="a file for every number, as JSON")
    parser.add_argument(
        "--torch-python", default=sys.executable, help="a Python that has PyTorch; this one"
    )
    given = parser.parse_args()
    if unknown := sorted(set(given.works) - {*WORKS, ONE}):
        parser.error(f"no such work: {unknown[0]}; choose from {', '.join([*WORKS, ONE])}")
    return given


if __name__ == "__main__":
    main()
