"""What every decoder here calls: one step of a model that writes a sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: ``(token_ids, states) -> (logits, states)``: the last tokens, ``<int32>[rows]``, and a nest of
#: arrays whose first dimension is the rows, to ``<float32>[rows, vocabulary]`` and the states
#: after those tokens. Written in ``keras.ops``, so that a whole decoding is one compiled call
#: (:func:`textnets.backend.steps.compiled`).
Step = Callable[[Any, Any], tuple[Any, Any]]

#: The score of what cannot be written. A finite one: differences of infinities are no numbers.
NO_SCORE = -1e30
