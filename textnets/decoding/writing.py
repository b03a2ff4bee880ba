"""Writing texts with a language model, token by token."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.backend.steps import compiled
from textnets.decoding.sampling import Sampling, write_tokens
from textnets.text.encoded import RaggedIds
from textnets.text.vocabulary import BOS_ID, PADDING_ID, UNKNOWN_ID

_NEVER = frozenset({PADDING_ID, UNKNOWN_ID, BOS_ID})
_ROWS = 64  # prompts at a time
_NO_LIMIT = 2**30


@dataclass(frozen=True)
class WrittenIds:
    """What was written after one prompt: ``[tokens]`` and ``[tokens, alternatives]``."""

    token_ids: npt.NDArray[np.int32]
    log_probabilities: npt.NDArray[np.float32]
    alternative_ids: npt.NDArray[np.int32]
    alternative_probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextWriter:
    """Writes with one language model.

    Attributes:
        write_batch: :func:`textnets.decoding.sampling.write_tokens`, compiled, by the number of
            alternatives.
        state_sizes: of the model's states.
        allowed: ``<bool>[vocabulary]``: tokens that may be written.
        end_id: what ends a text; -1 where nothing does.
    """

    write_batch: Callable[[int], Callable[..., Any]]
    state_sizes: tuple[int, ...]
    allowed: npt.NDArray[np.bool_]
    end_id: int = -1

    @classmethod
    def of(cls, core: Any, *, end_id: int, never: frozenset[int] = frozenset()) -> TextWriter:
        """For a model as :func:`textnets.builders.build_rnn_language_model` builds it.

        Args:
            core: the model.
            end_id: what ends a text; -1 for a model of running text, which has no end.
            never: token ids that are not written, besides padding, [UNK] and [BOS].
        """

        import keras

        def step(token_ids: Any, states: Any) -> Any:
            read = core({"token_ids": token_ids[:, None], "states": states}, training=False)
            # A loop's states keep their type, whatever the model computes in.
            after = [keras.ops.cast(state, "float32") for state in read["states"]]
            return read["logits"][:, 0], after

        @functools.cache
        def write_batch(num_alternatives: int) -> Callable[..., Any]:
            write = functools.partial(
                write_tokens, step, end_id=end_id, num_alternatives=num_alternatives
            )
            return compiled(core, write)

        sizes = tuple(state.shape[-1] for state in core.input["states"])
        ids = np.arange(core.output["logits"].shape[-1])
        return cls(write_batch, sizes, ~np.isin(ids, [*_NEVER, *never]), end_id)

    def write(
        self,
        prompts: RaggedIds,
        length: int,
        sampling: Sampling,
        *,
        seeds: Sequence[Sequence[int]],
        num_alternatives: int = 0,
    ) -> list[WrittenIds]:
        """Continue each prompt by ``length`` tokens at most.

        Args:
            prompts: one or more ids a row.
            length: tokens to write.
            sampling: how to choose them.
            seeds: one for each prompt; what is written depends on it, not on other prompts.
            num_alternatives: how many of the most likely tokens to tell at each place.
        """
        found = []
        for start in range(0, len(prompts), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(prompts)))
            noise = [np.random.default_rng(seeds[row]).random(length) for row in rows.tolist()]
            written = self._write(
                prompts.pad(rows, int(prompts.lengths[rows].max())),
                prompts.lengths[rows],
                self._no_states(len(rows)),
                np.array(noise, np.float32),
                sampling,
                num_alternatives,
            )
            written.pop("states", None)
            arrays = {name: np.asarray(values) for name, values in written.items()}
            found += [_row(arrays, row, num_alternatives) for row in range(len(rows))]
        return found

    def stream(
        self,
        prompt: npt.NDArray[np.int32],
        length: int,
        sampling: Sampling,
        *,
        seed: Sequence[int],
        num_alternatives: int = 0,
    ) -> Iterator[WrittenIds]:
        """What :meth:`write` writes after one prompt, token by token.

        Args:
            prompt: ``<int32>[tokens]``, one or more.
            length, sampling, seed, num_alternatives: as there.
        """
        generator, states = np.random.default_rng(seed), self._no_states(1)
        for _ in range(length):
            noise = np.array([[generator.random()]], np.float32)
            lengths = np.array([len(prompt)])
            written = self._write(prompt[None], lengths, states, noise, sampling, num_alternatives)
            states = written.pop("states")
            arrays = {name: np.asarray(values) for name, values in written.items()}
            token = _row(arrays, 0, num_alternatives)
            yield token
            if token.token_ids[0] == self.end_id:
                return
            prompt = token.token_ids

    def _no_states(self, rows: int) -> list[Any]:
        return [np.zeros((rows, size), np.float32) for size in self.state_sizes]

    def _write(
        self,
        prompts: npt.NDArray[np.int32],
        lengths: npt.NDArray[np.int64],
        states: list[Any],
        noise: npt.NDArray[np.float32],
        sampling: Sampling,
        num_alternatives: int,
    ) -> dict[str, Any]:
        written: dict[str, Any] = self.write_batch(max(1, num_alternatives))(
            prompts,
            lengths.astype(np.int32),
            states,
            noise,
            self.allowed,
            np.float32(sampling.temperature),
            np.int32(sampling.top_k or _NO_LIMIT),
            np.float32(sampling.top_p if sampling.top_p < 1.0 else 2.0),
        )
        return written


def _row(arrays: dict[str, npt.NDArray[Any]], row: int, num_alternatives: int) -> WrittenIds:
    token_ids = arrays["token_ids"][row]
    size = int((token_ids != PADDING_ID).sum())
    return WrittenIds(
        token_ids[:size],
        arrays["log_probabilities"][row, :size],
        arrays["alternative_ids"][row, :size, :num_alternatives],
        arrays["alternative_probabilities"][row, :size, :num_alternatives],
    )
