"""One file that NumPy alone runs: texts in, the run's own predictions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.decoding.tags import conditional_random_field
from textnets.errors import InputError
from textnets.export.graph import describe
from textnets.export.members import (
    is_language_model,
    members_of,
    preprocessors_of,
    state_sizes,
)
from textnets.export.patterns import as_python
from textnets.export.subject import Subject
from textnets.export.unicode_tables import matching, tensorflow_unicode
from textnets.lite.contents import MODEL_FILE, ContentsWriter
from textnets.lite.unicode import Unicode
from textnets.recipe.sections import TextSection
from textnets.run.files import bytes_written_whole
from textnets.tasks.preprocessor import AnyEncoder
from textnets.text.ngrams import NgramEncoder
from textnets.text.tokenizers import (
    SENTENCEPIECE_FILE,
    SentencepieceTokenizer,
    WordpieceTokenizer,
    WordTokenizer,
    has_joins,
)


def write(subject: Subject, folder: Path) -> None:
    """Write :data:`MODEL_FILE`.

    Raises:
        InputError: naming what the format cannot hold.
    """
    writer = ContentsWriter()
    description = Description(subject, writer).whole()
    with bytes_written_whole(folder / MODEL_FILE) as file:
        writer.write(file, description)


def loading(subject: Subject) -> str:
    """The lines that load the file and predict."""
    load = f'model = textnets.lite.load("{MODEL_FILE}")'
    return "\n".join(["import textnets.lite", "", load, *subject.predictor.usage])


class Description:
    """All that a file says of a run, its arrays and texts put into a writer."""

    def __init__(self, subject: Subject, writer: ContentsWriter) -> None:
        self._subject, self._writer = subject, writer
        self._unicode: Unicode | None = None

    def whole(self) -> dict[str, Any]:
        """All that the file says of itself."""
        subject, task = self._subject, self._subject.task
        found = {
            "task": task.name,
            "made_with": {"textnets": version("textnets")},
            "run": subject.run.folder.resolve().name,
            "quantize": subject.quantize or None,
            "settings": preprocessors_of(subject)[0].manner,
            "models": [
                {"weight": one.weight, "preprocessor": one.place, **self.of_model(one.model)}
                for one in members_of(subject)
            ],
            "preprocessors": [one.described(self) for one in preprocessors_of(subject)],
        }
        # Asked for last: whether it is needed is known then.
        return {**found, "unicode": self._unicode.as_json() if self._unicode else None}

    def of_model(self, model: Any) -> dict[str, Any]:
        """What is kept of one model."""
        found = describe(model, self._writer, self._subject.quantize)
        if is_language_model(model):
            found["state_sizes"] = state_sizes(model)
        return {"graph": found, "field": _field(model, found)}

    # --- As textnets.tasks.preprocessor.Kept, what turns texts into ids ---

    def texts(self, texts: Sequence[str]) -> str:
        """A list of texts."""
        return self._writer.texts(texts)

    def array(self, values: npt.NDArray[Any]) -> str:
        """An array."""
        return self._writer.array(values)

    def encoder(self, encoder: AnyEncoder) -> dict[str, Any]:
        """A tokenizer with its vocabulary."""
        self._unicode = tensorflow_unicode()
        return describe_encoder(encoder, self._writer)


def describe_encoder(encoder: AnyEncoder, writer: ContentsWriter) -> dict[str, Any]:
    """What turns texts into ids, as :mod:`textnets.lite.encoders` reads it; with it goes
    :func:`tensorflow_unicode`.

    Raises:
        InputError: its pattern means something else to Python.
    """
    vocabulary = writer.texts(encoder.vocabulary.ordinary_tokens)
    if isinstance(encoder, NgramEncoder):
        ngrams = encoder.ngrams
        return {
            "ngrams": True,
            "vocabulary": vocabulary,
            "longer": writer.array(np.asarray(ngrams.longer, np.int32)),
            "characters": writer.texts(ngrams.characters),
            "text": _text(encoder.section, sees_invisible=ngrams.sees_invisible, fills_empty=True),
        }
    tokenizer = encoder.tokenizer
    words = tokenizer.words_tokenizer if isinstance(tokenizer, WordpieceTokenizer) else tokenizer
    found: dict[str, Any] = {
        "vocabulary": vocabulary,
        "text": _text(
            encoder.section,
            with_joins=has_joins(encoder.vocabulary),
            sees_invisible=isinstance(words, WordTokenizer) and words.sees_invisible,
            fills_empty=encoder.fills_empty,
        ),
    }
    if isinstance(tokenizer, SentencepieceTokenizer):
        found["sentencepiece"] = writer.raw(tokenizer.files()[SENTENCEPIECE_FILE])
    return found


def _text(
    section: TextSection,
    *,
    with_joins: bool = False,
    sees_invisible: bool = False,
    fills_empty: bool,
) -> dict[str, Any]:
    pattern = section.pattern
    return {
        "tokenizer": section.tokenizer,
        "normalize": section.normalize,
        "lowercase": section.lowercase,
        "max_length": section.max_length,
        "truncate": section.truncate,
        "add_bos": section.add_bos,
        "add_eos": section.add_eos,
        "pattern": None if pattern is None else as_python(pattern, matching),
        "with_joins": with_joins,
        "sees_invisible": sees_invisible,
        "fills_empty": fills_empty,
    }


def _field(model: Any, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where a conditional random field is, and what it reads; ``None`` without one."""
    crf = conditional_random_field(model)
    if crf is None:
        return None
    for call in found["calls"]:
        if "layer" in call and found["layers"][call["layer"]]["name"] == crf.name:
            (both,) = call["arguments"]
            return {"layer": crf.name, "reads": both}
    raise InputError(f"layer {crf.name!r}: the model never calls it")
