"""Random inputs, made of sound ones: each is read, or refused by one error of textnets.

``python -m tests.fuzz`` (``make fuzz``) tries 200,000 inputs of all kinds; ``--kind``, ``--seed``
and ``--number`` choose. Every input follows from its kind, the seed and its number, which are told
where one gets through as another error, or takes too long, with how to try it again.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textnets.errors import TextnetsError

_SECONDS = 30  # of the processor, that an input may take
_MOST_SECONDS = 600  # on the clock: a machine may be busy, but nothing may wait for ever
_ODD_TEXT = [
    "", " ", "\0", "\x1b]0;title\x07", "\r", "\n", "\t", "\x85", "\u2028", "\ufeff", "\ud800", "é",
    "e\u0301", "😀", "\x9b31m", "~", "~nobody/x", "/dev/zero", "../..", "x" * 5000, "a" * 300,
    "null", "nan", "1e400", "-0", "0x10", "1_000", "9" * 5000, "!!python/object:os.system", "&a",
    "*a", "<<", "{", "[", "'", '"', '""', "|", ">", "%YAML 1.1", "---", "os:system",
    "builtins:dict", "functools:partial", "[PAD]", "[UNK]", "\\", "\\n", "B-PER", "-DOCSTART-", "_",
]  # fmt: skip
_ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3.5, 1e308, 10**400, float("nan"), float("inf"), "", "x", [],
    [1], [[]], {}, {"a": 1}, [None], "auto", 2**63, -(2**63), "~nobody/x", "\0", 0.1, "1e-3",
]  # fmt: skip
_ODD_BYTES = [
    b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc3", b"\x1f\x8b", b"\r", b"\n", b"\n\n", b'"',
    b",", b"\t", b"PK\x03\x04", b"\x93NUMPY", b"[" * 3000, b"9" * 500, b" ", b"\xed\xa0\x80",
]  # fmt: skip


# --- Changes ---


def change_bytes(chosen: random.Random, content: bytes) -> bytes:
    """One to four small changes."""
    found = bytearray(content)
    for _ in range(chosen.choice((1, 1, 1, 2, 4))):
        place = chosen.randint(0, len(found))
        length = chosen.choice((1, 1, 2, 8, 64))
        match chosen.randint(0, 6):
            case 0:
                del found[place : place + length]
            case 1:
                found[place:place] = chosen.choice(_ODD_BYTES)
            case 2 if found:
                found[min(place, len(found) - 1)] ^= 1 << chosen.randint(0, 7)
            case 3:
                del found[place:]
            case 4:
                found[place:place] = found[place : place + length] * chosen.choice((1, 2, 20))
            case 5:
                found[place:place] = chosen.choice(_ODD_TEXT).encode("utf-8", "surrogatepass")
            case _:
                found[place : place + length] = chosen.randbytes(length)
    return bytes(found)


def change_json(chosen: random.Random, content: Any) -> Any:
    """One value, or key, somewhere in plain data replaced by an odd one."""
    if isinstance(content, dict) and content and chosen.random() < 0.85:
        key = chosen.choice(list(content))
        kept = dict(content)
        if chosen.random() < 0.1:
            kept[chosen.choice(_ODD_TEXT)] = kept.pop(key)
        elif chosen.random() < 0.1:
            del kept[key]
        else:
            kept[key] = change_json(chosen, content[key])
        return kept
    if isinstance(content, list) and content and chosen.random() < 0.7:
        place = chosen.randrange(len(content))
        return [change_json(chosen, one) if i == place else one for i, one in enumerate(content)]
    return chosen.choice(_ODD_TEXT if chosen.random() < 0.3 else _ODD_VALUES)


# --- What is changed ---


@dataclass
class Place:
    """A folder to work in, with sound inputs.

    Attributes:
        folder: to write into.
        runs: finished runs of several tasks; a copy of each is changed.
        store: stored ids, and the recipe that they are of.
    """

    folder: Path
    runs: list[Path]
    store: Path

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


_RECIPES = [
    """task: classification
data: {train: d.csv, validation: 0.2, test: 0.1, text: a, label: b, multi_label: false, limit: 9}
text: {tokenizer: regex, pattern: "[a-z]+  \\\\w", max_tokens: 100, lowercase: true}
model: {builder: cnn_classifier, widths: [2, 3], maps: 8, embedding_width: 16, dropout: 0.5}
training: {batch_size: 16, epochs: 2, learning_rate: 1e-3, class_weights: {a: 1.0, b: 2}}
evaluation: {resamples: 10, confidence: 0.9}
claim: {metric: accuracy, at_least: 0.5, seeds: 3}
seed: 3
""",
    """task: tagging
data: {train: d.conllu, tags: upos, spans: false}
model: {builder: rnn_tagger, units: [8]}
training: {optimizer: adam, schedule: cosine, early_stopping: {patience: 3}}
""",
    """task: translation
data: {train: d.tsv, source: a, target: b}
text: {tokenizer: words, shared_vocabulary: true}
model: {builder: encoder_decoder, cell: gru}
evaluation: {beam_size: 4}
""",
    """task: language_modeling
data: {train: d.txt, validation: 0.1}
text: {tokenizer: characters}
model: {builder: rnn_language_model, units: [8], embedding_width: 8}
""",
    """task: classification
data: {train: d.csv, folds: 3}
ensemble:
  weights: equal
  members:
    - {name: one, seeds: 2, model: {builder: mlp_classifier}}
    - {model: {builder: ngram_bag_classifier}, training: {refit: all}}
""",
]  # fmt: skip


def read_recipe(chosen: random.Random, place: Place) -> None:
    from textnets.run.files import recipe_text
    from textnets.tasks import read_task

    text = chosen.choice(_RECIPES)
    if chosen.random() < 0.5:
        from ruamel.yaml import YAML

        content = change_json(chosen, YAML(typ="safe", pure=True).load(text))
        path = place.write("r.yaml", json.dumps(content, allow_nan=True).encode())
    else:
        path = place.write("r.yaml", change_bytes(chosen, text.encode()))
    task = read_task(path, allow_builders=())
    again = place.write("again.yaml", recipe_text(task.recipe).encode())
    found = read_task(again, allow_builders=()).recipe.as_sections()
    assert found == task.recipe.as_sections(), "it reads back to something else"


def read_override(chosen: random.Random, place: Place) -> None:
    from textnets.tasks import read_task

    path = place.write("r.yaml", chosen.choice(_RECIPES).encode())
    keys = [
        "data.train", "data.limit", "text.max_tokens", "text.pattern", "model.units", "seed",
        "model.builder", "training.epochs", "training.class_weights", "evaluation.resamples",
        "ensemble.members.0.name", "claim.seeds", "task", "data", "", "a.b", "training",
    ]  # fmt: skip
    value = chosen.choice([chosen.choice(_ODD_TEXT), json.dumps(chosen.choice(_ODD_VALUES))])
    word = f"{chosen.choice(keys)}={value}" if chosen.random() < 0.9 else value
    read_task(path, [word], allow_builders=())


_CSV = 'text,label\n"my ""card"", lost",a\nhow do I,b\n"two\nlines",a\n'
_FILES = {
    "d.csv": _CSV,
    "d.tsv": "text\tlabel\nmy card\ta\nhow do I\tb\n",
    "d.jsonl": '{"text": "my \\u00e9", "label": ["a", "b"]}\n{"text": "x", "label": "b", "n": 1}\n',
    "d.conllu": "# text\n1\tA\ta\tDET\tDT\t_\t2\tdet\t_\t_\n2-3\tb\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "2\tcat\tcat\tNOUN\tNN\t_\t0\troot\t_\t_\n\n1\tB\tb\tX\tX\t_\t0\troot\t_\t_\n",
    "d.columns": "-DOCSTART- O\n\nJohn B-PER\nSmith I-PER\n\nand O\n",
    "d.txt": "one line\nanother line\n\nthe last\n",
}  # fmt: skip


def read_data(chosen: random.Random, place: Place) -> None:
    from textnets.data.readers import read_rows
    from textnets.data.running_text import cut_long_lines, read_lines
    from textnets.data.sentences import SentenceLayout, read_sentences

    name = chosen.choice([*_FILES, "d.parquet"])
    sound = _parquet() if name == "d.parquet" else _FILES[name].encode()
    content = change_bytes(chosen, sound)
    if chosen.random() < 0.2:
        content = gzip.compress(content, 1)
        content = change_bytes(chosen, content) if chosen.random() < 0.5 else content
    path = place.write(name, content)
    if name == "d.txt":
        lines = read_lines(path)
        assert "".join(cut_long_lines(lines, 5)) == "".join(lines)
    elif name in ("d.conllu", "d.columns"):
        kind = name.removeprefix("d.")
        list(read_sentences(path, SentenceLayout(kind), with_tags=chosen.random() < 0.8))
    else:
        list(read_rows(path, columns=["text", "label"]))


def _parquet() -> bytes:
    if not _kept:
        import pyarrow as pa
        from pyarrow import parquet

        file = io.BytesIO()
        table = pa.table({"text": ["my card", "é"], "label": ["a", "b"], "n": [1.5, None]})
        parquet.write_table(table, file)
        _kept.append(file.getvalue())
    return _kept[0]


_kept: list[bytes] = []


def sign(run: Path, environment: dict[str, Any]) -> None:
    """Make the hashes right, as an attacker would."""
    from textnets.run.integrity import hashes_of, write_environment

    environment = {key: value for key, value in environment.items() if key != "digest"}
    if isinstance(environment.get("files"), dict):
        environment["files"] = {**environment["files"], **hashes_of(run)}
    with contextlib.suppress(ValueError):  # NaN is not written
        write_environment(run, environment)


def read_run_files(chosen: random.Random, place: Place) -> None:
    from textnets.experiment.record import RunRecord
    from textnets.experiment.results import stored_evaluation
    from textnets.run.directory import is_partial, is_run, open_run
    from textnets.run.target import RunTarget
    from textnets.tasks import read_run
    from textnets.tasks.ensemble import load_preprocessor_of

    run = place.folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(chosen.choice(place.runs), run)
    environment = json.loads((run / "environment.json").read_text())
    names = ["environment.json", "evaluation.json", "history.jsonl", "recipe.yaml"] + [
        path.name for path in run.iterdir() if path.suffix in (".txt", ".npy")
    ]
    path = run / chosen.choice(names)
    if path.suffix == ".json" and chosen.random() < 0.7:
        changed = change_json(chosen, json.loads(path.read_text()))
        path.write_text(json.dumps(changed))
        if path.name == "environment.json" and isinstance(changed, dict):
            environment = changed
    else:
        path.write_bytes(change_bytes(chosen, path.read_bytes()))
    if path.name != "environment.json" or chosen.random() < 0.9:
        sign(run, environment)
    _all_of(
        lambda: is_run(run),
        lambda: is_partial(run),
        lambda: RunTarget(run, overwrite=True).check(resume=chosen.random() < 0.5),
        lambda: RunRecord.of_json(open_run(run).environment),
        lambda: open_run(run).history(),
        lambda: stored_evaluation(open_run(run)),
        lambda: load_preprocessor_of(read_run(open_run(run).folder), run),
    )


def _all_of(*steps: Callable[[], object]) -> None:
    """Take all steps, though one is refused."""
    for step in steps:
        with contextlib.suppress(TextnetsError):
            step()


def read_model(chosen: random.Random, place: Place) -> None:
    import zipfile

    from textnets.run.model_file import load_model

    with zipfile.ZipFile(chosen.choice(place.runs) / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if chosen.random() < 0.8:
        changed = change_json(chosen, json.loads(members["config.json"]))
        members["config.json"] = json.dumps(changed).encode()
    else:
        name = chosen.choice(list(members))
        members[name] = change_bytes(chosen, members[name])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    load_model(place.write("model.keras", file.getvalue()))


def read_store(chosen: random.Random, place: Place) -> None:
    from textnets.experiment.stores import check_store_place, open_store
    from textnets.tasks import read_task

    store = place.folder / "ids"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(place.store, store)
    path = chosen.choice(sorted(store.iterdir()))
    if path.name == "store.json" and chosen.random() < 0.7:
        path.write_text(json.dumps(change_json(chosen, json.loads(path.read_text()))))
    else:
        path.write_bytes(change_bytes(chosen, path.read_bytes()))
        described = json.loads((place.store / "store.json").read_text())
        if path.name != "store.json" and chosen.random() < 0.8:
            described["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            (store / "store.json").write_text(json.dumps(described))
    task = read_task(place.store.parent / "r.yaml")
    with contextlib.suppress(TextnetsError):
        check_store_place(store, overwrite=True)
    opened = open_store(store, task.recipe)
    encoded = opened.load(task.input_names)
    opened.check_ids(encoded, task.load(store).sizes)


def read_word_vectors(chosen: random.Random, place: Place) -> None:
    from textnets.text.vectors import read_vectors
    from textnets.text.vocabulary import Vocabulary

    lines = ["3 2", "card 0.1 -2e3", "lost 1e30 -1e30", "a b 1 2", "é 0 0"]
    chosen.shuffle(lines)
    content = "\n".join(lines).encode()
    if chosen.random() < 0.4:
        words = [line.rsplit(" ", 2)[0].encode() for line in lines if line != "3 2"]
        numbers = [struct.pack("<2f", chosen.uniform(-2, 2), 0.0) for _ in words]
        entries = [word + b" " + two + b"\n" for word, two in zip(words, numbers, strict=True)]
        content = b"4 2\n" + b"".join(entries)
    content = change_bytes(chosen, content)
    content = gzip.compress(content, 1) if chosen.random() < 0.2 else content
    read_vectors(place.write("x.vec", content), Vocabulary(["card", "lost", "é"]), seed=1)


def read_encoder(chosen: random.Random, place: Place) -> None:
    from tests.encoder_folders import TOKENIZERS, write_encoder
    from textnets.text.encoder_folder import FILES, EncoderFolder

    tokenizer = TOKENIZERS[chosen.choice(list(TOKENIZERS))]()
    folder = write_encoder(
        place.folder / "encoder", tokenizer, width=2, clusters=chosen.choice((None, 3)),
        with_weights=chosen.random() < 0.5, normalize=True, max_length=chosen.choice((None, 3)),
    )  # fmt: skip
    path = folder / chosen.choice(FILES)
    if path.suffix == ".json" and chosen.random() < 0.7:
        path.write_text(json.dumps(change_json(chosen, json.loads(path.read_text()))))
    else:
        path.write_bytes(change_bytes(chosen, path.read_bytes()))
    found = EncoderFolder.read(folder)
    ids = found.tokens.encode([chosen.choice(_ODD_TEXT), "my card is lost", ""])
    assert ids.ids.max() < len(found.vectors()), "an id without a vector"


def read_texts(chosen: random.Random, place: Place) -> None:
    from textnets.data.running_text import stream_lines
    from textnets.progress import printable
    from textnets.text.vocabulary import Vocabulary, load_lines, save_lines

    text = "".join(chosen.choice([*_ODD_TEXT, "card", " ", "lost"]) for _ in range(6))
    shown = printable(text)
    assert not any(sign in shown for sign in "\n\r\x1b\x9b\x07\u2028"), ascii(shown)
    content = change_bytes(chosen, text.encode("utf-8", "surrogatepass"))
    path = place.write("lines.txt", content)
    _all_of(lambda: list(stream_lines(path)), lambda: Vocabulary.load(path))
    names = [one.encode("utf-8", "replace").decode() for one in (text, "a\\n", "\\", "x\n")]
    save_lines(path, names)
    assert load_lines(path) == names


KINDS: dict[str, tuple[Callable[[random.Random, Place], None], float]] = {
    "recipes": (read_recipe, 0.17),
    "overrides": (read_override, 0.17),
    "readers": (read_data, 0.35),
    "run files": (read_run_files, 0.05),
    "models": (read_model, 0.003),
    "stores": (read_store, 0.057),
    "vectors": (read_word_vectors, 0.1),
    "encoders": (read_encoder, 0.02),
    "texts": (read_texts, 0.1),
}


# --- All of them ---


class _TooLongError(Exception):
    pass


def _limit(of_processor: int, of_clock: int) -> None:
    """Let :func:`_too_long` be called after so many seconds; with 0 never."""
    signal.setitimer(signal.ITIMER_PROF, of_processor)
    signal.alarm(of_clock)


def _too_long(*_: object) -> None:
    raise _TooLongError(f"more than {_SECONDS} s")


@contextlib.contextmanager
def made_place(runs: int = 2) -> Iterator[Place]:
    """Sound inputs, of which some are trained."""
    from textnets.pipeline import store_ids, train

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        root = Path(folder)
        rows = [f"{w} {v},{'ab'[i % 2]}" for i, (w, v) in enumerate(
            zip(["card", "lost", "money"] * 8, ["yes", "no"] * 12, strict=True))]  # fmt: skip
        (root / "d.csv").write_text("\n".join(["text,label", *rows]) + "\n")
        (root / "r.yaml").write_text(
            "task: classification\ndata: {train: d.csv, validation: 0.25}\n"
            "model: {builder: mlp_classifier, embedding_width: 4, dense_units: []}\n"
            "training: {batch_size: 8, epochs: 1}\nevaluation: {resamples: 0}\n"
        )
        kinds = (["evaluation.baselines=false"], ["model.builder=ngram_bag_classifier"])
        made = [
            train(root / "r.yaml", ["training.epochs=1", *settings][: 1 + len(settings)],
                  output=root / f"run-{number}").folder
            for number, settings in enumerate(_fitting(kinds, runs))
        ]  # fmt: skip
        store_ids(root / "r.yaml", root / "ids")
        (root / "work").mkdir()
        yield Place(root / "work", made, root / "ids")


def _fitting(kinds: tuple[list[str], ...], number: int) -> list[list[str]]:
    plain = 'model={"builder": "ngram_bag_classifier"}'
    return [[plain] if "ngram" in one[0] else one for one in kinds[:number]]


def fuzz(
    number: int, seed: int, kinds: list[str], place: Place, first: int = 0, quiet: bool = False
) -> dict[str, int]:
    """Try inputs; how many there were of each kind.

    Raises:
        AssertionError: one got through; with its kind, seed and number.
    """
    known = {name: KINDS[name] for name in kinds}
    whole = sum(share for _, share in known.values())
    tried = {}
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGPROF, _too_long)
    for name, (read, share) in known.items():
        count, refused, started = max(1, round(number * share / whole)), 0, time.monotonic()
        for index in range(first, first + count):
            chosen = random.Random(f"{seed} {name} {index}")
            _limit(_SECONDS, _MOST_SECONDS)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    read(chosen, place)
            except TextnetsError:
                refused += 1
            except BaseException as error:
                _limit(0, 0)
                raise AssertionError(
                    f"{name} {index} of seed {seed}: {type(error).__name__}: {str(error)[:300]}; "
                    f"again: python -m tests.fuzz --kind '{name}' --seed {seed} --first {index} "
                    "--number 1"
                ) from error
            finally:
                _limit(0, 0)
        tried[name] = count
        if not quiet:
            took = time.monotonic() - started
            print(f"{name}: {count:,} inputs, {refused:,} refused, {took:.0f} s", flush=True)
    return tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200_000, help="of inputs")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kind", choices=KINDS, help="by default all")
    parser.add_argument("--first", type=int, default=0, help="the first input's number")
    chosen = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(f"seed {chosen.seed}", flush=True)
    kinds = [chosen.kind] if chosen.kind else list(KINDS)
    with made_place() as place:
        try:
            tried = fuzz(chosen.number, chosen.seed, kinds, place, chosen.first)
        except AssertionError as error:
            traceback.print_exc()
            sys.exit(str(error))
    print(f"{sum(tried.values()):,} inputs: each was read, or refused by one error")


if __name__ == "__main__":
    main()
