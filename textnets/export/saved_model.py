"""TensorFlow's SavedModel: texts in, answers out, with tokenizer and vocabulary inside.

What is written needs TensorFlow and tensorflow-text, and nothing of textnets. It lies where TF
Serving looks for it: in a folder with the number of the version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textnets.decoding.tags import conditional_random_field, penalties, span_rules, tag_decoder
from textnets.errors import InputError
from textnets.export.members import Member, members_of, plain_kernels, preprocessors_of
from textnets.export.subject import Subject
from textnets.export.text_graphs import JoinGraph, WordGraph, is_blank, split_at_blanks, text_graph
from textnets.tasks.classification.preprocessor import ClassificationPreprocessor
from textnets.tasks.tagging.preprocessor import TaggingPreprocessor
from textnets.tasks.translation.preprocessor import TranslationPreprocessor

#: Of the model, as TF Serving numbers them.
VERSION = "1"
_LEAST = 1e-7  # of a probability that is mixed, see textnets.predictions
_DEFAULT = "serving_default"

_Found = dict[str, Any]


@dataclass(frozen=True)
class _Signature:
    """One way to call what is saved.

    Attributes:
        function: from tensors to tensors by name.
        inputs: their ``tf.TensorSpec`` by name.
    """

    function: Callable[..., _Found]
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class _Graphs:
    """What is saved.

    Attributes:
        signatures: by name.
        held: tables and other resources.
    """

    signatures: Mapping[str, _Signature]
    held: Sequence[Any]


def write(subject: Subject, folder: Path) -> None:
    """Write ``1/saved_model.pb`` and what belongs to it.

    Raises:
        InputError: the run's texts become ids in a way that no graph has; says which format can.
    """
    import tensorflow as tf

    members, preprocessors = members_of(subject), preprocessors_of(subject)
    graphs = _GRAPHS[subject.task.name](members, preprocessors)
    module = tf.Module()
    module.variables_of_models = [
        variable.value for member in members for variable in member.model.variables
    ]
    module.held = list(graphs.held)
    with plain_kernels([member.model for member in members]):
        module.functions = {
            name: tf.function(signature.function) for name, signature in graphs.signatures.items()
        }
        traced = {
            name: module.functions[name].get_concrete_function(**signature.inputs)
            for name, signature in graphs.signatures.items()
        }
        tf.saved_model.save(
            module,
            str(folder / VERSION),
            signatures=traced,
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )


def loading(subject: Subject) -> str:
    """The lines that load the model and predict."""
    return "\n".join(
        [
            "import tensorflow as tf",
            "import tensorflow_text  # the model has operations of it",
            f'model = tf.saved_model.load("{VERSION}")  # keep it: its functions rest on it',
            'texts = tf.constant(["a text", "another"])',
            'print(model.signatures["serving_default"](texts=texts))',
        ]
    )


def _texts() -> Mapping[str, Any]:
    import tensorflow as tf

    return {"texts": tf.TensorSpec([None], tf.string, "texts")}


def _constant_labels(labels: Sequence[str]) -> _Signature:
    """Tells the names of the columns."""
    import tensorflow as tf

    names = tf.constant([label.encode() for label in labels])
    return _Signature(lambda: {"labels": tf.identity(names)}, {})


# --- Classification ---


def _classifier(
    members: Sequence[Member], preprocessors: Sequence[ClassificationPreprocessor]
) -> _Graphs:
    import tensorflow as tf

    first = preprocessors[0]
    readers = [text_graph(one.own_encoder) for one in preprocessors]
    labels = tf.constant([label.encode() for label in first.labels])
    is_binary = len(first.labels) == 2 and not first.multi_label

    def answer(texts: Any) -> _Found:
        inputs = [read(texts) for read, _ in readers]
        outputs = [
            tf.cast(member.model(inputs[member.place], training=False), tf.float32)
            for member in members
        ]
        mixed = outputs[0]
        if len(outputs) > 1:
            weights = [member.weight for member in members]
            mixed = _mixed_classes(outputs, weights, independent=first.multi_label)
        if is_binary and mixed.shape[-1] == 1:
            mixed = tf.concat([1.0 - mixed, mixed], axis=1)
        found = {"probabilities": mixed}
        if first.multi_label:
            return {**found, "chosen": mixed > 0.5}
        best = tf.argmax(mixed, axis=1)
        return {
            **found,
            "label": tf.gather(labels, best),
            "probability": tf.reduce_max(mixed, axis=1),
        }

    signatures = {
        _DEFAULT: _Signature(answer, _texts()),
        "labels": _constant_labels(first.labels),
    }
    return _Graphs(signatures, [one for _, resources in readers for one in resources])


def _mixed_classes(outputs: Sequence[Any], weights: Sequence[float], *, independent: bool) -> Any:
    """As :func:`textnets.predictions.mix_classes`."""
    import tensorflow as tf

    known = [tf.clip_by_value(tf.cast(one, tf.float64), _LEAST, 1.0 - _LEAST) for one in outputs]
    if independent or outputs[0].shape[-1] == 1:
        logits = [w * (tf.math.log(one) - tf.math.log1p(-one)) for w, one in _pairs(weights, known)]
        return tf.cast(tf.sigmoid(tf.add_n(logits)), tf.float32)
    total = tf.add_n([w * tf.math.log(one) for w, one in _pairs(weights, known)])
    return tf.cast(tf.nn.softmax(total, axis=-1), tf.float32)


def _pairs(weights: Sequence[float], found: Sequence[Any]) -> list[tuple[float, Any]]:
    return list(zip(weights, found, strict=True))


# --- Tagging ---


def _tagger(members: Sequence[Member], preprocessors: Sequence[TaggingPreprocessor]) -> _Graphs:
    import tensorflow as tf

    first = preprocessors[0]
    if any(one.features is not None for one in preprocessors):
        raise InputError(
            "savedmodel cannot hold a model that reads features of words: Python finds those; "
            "numpy and onnx can"
        )
    if any(one.columns is not None for one in preprocessors):
        raise InputError(
            "savedmodel cannot hold a model that reads further columns of words (data.features); "
            "numpy and onnx can"
        )
    readers = [WordGraph(one.encoder) for one in preprocessors]
    labels = tf.constant([label.encode() for label in first.labels])
    tag = _tagging(members, first)

    def answer(words: Any) -> _Found:
        probabilities, chosen = tag([read(words) for read in readers])
        lengths = words.row_lengths()
        is_word = tf.sequence_mask(lengths, tf.shape(chosen)[1])
        best = tf.gather(probabilities, chosen, batch_dims=2)
        # A sentence without words was read as one that is unknown.
        tokens = words.to_tensor("", shape=[None, None])
        room = tf.shape(chosen)[1] - tf.shape(tokens)[1]
        return {
            "tokens": tf.pad(tokens, [[0, 0], [0, room]], constant_values=""),
            "tags": tf.where(is_word, tf.gather(labels, chosen), ""),
            "probability": tf.where(is_word, best, 0.0),
            "probabilities": tf.where(is_word[:, :, None], probabilities, 0.0),
            "lengths": lengths,
        }

    def of_texts(texts: Any) -> _Found:
        return answer(split_at_blanks(texts))

    def of_tokens(tokens: Any, row_splits: Any) -> _Found:
        return answer(tf.RaggedTensor.from_row_splits(tokens, row_splits))

    ragged = {
        "tokens": tf.TensorSpec([None], tf.string, "tokens"),
        "row_splits": tf.TensorSpec([None], tf.int64, "row_splits"),
    }
    signatures = {
        _DEFAULT: _Signature(of_texts, _texts()),
        "tokens": _Signature(of_tokens, ragged),
        "labels": _constant_labels(first.labels),
    }
    return _Graphs(signatures, [one for reader in readers for one in reader.resources])


def _tagging(
    members: Sequence[Member], first: TaggingPreprocessor
) -> Callable[[Sequence[_Found]], tuple[Any, Any]]:
    """From the inputs of each preprocessor to the probabilities of tags, ``<float32>[batch,
    longest, tags]``, and the chosen ones, ``<int32>[batch, longest]``."""
    import tensorflow as tf

    rules = span_rules(first.labels) if first.recipe.evaluation.constrained else None
    num_tags = len(first.labels)
    if len(members) == 1:
        model = members[0].model
        is_free = rules is None and conditional_random_field(model) is None
        decoder = model if is_free else tag_decoder(model, rules)

        def of_one(inputs: Sequence[_Found]) -> tuple[Any, Any]:
            found = tf.cast(_called(decoder, inputs[0]), tf.float32)
            likely = found[:, :, :num_tags]
            best = tf.argmax(likely, axis=-1) if is_free else found[:, :, num_tags]
            return likely, tf.cast(best, tf.int32)

        return of_one

    def of_several(inputs: Sequence[_Found]) -> tuple[Any, Any]:
        outputs = [_called(member.model, inputs[member.place]) for member in members]
        known = [tf.clip_by_value(tf.cast(one, tf.float32), _LEAST, 1.0) for one in outputs]
        weights = [member.weight for member in members]
        total = tf.add_n([w * tf.math.log(one) for w, one in _pairs(weights, known)])
        if rules is None:
            chosen = tf.argmax(total, axis=-1, output_type=tf.int32)
        else:
            from textnets.layers.crf import viterbi

            mask = inputs[0]["token_ids"] != 0
            chosen = tf.cast(viterbi(total, mask, *penalties(rules, num_tags)), tf.int32)
        return tf.nn.softmax(total, axis=-1), chosen

    return of_several


def _called(model: Any, inputs: _Found) -> Any:
    """A model's answer to those of some inputs that it takes."""
    names = [tensor.name for tensor in model.inputs]
    given: Any = {name: inputs[name] for name in names}
    return model(given if len(names) > 1 else given[names[0]], training=False)


# --- Translation ---


def _translator(
    members: Sequence[Member], preprocessors: Sequence[TranslationPreprocessor]
) -> _Graphs:
    import tensorflow as tf

    from textnets.decoding.step import NO_SCORE
    from textnets.decoding.translating import LENGTH_EXTRA, search_graph, translating_parts
    from textnets.tasks.translation.inference import search_of
    from textnets.text.vocabulary import EOS_ID, PADDING_ID

    preprocessor = preprocessors[0]  # models that write together have the same tokens
    section = preprocessor.recipe.evaluation
    source = preprocessor.source.encoder
    join = JoinGraph(preprocessor.target_section.tokenizer, preprocessor.target.vocabulary)
    parts = translating_parts(
        [member.model for member in members], [member.weight for member in members]
    )
    if section.copy_unknown:
        raise InputError(
            "evaluation.copy_unknown: a SavedModel cannot copy words of the source; --to numpy can"
        )
    search = search_graph(parts, search_of(section).rules)

    def answer(texts: Any) -> _Found:
        rows = source.encode_graph(texts)
        longest = tf.math.ceil(tf.cast(rows.row_lengths(), tf.float64) * section.length_ratio)
        limits = tf.cast(longest, tf.int32) + LENGTH_EXTRA
        room = tf.zeros([tf.reduce_max(limits)], tf.int32)
        ids, scores, sums = search(rows.to_tensor(), limits, room)
        ids, scores, sums = (one[:, : section.n_best] for one in (ids, scores, sums))
        # A model knows nothing of a text without words, and would say something.
        is_found = (scores > NO_SCORE / 2) & ~is_blank(texts)[:, None]
        shape = tf.shape(ids)
        flat = tf.reshape(ids, [-1, shape[2]])
        is_token = (flat != EOS_ID) & (flat != PADDING_ID)
        joined = join(tf.ragged.boolean_mask(flat, is_token))
        translations = tf.where(is_found, tf.reshape(joined, shape[:2]), "")
        scores = tf.where(is_found, scores, 0.0)
        sums = tf.where(is_found, sums, 0.0)
        return {
            "translation": translations[:, 0],
            "score": scores[:, 0],
            "log_probability": sums[:, 0],
            "translations": translations,
            "scores": scores,
            "log_probabilities": sums,
            "found": is_found,
        }

    return _Graphs({_DEFAULT: _Signature(answer, _texts())}, source.resources)


# What is saved of a run, by its task: each has its own inputs and outputs. Those of
# textnets.export.formats.FORMATS, which says whose runs the format can hold.
_GRAPHS: Mapping[str, Callable[[Sequence[Member], Sequence[Any]], _Graphs]] = {
    "classification": _classifier,
    "tagging": _tagger,
    "translation": _translator,
}
