"""LiteRT: a classifier of one text of a fixed length, for phones and small machines."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textnets.errors import InputError
from textnets.export.members import (
    members_of,
    plain_kernels,
    preprocessors_of,
    quiet_converters,
)
from textnets.export.numpy_format import Description
from textnets.export.quantization import Weights
from textnets.export.questions import questions_of
from textnets.export.subject import Subject
from textnets.lite.contents import ContentsWriter
from textnets.lite.plain import PlainWriter, write_description
from textnets.tasks.classification.preprocessor import ClassificationPreprocessor
from textnets.tasks.ensemble import EnsemblePreprocessor
from textnets.tasks.preprocessor import EncodedText
from textnets.text.encoded import padded_width
from textnets.text.encoder import TextEncoder

_LONGEST = 256  # tokens; of a recurrent net, each of whose steps is written out, see below
_LONGEST_RECURRENT = 64
_BUCKET = 16


def prepared(subject: Subject) -> Subject:
    """The run as it answers texts of a fixed length at most.

    Raises:
        InputError: the run reads no tokens in their order.
    """
    members = [
        _shortened(one, subject)
        for one in preprocessors_of(subject)
        if isinstance(one, ClassificationPreprocessor)
    ]
    predictor = copy.copy(subject.predictor)
    whole = predictor.preprocessor
    predictor.preprocessor = (
        replace(whole, members=members) if isinstance(whole, EnsemblePreprocessor) else members[0]
    )
    return replace(subject, predictor=predictor)


def _shortened(
    preprocessor: ClassificationPreprocessor, subject: Subject
) -> ClassificationPreprocessor:
    encoder = preprocessor.own_encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError(
            f"{subject.run.folder}: litert cannot hold a bag of n-grams, of which a text has any "
            "number; these can: numpy, onnx, savedmodel"
        )
    most = _LONGEST_RECURRENT if _is_recurrent(subject) else _LONGEST
    length = encoder.section.max_length
    if length is None or length > most:
        *own, _, _ = questions_of(subject)
        longest = int(encoder.encode(own).lengths.max())
        length = min(most, padded_width(longest, _BUCKET))
    section = encoder.section.model_copy(update={"max_length": length})
    shorter = TextEncoder(section, encoder.tokenizer, encoder.vocabulary)
    return replace(preprocessor, text=EncodedText.learned(shorter))


def _is_recurrent(subject: Subject) -> bool:
    from textnets.layers import recurrent_kernel

    return any(recurrent_kernel(model, "tensorflow").recurrent for model in subject.models)


def limits(subject: Subject) -> str:
    """What the form promises less than the run."""
    lengths = [length_of(one) for one in preprocessors_of(subject)]
    said = " and ".join(f"{length:,}" for length in sorted(set(lengths)))
    return (
        f"A text has a fixed length in LiteRT: {said} tokens. Of a longer one the rest is not "
        "read; what is said of it is what the run says of the part that is."
    )


def length_of(preprocessor: Any) -> int:
    """In tokens."""
    return int(preprocessor.text.encoder.section.max_length)


def write(subject: Subject, folder: Path) -> None:
    """Write the models and ``model.json``.

    Raises:
        InputError: LiteRT cannot hold the model; says why.
    """
    writer = PlainWriter()
    with plain_kernels(subject.models, unroll=True), quiet_converters():
        description = _LitertDescription(subject, writer, folder).whole()
    files = [file for one in description["models"] for file in one["graphs"].values()]
    write_description(folder, description, files, "litert")


def loading(subject: Subject) -> str:
    """The lines that load it and predict."""
    return "\n".join(
        [
            "import textnets.lite.litert",
            "",
            'model = textnets.lite.litert.load(".")',
            'print(model.predict(["a text", "another"]))',
        ]
    )


class _LitertDescription(Description):
    """As of the file of NumPy, with the names of LiteRT's files in place of the graphs."""

    def __init__(self, subject: Subject, writer: ContentsWriter, folder: Path) -> None:
        super().__init__(subject, writer)
        self._folder, self._number = folder, 0
        self._kind, self._models = subject.quantize, list(subject.models)
        self._places = [member.place for member in members_of(subject)]
        self._lengths = [length_of(one) for one in preprocessors_of(subject)]

    def of_model(self, model: Any) -> dict[str, Any]:
        length = self._lengths[self._places[self._number]]
        self._number += 1
        file = "model.tflite" if len(self._places) == 1 else f"model_{self._number}.tflite"
        (self._folder / file).write_bytes(converted(model, length, self._kind))
        return {"graphs": {"model": file}, "input": model.inputs[0].name}


def round_weights(models: Sequence[Any], kind: str) -> None:
    """As the converter does it: all of them, however few they are."""
    import numpy as np

    for model in models:
        for variable in Weights.of(model).variables:
            variable.assign(np.asarray(variable, np.float32).astype(kind).astype(np.float32))


def converted(model: Any, length: int, quantize: str) -> bytes:
    """A model of ids as one of LiteRT.

    Args:
        model: of Keras, from ``<int32>[batch, length]``.
        length: of a text.
        quantize: ``float16``, ``int8`` or empty.

    Raises:
        InputError: LiteRT lacks an operation of it.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    (ids,) = model.inputs
    signature = [tf.TensorSpec((1, length), ids.dtype, ids.name)]
    graph = tf.function(lambda given: model(given, training=False), input_signature=signature)
    # Else its weights would be variables, which the interpreter finds empty.
    frozen = convert_variables_to_constants_v2(graph.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        content: bytes = converter.convert()
    except Exception as error:
        lines = [line for line in str(error).splitlines() if "error" in line] or [str(error)]
        raise InputError(f"litert cannot hold the model: {lines[0]}; numpy and onnx may") from None
    return content
