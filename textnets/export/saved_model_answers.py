"""What a fresh process says that loads a SavedModel: ``python -P THIS_FILE FOLDER QUESTIONS
ANSWERS``. It knows TensorFlow and tensorflow-text, and nothing of textnets, which is not loaded;
see :mod:`textnets.export.proof`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_BATCH = 16

_Answer = dict[str, Any]


def main(folder: str, questions: str, answers: str) -> None:
    """Load the model, answer the questions and say how long that took."""
    texts = json.loads(Path(questions).read_text(encoding="ascii"))
    started = time.perf_counter()
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  # the model has operations of it

    model = tf.saved_model.load(str(Path(folder) / "1"))
    call = model.signatures["serving_default"]
    call(texts=tf.constant(texts[:1]))  # the first call of a graph makes it ready
    loaded = time.perf_counter()
    call(texts=tf.constant(texts[:1]))
    one = time.perf_counter()
    found = list(_answers(model, call, texts))
    ended = time.perf_counter()
    if "textnets" in sys.modules:
        raise RuntimeError("textnets was loaded, so nothing is known of where it is not")
    said = {
        "answers": found,
        "load_seconds": loaded - started,
        "one_seconds": one - loaded,
        "seconds": ended - one,
        "peak_megabytes": _peak_megabytes(),
    }
    Path(answers).write_text(json.dumps(said), encoding="ascii")


def _answers(
    model: Any, call: Callable[..., dict[str, Any]], texts: Sequence[str]
) -> Iterator[_Answer]:
    import tensorflow as tf

    labels: list[str] = []
    if "labels" in model.signatures:
        labels = _decoded(model.signatures["labels"]()["labels"].numpy())
    for start in range(0, len(texts), _BATCH):
        some = texts[start : start + _BATCH]
        told = {name: value.numpy() for name, value in call(texts=tf.constant(some)).items()}
        for row, text in enumerate(some):
            of_row = {name: value[row] for name, value in told.items()}
            yield _figures(text, of_row, labels)


def _figures(text: str, told: dict[str, Any], labels: Sequence[str]) -> _Answer:
    """As ``figures()`` of the predictions in textnets/predictions.py."""
    if "translations" in told:
        found = told["found"] if text.strip() else [True, *([False] * (len(told["found"]) - 1))]
        named = zip(
            _decoded(told["translations"]),
            told["scores"].tolist(),
            told["log_probabilities"].tolist(),
            found,
            strict=True,
        )
        kept = [(text, [score, sums]) for text, score, sums, is_found in named if is_found]
        return {"choices": [one for one, _ in kept], "of_choices": [two for _, two in kept]}
    if "tags" in told:
        length = int(told["lengths"])
        return {
            "fixed": _decoded(told["tokens"][:length]),
            "choices": _decoded(told["tags"][:length]),
            "of_choices": [[one] for one in told["probability"][:length].tolist()],
        }
    answer: _Answer = {"fixed": list(labels), "numbers": told["probabilities"].tolist()}
    if "label" in told:
        answer["choices"] = _decoded([told["label"]])
        answer["of_choices"] = [[float(told["probability"])]]
    return answer


def _decoded(texts: Any) -> list[str]:
    return [text.decode() for text in texts]


def _peak_megabytes() -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        (line,) = [one for one in status.splitlines() if one.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        return 0.0


if __name__ == "__main__":
    main(*sys.argv[1:])
