"""How surprised a language model is by each token of a text: -log p(token | what came before).

The softmax is over the whole vocabulary, and its probabilities are never held for more than
a batch of windows. States are carried from window to window, so a row may have any length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.backend.steps import compiled
from textnets.errors import InputError, TrainingError
from textnets.progress import Progress
from textnets.text.encoded import IntArray, padded_width

_LOGITS = 2**25  # at a time: 128 MiB of float32
_ROWS = 64
_LONGEST_WINDOW = 128
_BUCKET = 16

#: A stream is read in this many parts at once, so that the answer depends on no batch size.
PARTS = 32
#: Tokens before a part that are read, but not scored, to bring the states into their stride.
WARM_UP = 256
_LEAST_PART = 512  # tokens; a shorter text has fewer parts

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SurprisalReader:
    """Reads texts with one language model.

    Attributes:
        score: ``(token_ids, target_ids, states) -> (surprisals, states)``, compiled; what it gives
            for each place may also be a vector, see :meth:`of_features`.
        state_sizes: of the model's states.
        vocabulary_size: what the softmax is over.
    """

    score: Callable[..., Any]
    state_sizes: tuple[int, ...]
    vocabulary_size: int

    @classmethod
    def of(cls, core: Any) -> SurprisalReader:
        """For a model as :func:`textnets.builders.build_rnn_language_model` builds it."""
        import keras

        from textnets.builders.loss_model import split_at_loss

        inner, output, loss = split_at_loss(core)

        def score(token_ids: Any, target_ids: Any, states: Any) -> Any:
            read = inner({"token_ids": token_ids, "states": states}, training=False)
            after = [keras.ops.cast(state, "float32") for state in read["states"]]
            return loss([read[output], target_ids]), after

        sizes = tuple(state.shape[-1] for state in core.input["states"])
        return cls(compiled(core, score), sizes, core.output["logits"].shape[-1])

    @classmethod
    def of_features(cls, core: Any) -> SurprisalReader:
        """One that gives, in place of surprisals, the vectors that the softmax reads,
        ``<float32>[tokens, width]``.

        Raises:
            InputError: the model has no layer ``features``.
        """
        import keras

        if "features" not in {layer.name for layer in core.layers}:
            raise InputError(
                "evaluation.cache: needs a model with a layer 'features', which gives what the "
                "softmax reads; remove the key"
            )
        outputs = {"features": core.get_layer("features").output, "states": core.output["states"]}
        inner = keras.Model(core.input, outputs)

        def read(token_ids: Any, target_ids: Any, states: Any) -> Any:
            found = inner({"token_ids": token_ids, "states": states}, training=False)
            after = [keras.ops.cast(state, "float32") for state in found["states"]]
            return keras.ops.cast(found["features"], "float32"), after

        sizes = tuple(state.shape[-1] for state in core.input["states"])
        return cls(compiled(core, read), sizes, core.output["logits"].shape[-1])

    def read_stream(
        self, token_ids: IntArray, target_ids: IntArray, progress: Progress, *, parts: int = PARTS
    ) -> Floats:
        """The surprisals of one running text, in nats.

        The text is read in ``parts`` at once. Each begins :data:`WARM_UP` tokens early, with
        zero states, and is scored from where the part before it ends.

        Args:
            token_ids, target_ids: ``<int32>[tokens]``.

        Returns:
            ``<float32>[tokens]``.
        """
        total = len(target_ids)
        parts = max(1, min(parts, total // _LEAST_PART))
        borders = np.linspace(0, total, parts + 1).astype(np.int64)
        begins, ends = np.maximum(borders[:-1] - WARM_UP, 0), borders[1:]
        found = self._read(token_ids, target_ids, begins, ends, progress)
        return np.concatenate(
            [
                row[border - begin :]
                for row, border, begin in zip(found, borders[:-1], begins, strict=True)
            ]
        )

    def read_rows(
        self, token_ids: IntArray, target_ids: IntArray, offsets: Integers, progress: Progress
    ) -> Floats:
        """The surprisals of texts that have nothing to do with each other.

        Args:
            token_ids, target_ids: ``<int32>[tokens]``, one text after the other.
            offsets: ``<int64>[texts + 1]``.

        Returns:
            ``<float32>[tokens]``.
        """
        found = self._read(token_ids, target_ids, offsets[:-1], offsets[1:], progress)
        return np.concatenate([np.zeros(0, np.float32), *found])

    def _read(
        self,
        token_ids: IntArray,
        target_ids: IntArray,
        begins: Integers,
        ends: Integers,
        progress: Progress,
    ) -> list[Floats]:
        """The surprisals of stretches of a text, each read from zero states."""
        lengths = ends - begins
        found = [np.zeros(0, np.float32) for _ in lengths]
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] > 0]
        with progress.steps("scoring", int(lengths.sum()), "tokens") as step:
            for first in range(0, len(order), _ROWS):
                rows = order[first : first + _ROWS]
                values = self._read_batch(token_ids, target_ids, begins[rows], lengths[rows], step)
                for row, of_row in zip(rows.tolist(), values, strict=True):
                    found[row] = of_row[: lengths[row]]
        return found

    def _read_batch(
        self,
        token_ids: IntArray,
        target_ids: IntArray,
        begins: Integers,
        lengths: Integers,
        step: Any,
    ) -> Floats:
        """``<float32>[rows, longest]``; beyond a row's length the numbers mean nothing."""
        rows, longest = len(begins), int(lengths.max())
        most = max(_BUCKET, _LOGITS // (rows * self.vocabulary_size) // _BUCKET * _BUCKET)
        window = min(most, _LONGEST_WINDOW, padded_width(longest, _BUCKET))
        states = [np.zeros((rows, size), np.float32) for size in self.state_sizes]
        values = []
        for start in range(0, longest, window):
            columns = np.arange(start, start + window)
            inside = columns < lengths[:, None]
            places = np.where(inside, begins[:, None] + columns, 0)
            surprisals, states = self.score(
                np.where(inside, token_ids[places], 0).astype(np.int32),
                np.where(inside, target_ids[places], 0).astype(np.int32),
                states,
            )
            found = np.asarray(surprisals)
            counts = inside if found.ndim == 2 else inside[:, :, None]
            found = np.where(counts, found, 0.0).astype(np.float32)
            if not np.isfinite(found).all():
                raise TrainingError(
                    "the model's outputs are no longer finite numbers: its weights have diverged. "
                    "Try a lower training.learning_rate, or training.clip_norm: 1.0"
                )
            values.append(found)
            step.advance(int(inside.sum()))
        return np.concatenate(values, axis=1)
