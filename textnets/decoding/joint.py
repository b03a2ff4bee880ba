"""Several models that write one text, or read it, together: at each token they are mixed.

Each looks like the one model in whose place it stands, so that searches and writers need not know.
The models have the same tokens. Translators are mixed in log-probability, which in a search is the
mean of their logits; language models in probability, so that a token has a chance where one of
them gives it one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textnets.decoding.surprisals import Floats, Integers, SurprisalReader
from textnets.progress import Progress
from textnets.text.encoded import IntArray

if TYPE_CHECKING:
    from textnets.decoding.encoder_decoder import Encoded, EncoderDecoder


class JointEncoderDecoder:
    """Encoder-decoders that write one translation.

    Args:
        parts: of each model.
        weights: of each; they sum to 1.
    """

    def __init__(self, parts: Sequence[EncoderDecoder], weights: Sequence[float]) -> None:
        self._parts, self._weights = parts, weights

    @property
    def variables(self) -> list[Any]:
        """Of all models."""
        return [variable for part in self._parts for variable in part.variables]

    def encode(self, source_ids: Any) -> Encoded:
        """As :meth:`EncoderDecoder.encode`: ``states`` and what else each of them gives."""
        found = [part.encode(source_ids) for part in self._parts]
        return {"states": [of_one.pop("states") for of_one in found], "others": found}

    def decode(self, target_ids: Any, encoded: Encoded) -> tuple[Any, list[Any], Any]:
        """As :meth:`EncoderDecoder.decode`; the weights of attention are the weighted mean of
        those of all models, or ``None`` where one has none."""
        import keras

        total, after, looks = 0.0, [], []
        for part, weight, states, others in zip(
            self._parts, self._weights, encoded["states"], encoded["others"], strict=True
        ):
            logits, states, attention = part.decode(target_ids, {"states": states, **others})
            logits = keras.ops.cast(logits, "float32")
            total = total + weight * keras.ops.log_softmax(logits, axis=-1)
            after.append(states)
            looks.append(None if attention is None else weight * attention)
        return total, after, None if any(look is None for look in looks) else sum(looks)


class JointLanguageModel:
    """Language models that write one text, called as one of them is.

    Args:
        models: as :func:`textnets.builders.build_rnn_language_model` builds them.
        weights: of each; they sum to 1.

    Attributes:
        input, output: ``states`` of all models, and ``logits``, as of a ``keras.Model``.
    """

    def __init__(self, models: Sequence[Any], weights: Sequence[float]) -> None:
        self._models, self._weights = models, weights
        self.input = {"states": [state for model in models for state in model.input["states"]]}
        self.output = {"logits": models[0].output["logits"]}

    @property
    def variables(self) -> list[Any]:
        """Of all models."""
        return [variable for model in self._models for variable in model.variables]

    def __call__(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """The logarithms of the mixed probabilities, which are logits, and all states."""
        from keras import ops

        states, found, after = list(inputs["states"]), [], []
        for model, weight in zip(self._models, self._weights, strict=True):
            own, states = states[: len(model.input["states"])], states[len(model.input["states"]) :]
            read = model({"token_ids": inputs["token_ids"], "states": own}, training=training)
            logits = ops.cast(read["logits"], "float32")
            found.append(ops.log_softmax(logits, axis=-1) + float(np.log(weight)))
            after += list(read["states"])
        return {"logits": ops.logsumexp(ops.stack(found), axis=0), "states": after}


class JointReader:
    """Reads texts with several language models; as :class:`SurprisalReader`.

    Args:
        readers: of each model.
        weights: of each; they sum to 1.
    """

    def __init__(self, readers: Sequence[SurprisalReader], weights: Sequence[float]) -> None:
        self._readers, self._weights = readers, weights

    def read_stream(self, token_ids: IntArray, target_ids: IntArray, progress: Progress) -> Floats:
        """See :meth:`SurprisalReader.read_stream`."""
        return mix_surprisals(
            [reader.read_stream(token_ids, target_ids, progress) for reader in self._readers],
            self._weights,
        )

    def read_rows(
        self, token_ids: IntArray, target_ids: IntArray, offsets: Integers, progress: Progress
    ) -> Floats:
        """See :meth:`SurprisalReader.read_rows`."""
        return mix_surprisals(
            [
                reader.read_rows(token_ids, target_ids, offsets, progress)
                for reader in self._readers
            ],
            self._weights,
        )


def mix_surprisals(
    surprisals: Sequence[npt.NDArray[np.floating[Any]]], weights: Sequence[float]
) -> Floats:
    """What a mixture of models is surprised by: minus the logarithm of the weighted mean of their
    probabilities.

    Args:
        surprisals: ``<float>[tokens]`` of each model, in nats.
        weights: of each; they sum to 1.

    Returns:
        ``<float32>[tokens]``.
    """
    counted = [pair for pair in zip(surprisals, weights, strict=True) if pair[1] > 0.0]
    logarithms = [np.log(weight) - of_one.astype(np.float64) for of_one, weight in counted]
    mixed: Floats = (-np.logaddexp.reduce(logarithms, axis=0)).astype(np.float32)
    return mixed
