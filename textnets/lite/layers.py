"""What each layer computes, by its class; textnets' own begin with ``textnets.``.

Arrays are ``<float32>`` but for ids and masks. What only happens in training happens here never.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from textnets.errors import RunError
from textnets.lite.activations import (
    ACTIVATIONS,
    elu,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    softplus,
)
from textnets.lite.graph import Array, LiteLayer
from textnets.lite.recurrent import CELLS, attention_rnn, bidirectional, no_layer, recurrent

_LOWEST = np.float32(-3.0e38)
_HIDDEN = np.float32(-1e9)
_TINY = np.float32(1e-30)
_LARGEST = 2**20  # times that something may be repeated


def _same(layer: LiteLayer, inputs: Any, *arguments: Any, **named: Any) -> Any:
    return inputs


def _activate(layer: LiteLayer, values: Array) -> Array:
    return ACTIVATIONS[layer.config["activation"]](values)


# --- Tables and dense layers ---


def _embedding(layer: LiteLayer, ids: Array) -> Array:
    return layer.weights.rows("embeddings", np.asarray(ids).astype(np.int64))


def _reversible(layer: LiteLayer, inputs: Array, reverse: bool = False) -> Array:
    if not reverse:
        return _embedding(layer, inputs)
    name = "reverse_embeddings"
    kernel = layer.weights[name] if name in layer.weights else layer.weights["embeddings"].T
    logits = _product(inputs, kernel)
    cap = layer.config.get("logit_soft_cap")
    return logits if cap is None else np.tanh(logits / cap) * np.float32(cap)


def _product(inputs: Array, kernel: Array) -> Array:
    """``[..., width]`` times ``[width, columns]``, as one product."""
    found = inputs.reshape(-1, inputs.shape[-1]) @ kernel
    return found.reshape(*inputs.shape[:-1], kernel.shape[1])


def _dense(layer: LiteLayer, inputs: Array) -> Array:
    found = _product(inputs, layer.weights["kernel"])
    if "bias" in layer.weights:
        found = found + layer.weights["bias"]
    return _activate(layer, found)


def _einsum_dense(layer: LiteLayer, inputs: Array) -> Array:
    found = np.einsum(layer.config["equation"], inputs, layer.weights["kernel"])
    if "bias" in layer.weights:
        found = found + layer.weights["bias"]
    return _activate(layer, found)


def _token_table(layer: LiteLayer, inputs: Array, reverse: bool = False) -> Array:
    if not reverse:
        return _embedding(layer, inputs)
    return _product(inputs, layer.weights["embeddings"].T) + _next_bias(layer)


def _next_bias(layer: LiteLayer) -> Array:
    """Biases; padding and [BOS] follow nothing."""
    bias = layer.weights["bias"].copy()
    bias[[0, 2]] = _HIDDEN
    return bias


def _adaptive_table(layer: LiteLayer, inputs: Array, reverse: bool = False) -> Array:
    if not reverse:
        return _embedding(layer, inputs)
    table = layer.weights["embeddings"]
    return _adaptive_logits(
        layer, inputs, lambda number, start, end: _product(inputs, table[start:end].T)
    )


def _adaptive_logits(
    layer: LiteLayer, inputs: Array, products: Callable[[int, int, int], Array]
) -> Array:
    """A softmax over frequent tokens and groups, and one within each group."""
    table, bias = layer.weights["embeddings"], _next_bias(layer)
    first = _groups(layer)[0][0]
    rows = np.concatenate([table[:first], layer.weights["group_vectors"]])
    head_bias = np.concatenate([bias[:first], layer.weights["group_bias"]])
    head = log_softmax(_product(inputs, rows.T) + head_bias)
    parts = [head[..., :first]]
    for number, (start, end) in enumerate(_groups(layer)):
        within = log_softmax(products(number, start, end) + bias[start:end])
        parts.append(head[..., first + number, None] + within)
    return np.concatenate(parts, axis=-1)


def _groups(layer: LiteLayer) -> list[tuple[int, int]]:
    """The first id of each group and the first after it."""
    cutoffs = [int(cutoff) for cutoff in layer.config["cutoffs"]]
    return list(pairwise([*cutoffs, len(layer.weights["bias"])]))


def _reduced_table(layer: LiteLayer, inputs: Array, reverse: bool = False) -> Array:
    """Rare tokens have shorter vectors, and a matrix a group."""
    weights, groups = layer.weights, _groups(layer)
    if reverse:
        return _adaptive_logits(
            layer,
            inputs,
            lambda number, start, end: _product(
                _product(inputs, weights[f"projection_{number}"].T), weights[f"table_{number}"].T
            ),
        )
    ids = np.asarray(inputs).astype(np.int64)
    found = weights.rows("embeddings", np.minimum(ids, groups[0][0] - 1))
    for number, (start, end) in enumerate(groups):
        places = np.clip(ids - start, 0, end - start - 1)
        vectors = _product(weights.rows(f"table_{number}", places), weights[f"projection_{number}"])
        found = np.where(((ids >= start) & (ids < end))[..., None], vectors, found)
    return found


# --- Activations and normalization ---


def _softmax_layer(layer: LiteLayer, inputs: Array, mask: Array | None = None) -> Array:
    scores = inputs if mask is None else np.where(mask, inputs, _LOWEST)
    return softmax(scores, layer.config["axis"])


def _relu_layer(layer: LiteLayer, inputs: Array) -> Array:
    of = layer.config
    return relu(inputs, of["negative_slope"], of["max_value"], of["threshold"]).astype(np.float32)


def _leaky_relu(layer: LiteLayer, inputs: Array) -> Array:
    return relu(inputs, layer.config["negative_slope"]).astype(np.float32)


def _prelu(layer: LiteLayer, inputs: Array) -> Array:
    return np.maximum(inputs, 0) + layer.weights["alpha"] * np.minimum(inputs, 0)


def _layer_norm(layer: LiteLayer, inputs: Array) -> Array:
    axes = _axes(layer, inputs)
    centered = inputs - inputs.mean(axis=axes, keepdims=True)
    variance = (centered * centered).mean(axis=axes, keepdims=True)
    return _scaled(layer, centered / np.sqrt(variance + np.float32(layer.config["epsilon"])), axes)


def _rms_norm(layer: LiteLayer, inputs: Array) -> Array:
    axes = _axes(layer, inputs)
    mean = (inputs * inputs).mean(axis=axes, keepdims=True)
    return _scaled(layer, inputs / np.sqrt(mean + np.float32(layer.config["epsilon"])), axes)


def _batch_norm(layer: LiteLayer, inputs: Array, training: bool = False, mask: Any = None) -> Array:
    axes = _axes(layer, inputs)
    mean, variance = (
        _spread(layer.weights[name], inputs, axes) for name in ("moving_mean", "moving_variance")
    )
    normal = (inputs - mean) / np.sqrt(variance + np.float32(layer.config["epsilon"]))
    return _scaled(layer, normal, axes)


def _unit_norm(layer: LiteLayer, inputs: Array) -> Array:
    total = (inputs * inputs).sum(axis=_axes(layer, inputs), keepdims=True)
    return inputs / np.sqrt(np.maximum(total, 1e-12)).astype(np.float32)


def _axes(layer: LiteLayer, inputs: Array) -> tuple[int, ...]:
    given = layer.config["axis"]
    some = given if isinstance(given, list) else [given]
    return tuple(int(axis) % inputs.ndim for axis in some)


def _scaled(layer: LiteLayer, normal: Array, axes: Sequence[int]) -> Array:
    for name in ("gamma", "scale"):
        if name in layer.weights:
            normal = normal * _spread(layer.weights[name], normal, axes)
    if "beta" in layer.weights:
        normal = normal + _spread(layer.weights["beta"], normal, axes)
    return normal


def _spread(weights: Array, like: Array, axes: Sequence[int]) -> Array:
    shape = [size if axis in axes else 1 for axis, size in enumerate(like.shape)]
    return weights.reshape(shape)


# --- Convolutions and pooling ---


def _conv1d(layer: LiteLayer, inputs: Array) -> Array:
    found = _convolved(layer, inputs, layer.weights["kernel"], int(layer.config["groups"]))
    if "bias" in layer.weights:
        found = found + layer.weights["bias"]
    return _activate(layer, found)


def _convolved(layer: LiteLayer, inputs: Array, kernel: Array, groups: int) -> Array:
    """``[batch, length, width]`` with ``[size, width / groups, maps]``, a product for each place of
    the kernel."""
    of = layer.config
    stride, dilation = int(of["strides"]), int(of["dilation_rate"])
    padded, length = _padded(inputs, len(kernel), stride, dilation, of["padding"], 0.0)
    width, maps = inputs.shape[-1] // groups, kernel.shape[-1] // groups
    found = np.zeros((len(inputs), length, kernel.shape[-1]), np.float32)
    for place in range(len(kernel)):
        start = place * dilation
        seen = padded[:, start : start + (length - 1) * stride + 1 : stride]
        for group in range(groups):
            part = slice(group * maps, (group + 1) * maps)
            some = seen[..., group * width : (group + 1) * width]
            found[..., part] += _product(some, kernel[place][:, part])
    return found


def _padded(
    inputs: Array, size: int, stride: int, dilation: int, padding: str, fill: float
) -> tuple[Array, int]:
    """Inputs with what is put around them, and how long the answer is."""
    length, reach = inputs.shape[1], (size - 1) * dilation + 1
    if padding == "valid":
        before = after = 0
    elif padding == "causal":
        before, after = reach - 1, 0
    else:
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        before, after = total // 2, total - total // 2
    around = ((0, 0), (before, after), *((0, 0) for _ in inputs.shape[2:]))
    padded = np.pad(inputs, around, constant_values=fill) if before or after else inputs
    return padded, max(0, (padded.shape[1] - reach) // stride + 1)


def _depthwise(layer: LiteLayer, inputs: Array) -> Array:
    found = _by_depth(layer, inputs, layer.weights["kernel"])
    if "bias" in layer.weights:
        found = found + layer.weights["bias"]
    return _activate(layer, found)


def _by_depth(layer: LiteLayer, inputs: Array, kernel: Array) -> Array:
    """Each component by itself: ``[size, width, times]``."""
    of = layer.config
    stride, dilation = int(of["strides"]), int(of["dilation_rate"])
    padded, length = _padded(inputs, len(kernel), stride, dilation, of["padding"], 0.0)
    found = np.zeros((len(inputs), length, *kernel.shape[1:]), np.float32)
    for place in range(len(kernel)):
        start = place * dilation
        seen = padded[:, start : start + (length - 1) * stride + 1 : stride]
        found += seen[..., None] * kernel[place]
    return found.reshape(len(inputs), length, -1)


def _separable(layer: LiteLayer, inputs: Array) -> Array:
    found = _by_depth(layer, inputs, layer.weights["depthwise_kernel"])
    found = _product(found, layer.weights["pointwise_kernel"][0])
    if "bias" in layer.weights:
        found = found + layer.weights["bias"]
    return _activate(layer, found)


def _pool1d(layer: LiteLayer, inputs: Array, *, reduce: str) -> Array:
    of = layer.config
    size, stride = int(of["pool_size"]), int(of["strides"])
    fill = -np.inf if reduce == "max" else np.nan
    padded, length = _padded(inputs, size, stride, 1, of["padding"], fill)
    windows = np.stack([padded[:, i : i + (length - 1) * stride + 1 : stride] for i in range(size)])
    if reduce == "max":
        return windows.max(axis=0)
    return np.nanmean(windows, axis=0).astype(np.float32)  # padding counts in no mean


def _global_pool(
    layer: LiteLayer, inputs: Array, mask: Array | None = None, *, reduce: str
) -> Array:
    keep = bool(layer.config.get("keepdims"))
    if reduce == "max":
        return inputs.max(axis=1, keepdims=keep)
    if mask is None:
        return inputs.mean(axis=1, keepdims=keep)
    shares = np.asarray(mask, np.float32)[..., None]
    return (inputs * shares).sum(axis=1, keepdims=keep) / shares.sum(axis=1, keepdims=keep)


# --- Shapes and sums ---


def _merged(
    layer: LiteLayer, inputs: Sequence[Array], *, by: Callable[[Array, Array], Array]
) -> Array:
    highest = max(one.ndim for one in inputs)
    level = [_raised(one, highest) for one in inputs]
    return functools.reduce(by, level)


def _raised(one: Array, dimensions: int) -> Array:
    """As Keras's merging layers do: a new axis after the first, as often as one is missing."""
    while one.ndim < dimensions:
        one = np.expand_dims(one, 1)
    return one


def _average(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    return _merged(layer, inputs, by=np.add) / np.float32(len(inputs))


def _concatenate(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    return np.concatenate(inputs, axis=layer.config["axis"])


def _dot(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    one, other = inputs
    given = layer.config["axes"]
    axes = given if isinstance(given, list) else [given, given]
    first, second = (axis % array.ndim for axis, array in zip(axes, inputs, strict=True))
    if layer.config["normalize"]:
        one, other = (
            array / np.sqrt(np.maximum((array * array).sum(axis=axis, keepdims=True), 1e-12))
            for array, axis in ((one, first), (other, second))
        )
    left, right = np.moveaxis(one, first, -1), np.moveaxis(other, second, 1)
    if one.ndim == other.ndim == 2:
        return (
            (left * np.moveaxis(other, second, -1)).sum(axis=-1, keepdims=True).astype(np.float32)
        )
    if right.ndim == 2:
        right = right[..., None]
        return (left @ right)[..., 0].astype(np.float32)
    if left.ndim == 2:
        return (left[:, None] @ right)[:, 0].astype(np.float32)
    return (left @ right).astype(np.float32)


def _reshape(layer: LiteLayer, inputs: Array) -> Array:
    return inputs.reshape(len(inputs), *layer.config["target_shape"])


def _permute(layer: LiteLayer, inputs: Array) -> Array:
    return inputs.transpose(0, *layer.config["dims"])


def _repeat_vector(layer: LiteLayer, inputs: Array) -> Array:
    return np.repeat(inputs[:, None], _bounded(layer.config["n"]), axis=1)


def _cropped(layer: LiteLayer, inputs: Array) -> Array:
    start, end = layer.config["cropping"]
    return inputs[:, start : inputs.shape[1] - end]


def _zero_padded(layer: LiteLayer, inputs: Array) -> Array:
    start, end = map(_bounded, layer.config["padding"])
    return np.pad(inputs, ((0, 0), (start, end), (0, 0)))


def _upsampled(layer: LiteLayer, inputs: Array) -> Array:
    return np.repeat(inputs, _bounded(layer.config["size"]), axis=1)


def _bounded(number: Any) -> int:
    if not 0 <= int(number) <= _LARGEST:
        raise RunError(f"a layer repeats something {number} times")
    return int(number)


def _rescaled(layer: LiteLayer, inputs: Array) -> Array:
    scale, offset = (np.asarray(layer.config[name], np.float32) for name in ("scale", "offset"))
    return np.asarray(inputs * scale + offset, np.float32)


def _time_distributed(
    layer: LiteLayer, inputs: Array, training: bool = False, mask: Any = None
) -> Array:
    (inner,) = layer.inner["layer"]
    found = inner(inputs.reshape(-1, *inputs.shape[2:]))
    return found.reshape(*inputs.shape[:2], *found.shape[1:])


# --- Keras's attention ---


def _attention(
    layer: LiteLayer,
    inputs: Sequence[Array],
    mask: Any = None,
    return_attention_scores: bool = False,
    training: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    query, value, *more = inputs
    key = more[0] if more else value
    if layer.kind == "AdditiveAttention":
        both = np.tanh(query[:, :, None] + key[:, None])
        scores = (both * layer.weights["scale"] if "scale" in layer.weights else both).sum(axis=-1)
    elif layer.config.get("score_mode", "dot") == "dot":
        scores = query @ key.transpose(0, 2, 1)
        if "scale" in layer.weights:
            scores = scores * layer.weights["scale"]
    else:
        both = query[:, :, None] + key[:, None]
        if "scale" in layer.weights:
            both = both * layer.weights["scale"]
        scores = layer.weights["concat_score_weight"] * np.tanh(both).sum(axis=-1)
    masks = list(mask) if mask is not None else [None, None]
    seen = None if masks[1] is None else np.asarray(masks[1], bool)[:, None]
    if use_causal_mask:
        causal = np.tril(np.ones(scores.shape[-2:], bool))[None]
        seen = causal if seen is None else seen & causal
    if seen is not None:
        scores = np.where(seen, scores, _HIDDEN).astype(np.float32)
    weights = softmax(scores)
    found = weights @ value
    if masks[0] is not None:
        found = found * np.asarray(masks[0], np.float32)[..., None]
    return [found, weights] if return_attention_scores else found


def _multi_head(
    layer: LiteLayer,
    query: Array,
    value: Array,
    key: Array | None = None,
    query_mask: Array | None = None,
    value_mask: Array | None = None,
    key_mask: Array | None = None,
    attention_mask: Array | None = None,
    return_attention_scores: bool = False,
    training: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    heads = {name: layer.inner[name][0] for name in ("query", "key", "value", "output")}
    key = value if key is None else key
    asked, keys, values = heads["query"](query), heads["key"](key), heads["value"](value)
    scores = np.einsum("bqhd,bkhd->bhqk", asked, keys) / np.float32(layer.config["key_dim"] ** 0.5)
    seen = None
    for given, place in (
        (query_mask, (slice(None), slice(None), None)),
        (value_mask, (slice(None), None)),
        (key_mask, (slice(None), None)),
    ):
        if given is not None:
            one = np.asarray(given, bool)[place]
            seen = one if seen is None else seen & one
    if use_causal_mask:
        causal = np.tril(np.ones((query.shape[1], value.shape[1]), bool))[None]
        seen = causal if seen is None else seen & causal
    if attention_mask is not None:
        one = np.asarray(attention_mask, bool)
        seen = one if seen is None else seen & one
    if seen is not None:
        seen = seen[:, None] if seen.ndim == 3 else seen
        scores = np.where(seen, scores, _LOWEST).astype(np.float32)
    weights = softmax(scores)
    found = heads["output"](np.einsum("bhqk,bkhd->bqhd", weights, values))
    return [found, weights] if return_attention_scores else found


# --- textnets' own: masks and pooling ---


def _padding_mask(layer: LiteLayer, ids: Array) -> Array:
    return np.asarray(ids) != 0


def _masked(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    sequence, mask = inputs
    return np.where(mask[..., None], sequence, np.float32(0))


def _reversed(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    return reverse_rows(*inputs)


def reverse_rows(sequence: Array, mask: Array) -> Array:
    """Each row turned around within its own length."""
    places = np.arange(mask.shape[1])[None]
    lengths = mask.sum(axis=1)[:, None]
    mirrored = np.where(places < lengths, lengths - 1 - places, places)
    return sequence[np.arange(len(sequence))[:, None], mirrored]


def _last_state(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    sequence, mask = inputs
    return sequence[np.arange(len(sequence)), mask.sum(axis=1) - 1]


def _masked_max(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    sequence, mask = inputs
    return np.where(mask[..., None], sequence, _LOWEST).max(axis=1)


def _masked_mean(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    sequence, mask = inputs
    shares = mask.astype(np.float32)
    return _weighted(sequence, shares / shares.sum(axis=1, keepdims=True))


def _attention_pooling(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    sequence, mask = inputs
    keys = np.tanh(_product(sequence, layer.weights["kernel"]) + layer.weights["bias"])
    scores = _product(keys, layer.weights["query"])[..., 0]
    return _weighted(sequence, softmax(np.where(mask, scores, _LOWEST)))


def _weighted(sequence: Array, weights: Array) -> Array:
    return (weights[:, None] @ sequence)[:, 0]


# --- Characters ---


def _character_convolution(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    characters, ids = inputs
    batch, length, size, width = characters.shape
    kernel = layer.weights["kernel"]
    mask = (ids != 0).astype(np.float32).reshape(batch * length, size, 1)
    words = characters.reshape(batch * length, size, width) * mask
    padded, _ = _padded(words, len(kernel), 1, 1, "same", 0.0)
    found = sum(_product(padded[:, i : i + size], kernel[i]) for i in range(len(kernel)))
    found = np.maximum(found + layer.weights["bias"], 0) * mask
    return found.max(axis=1).reshape(batch, length, -1)


def _words_as_rows(layer: LiteLayer, inputs: Sequence[Array]) -> list[Array]:
    characters, ids = inputs
    batch, length, size, width = characters.shape
    is_character = ids.reshape(batch * length, size) != 0
    words = characters.reshape(batch * length, size, width) * is_character[..., None]
    return [words.astype(np.float32), is_character | (np.arange(size) == 0)[None]]


def _rows_as_words(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    rows, ids = inputs
    words = rows.reshape(*ids.shape[:2], rows.shape[-1])
    return words * (ids != 0).any(axis=-1, keepdims=True)


# --- Linear models ---


def _feature_scores(layer: LiteLayer, ids: Array) -> Array:
    rows = layer.weights.rows("embeddings", ids)
    total = (rows * (ids > 0)[..., None]).sum(axis=2, dtype=np.float64)
    return (total + layer.weights["bias"]).astype(np.float32)


def _ngram_bag(layer: LiteLayer, ids: Array) -> Array:
    """In float64: sums of thousands of small numbers."""
    weights, bias = layer.weights.rows("kernel", ids), layer.weights["bias"]
    weighting = layer.config["weighting"]
    if weighting == "none":
        total = (weights * (ids != 0)[..., None]).sum(axis=1, dtype=np.float64)
        return (0.1 * total + bias).astype(np.float32)
    scales = layer.weights.rows("table", ids)
    if weighting == "naive_bayes":
        total = (weights * scales).sum(axis=1, dtype=np.float64)
        return (0.1 * total + bias).astype(np.float32)
    words = layer.config.get("num_word_ngrams")
    total = np.zeros((len(ids), weights.shape[-1]))
    for inside in [ids >= 0] if words is None else [ids < words, ids >= words]:
        part = np.where(inside[..., None], scales, 0.0).astype(np.float64)
        norm = np.sqrt((part * part).sum(axis=1))
        total += (weights * part).sum(axis=1) / np.maximum(norm, 1e-12)
    return (total + bias).astype(np.float32)


def _one_versus_rest(layer: LiteLayer, logits: Array) -> Array:
    return softmax(-softplus(-logits))


# --- Conditional random field ---


def _crf(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    """The marginals: forward and backward, each as products with matrices of exponentials."""
    emissions, mask = inputs
    transitions = layer.weights["transitions"]
    factors = np.exp(transitions - transitions.max())
    forward = _messages(emissions, mask, layer.weights["start"], factors)
    turned = _messages(reverse_rows(emissions, mask), mask, layer.weights["end"], factors.T)
    return softmax(forward + reverse_rows(turned, mask) - emissions)


def _messages(emissions: Array, mask: Array, edge: Array, factors: Array) -> Array:
    """Log-sums over all that a place's tag can follow, but for what is the same for all tags."""
    found = np.empty_like(emissions)
    before = found[:, 0] = emissions[:, 0] + edge
    for place in range(1, emissions.shape[1]):
        sums = np.exp(before - before.max(axis=-1, keepdims=True)) @ factors
        after = np.log(np.maximum(sums, _TINY)) + emissions[:, place]
        before = found[:, place] = np.where(mask[:, place, None], after, before)
    return found


def best_tags(emissions: Array, mask: Array, start: Array, pairs: Array, end: Array) -> Array:
    """The best sequence of tags (Viterbi 1967): ``<int32>[batch, length]``, 0 where there is
    padding; as :func:`textnets.layers.crf.viterbi`."""
    batch, length, tags = emissions.shape
    best = emissions[:, 0] + start
    origins = np.empty((length, batch, tags), np.int64)
    rows = np.arange(batch)
    for place in range(1, length):
        routes = best[:, :, None] + pairs[None]
        follows = mask[:, place, None]
        came_from = routes.argmax(axis=1)
        reached = np.take_along_axis(routes, came_from[:, None], axis=1)[:, 0]
        origins[place] = np.where(follows, came_from, np.arange(tags)[None])
        best = np.where(follows, reached + emissions[:, place], best)
    chosen = np.empty((batch, length), np.int32)
    tag = (best + end).argmax(axis=-1)
    for place in range(length - 1, -1, -1):
        chosen[:, place] = tag
        if place:
            tag = origins[place][rows, tag]
    return np.where(mask, chosen, 0).astype(np.int32)


# --- Attention over an encoder's states ---


def _dot_attention(
    layer: LiteLayer, queries: Array, keys: Array, memory: Array, mask: Array
) -> list[Array]:
    scores = queries @ keys.transpose(0, 2, 1) / np.float32(keys.shape[-1] ** 0.5)
    return _read_memory(scores, memory, mask)


def _additive_attention(
    layer: LiteLayer, queries: Array, keys: Array, memory: Array, mask: Array
) -> list[Array]:
    asked = _product(queries, layer.weights["query_kernel"])
    found = np.tanh(asked[:, :, None] + keys[:, None])
    return _read_memory(_product(found, layer.weights["score_kernel"])[..., 0], memory, mask)


def _read_memory(scores: Array, memory: Array, mask: Array) -> list[Array]:
    weights = softmax(np.where(mask[:, None], scores, _HIDDEN))
    return [weights @ memory, weights]


# --- Attention with several heads ---


def _self_attention(layer: LiteLayer, inputs: Sequence[Array]) -> Array:
    projected, mask = inputs
    queries, keys, values = (_by_head(layer, one) for one in np.split(projected, 3, axis=-1))
    return _heads_look(queries, keys, values, mask[:, None])[0]


def _cached_attention(
    layer: LiteLayer, projected: Array, keys: Array, values: Array, mask: Array
) -> list[Array]:
    """New tokens look at themselves and at what is kept; its oldest makes room for them."""
    queries, *new = np.split(projected, 3, axis=-1)
    _, steps, width = queries.shape
    whole = [
        np.concatenate([kept.reshape(len(kept), -1, width), one], axis=1)
        for kept, one in zip((keys, values), new, strict=True)
    ]
    asked, known = _by_head(layer, queries), _by_head(layer, whole[0])
    if layer.config["rotary"]:
        places = np.arange(whole[0].shape[1], dtype=np.float32)
        asked, known = _turned(asked, places[len(places) - steps :]), _turned(known, places)
    found, _ = _heads_look(asked, known, _by_head(layer, whole[1]), mask)
    return [found, *(one[:, steps:].reshape(keys.shape) for one in whole)]


def _memory_attention(
    layer: LiteLayer, queries: Array, keys: Array, values: Array, mask: Array
) -> list[Array]:
    asked, known, told = (_by_head(layer, one) for one in (queries, keys, values))
    found, weights = _heads_look(asked, known, told, mask[:, None])
    return [found, weights.mean(axis=1)]


def _by_head(layer: LiteLayer, vectors: Array) -> Array:
    """``[batch, length, width]`` to ``[batch, heads, length, width / heads]``."""
    apart = vectors.reshape(*vectors.shape[:2], int(layer.config["heads"]), -1)
    return apart.transpose(0, 2, 1, 3)


def _heads_look(queries: Array, keys: Array, values: Array, mask: Array) -> tuple[Array, Array]:
    """What the heads read, ``[batch, steps, width]``, and where they look."""
    scores = (queries * np.float32(queries.shape[-1] ** -0.5)) @ keys.transpose(0, 1, 3, 2)
    weights = softmax(np.where(mask[:, None], scores, _HIDDEN))
    found = (weights @ values).transpose(0, 2, 1, 3)
    return found.reshape(*found.shape[:2], -1), weights


def _turned(vectors: Array, places: Array) -> Array:
    """Pairs of components turned by the angles of their places."""
    half = vectors.shape[-1] // 2
    angles = places[:, None] * _speeds(half)
    cosines, sines = np.cos(angles), np.sin(angles)
    one, other = vectors[..., :half], vectors[..., half:]
    return np.concatenate([one * cosines - other * sines, other * cosines + one * sines], axis=-1)


def _speeds(count: int) -> Array:
    """By which waves of places run on, ``<float32>[count]``."""
    return (10_000.0 ** -(np.arange(count) / count)).astype(np.float32)


def _causal_mask(layer: LiteLayer, token_vectors: Array, filled: Array) -> list[Array]:
    steps, room = token_vectors.shape[1], filled.shape[1]
    flags = filled.reshape(len(filled), room)
    flags = np.concatenate([flags, np.ones((len(flags), steps), np.float32)], axis=1)
    columns, own = np.arange(room + steps)[None, None], np.arange(steps)[None, :, None] + room
    seen: Array = np.less_equal(columns, own)
    if layer.config["banded"]:
        seen = np.logical_and(seen, columns >= own - room)
    before = (flags[:, :room] > 0.5).sum(axis=1, keepdims=True)
    places = (before + np.arange(steps)).astype(np.int32)
    return [seen & (flags > 0.5)[:, None], places, flags[:, steps:].reshape(filled.shape)]


def _empty_caches(layer: LiteLayer, inputs: Array) -> list[Array]:
    widths = map(_bounded, layer.config["widths"])
    return [np.zeros((len(inputs), 0, width), np.float32) for width in widths]


def _sinusoidal(layer: LiteLayer, vectors: Array, places: Array | None = None) -> Array:
    width = vectors.shape[-1]
    times = _places_of(vectors, places).astype(np.float32)
    angles = times[..., None] * _speeds((width + 1) // 2)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)[..., :width]
    return vectors + waves.astype(np.float32)


def _learned_places(layer: LiteLayer, vectors: Array, places: Array | None = None) -> Array:
    table = layer.weights["table"]
    rows = np.minimum(_places_of(vectors, places), len(table) - 1)
    return vectors + table[rows]


def _places_of(vectors: Array, places: Array | None) -> Array:
    return np.arange(vectors.shape[1], dtype=np.int32)[None] if places is None else places


def _halved(layer: LiteLayer, inputs: Sequence[Array]) -> list[Array]:
    """The larger of every two neighbors, padding left out."""
    sequence, mask = inputs
    batch, length, width = sequence.shape
    rest = length % 2
    mask = np.pad(mask, ((0, 0), (0, rest)))
    sequence = np.pad(sequence, ((0, 0), (0, rest), (0, 0)))
    pairs = np.where(mask[..., None], sequence, _LOWEST).reshape(batch, -1, 2, width).max(axis=2)
    seen: Array = np.any(mask.reshape(batch, -1, 2), axis=2)
    return [np.where(seen[..., None], pairs, np.float32(0)), seen]


LAYERS: dict[str, Callable[..., Any]] = {
    # --- Nothing outside of training ---
    **dict.fromkeys(
        (
            "Identity", "Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise",
            "AlphaDropout", "ActivityRegularization", "textnets.WordDropout",
            "textnets.FeatureDropout",
        ),
        _same,
    ),
    "textnets.VocabularyDropout": lambda layer, both: both[0],
    # --- Tables and dense layers ---
    "Embedding": _embedding,
    "ReversibleEmbedding": _reversible,
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "textnets.TokenTable": _token_table,
    "textnets.AdaptiveTokenTable": _adaptive_table,
    "textnets.ReducedTokenTable": _reduced_table,
    # --- Activations and normalization ---
    "Activation": _activate,
    "Softmax": _softmax_layer,
    "ReLU": _relu_layer,
    "LeakyReLU": _leaky_relu,
    "ELU": lambda layer, inputs: elu(inputs, layer.config["alpha"]).astype(np.float32),
    "PReLU": _prelu,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "BatchNormalization": _batch_norm,
    "UnitNormalization": _unit_norm,
    # --- Convolutions and pooling ---
    "Conv1D": _conv1d,
    "DepthwiseConv1D": _depthwise,
    "SeparableConv1D": _separable,
    "MaxPooling1D": functools.partial(_pool1d, reduce="max"),
    "AveragePooling1D": functools.partial(_pool1d, reduce="mean"),
    "GlobalMaxPooling1D": functools.partial(_global_pool, reduce="max"),
    "GlobalAveragePooling1D": functools.partial(_global_pool, reduce="mean"),
    # --- Shapes and sums ---
    "Add": functools.partial(_merged, by=np.add),
    "Subtract": functools.partial(_merged, by=np.subtract),
    "Multiply": functools.partial(_merged, by=np.multiply),
    "Maximum": functools.partial(_merged, by=np.maximum),
    "Minimum": functools.partial(_merged, by=np.minimum),
    "Average": _average,
    "Concatenate": _concatenate,
    "Dot": _dot,
    "Reshape": _reshape,
    "Flatten": lambda layer, inputs: inputs.reshape(len(inputs), -1),
    "Permute": _permute,
    "RepeatVector": _repeat_vector,
    "Cropping1D": _cropped,
    "ZeroPadding1D": _zero_padded,
    "UpSampling1D": _upsampled,
    "Rescaling": _rescaled,
    "TimeDistributed": _time_distributed,
    # --- Recurrent ---
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "RNN"), recurrent),
    **dict.fromkeys(
        (
            "textnets.WeightDropSimpleRNN", "textnets.WeightDropLSTM", "textnets.WeightDropGRU",
            "textnets.WeightDropRNN",
        ),
        recurrent,
    ),
    **dict.fromkeys(CELLS, no_layer),
    "Bidirectional": bidirectional,
    "textnets.AttentionRNN": attention_rnn,
    # --- Attention ---
    "Attention": _attention,
    "AdditiveAttention": _attention,
    "MultiHeadAttention": _multi_head,
    "textnets.DotAttention": _dot_attention,
    "textnets.AdditiveAttention": _additive_attention,
    "textnets.SelfAttention": _self_attention,
    "textnets.CachedAttention": _cached_attention,
    "textnets.MemoryAttention": _memory_attention,
    "textnets.CausalMask": _causal_mask,
    "textnets.EmptyCaches": _empty_caches,
    "textnets.SinusoidalPositions": _sinusoidal,
    "textnets.LearnedPositions": _learned_places,
    # --- textnets' own ---
    "textnets.HalvedByMaximum": _halved,
    "textnets.PaddingMask": _padding_mask,
    "textnets.MaskedInputs": _masked,
    "textnets.ReverseSequence": _reversed,
    "textnets.LastState": _last_state,
    "textnets.MaskedMaxPooling": _masked_max,
    "textnets.MaskedMeanPooling": _masked_mean,
    "textnets.AttentionPooling": _attention_pooling,
    "textnets.CharacterConvolution": _character_convolution,
    "textnets.WordsAsRows": _words_as_rows,
    "textnets.RowsAsWords": _rows_as_words,
    "textnets.FeatureScores": _feature_scores,
    "textnets.NgramBag": _ngram_bag,
    "textnets.OneVersusRest": _one_versus_rest,
    "textnets.LinearChainCRF": _crf,
}  # fmt: skip
__all__ = ["LAYERS", "best_tags", "log_softmax", "reverse_rows", "sigmoid"]
