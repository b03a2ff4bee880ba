"""One file that NumPy alone runs: texts in, the run's own predictions out."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from textnets.decoding.tags import conditional_random_field
from textnets.errors import InputError
from textnets.export.graph import describe
from textnets.export.members import members_of, preprocessors_of
from textnets.export.patterns import as_python
from textnets.export.subject import Subject
from textnets.export.unicode_tables import matching, tensorflow_unicode
from textnets.lite.contents import MODEL_FILE, ContentsWriter
from textnets.lite.unicode import Unicode
from textnets.recipe.sections import TextSection
from textnets.run.files import bytes_written_whole
from textnets.tasks.classification.preprocessor import ClassificationPreprocessor
from textnets.tasks.language_modeling.preprocessor import LanguageModelingPreprocessor
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.tasks.tagging.preprocessor import TaggingPreprocessor
from textnets.tasks.translation.preprocessor import TranslationPreprocessor
from textnets.text.encoder import TextEncoder
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
    lines = [
        "import textnets.lite",
        "",
        f'model = textnets.lite.load("{MODEL_FILE}")',
        'print(model.predict(["a text", "another"]))',
    ]
    if subject.task.name == "language_modeling":
        lines.append('print(model.write("a beginning", length=50)[0]["continued"])')
    return "\n".join(lines)


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
            "settings": _settings(preprocessors_of(subject)[0]),
            "models": [
                {"weight": one.weight, "preprocessor": one.place, **self.of_model(one.model)}
                for one in members_of(subject)
            ],
            "preprocessors": [self._preprocessor(one) for one in preprocessors_of(subject)],
        }
        # Asked for last: whether it is needed is known then.
        return {**found, "unicode": self._unicode.as_json() if self._unicode else None}

    def of_model(self, model: Any) -> dict[str, Any]:
        """What is kept of one model."""
        found = describe(model, self._writer, self._subject.quantize)
        more: dict[str, Any] = {}
        if self._subject.task.name == "language_modeling":
            found["state_sizes"] = [int(state.shape[-1]) for state in model.input["states"]]
        if self._subject.task.name == "tagging":
            more["field"] = _field(model, found)
        return {"graph": found, **more}

    # --- Texts to ids ---

    def _preprocessor(self, one: AnyPreprocessor) -> dict[str, Any]:
        if isinstance(one, ClassificationPreprocessor):
            return {"text": self._encoder(one.text.encoder), "input": one.input_name}
        if isinstance(one, TranslationPreprocessor):
            return {
                "source": self._encoder(one.source.encoder),
                "target": self._encoder(one.target.encoder),
            }
        if isinstance(one, LanguageModelingPreprocessor):
            return {"text": self._encoder(one.encoder)}
        if isinstance(one, TaggingPreprocessor):
            return self._words(one)
        raise InputError(f"the format cannot hold a preprocessor of {type(one).__name__}")

    def _encoder(self, encoder: TextEncoder | NgramEncoder) -> dict[str, Any]:
        self._unicode = tensorflow_unicode()
        return describe_encoder(encoder, self._writer)

    def _words(self, one: TaggingPreprocessor) -> dict[str, Any]:
        section = one.section
        found: dict[str, Any] = {
            "words": self._writer.texts(one.words.ordinary_tokens),
            "characters": self._writer.texts(one.characters.ordinary_tokens),
            "normalize": section.normalize,
            "lowercase": section.lowercase,
            "max_word_length": section.max_word_length,
        }
        if one.features is not None:
            found["features"] = {
                "templates": [template.name for template in one.features.templates],
                "values": {
                    slot: self._writer.texts(list(values))
                    for slot, values in one.features.values.items()
                },
                "known": [self._writer.array(keys) for keys in one.features.known],
            }
        return found


def describe_encoder(encoder: TextEncoder | NgramEncoder, writer: ContentsWriter) -> dict[str, Any]:
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


def _settings(first: AnyPreprocessor) -> dict[str, Any]:
    """What is the same for all members: labels, and how a task answers."""
    evaluation = first.recipe.evaluation
    if isinstance(first, ClassificationPreprocessor):
        return {"labels": list(first.labels), "separator": first.separator}
    if isinstance(first, TaggingPreprocessor):
        return {"labels": list(first.labels), "constrained": evaluation.constrained}
    if isinstance(first, TranslationPreprocessor):
        names = ("beam_size", "length_penalty", "n_best", "length_ratio", "attention")
        return {
            **{name: getattr(evaluation, name) for name in names},
            "no_repeat_ngram": evaluation.no_repeat_ngram or 0,
            "coverage_penalty": evaluation.coverage_penalty,
            "copy_unknown": evaluation.copy_unknown,
            "target_tokenizer": first.target_section.tokenizer,
        }
    if isinstance(first, LanguageModelingPreprocessor):
        return {
            "is_stream": first.is_stream,
            "ends_rows": first.ends_rows,
            "start_id": first.start_id,
            "tokenizer": first.recipe.text.tokenizer,
        }
    raise InputError(f"the format cannot hold a preprocessor of {type(first).__name__}")


def _field(model: Any, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where a tagger's conditional random field is, and what it reads; ``None`` without one."""
    crf = conditional_random_field(model)
    if crf is None:
        return None
    for call in found["calls"]:
        if "layer" in call and found["layers"][call["layer"]]["name"] == crf.name:
            (both,) = call["arguments"]
            return {"layer": crf.name, "reads": both}
    raise InputError(f"layer {crf.name!r}: the model never calls it")
