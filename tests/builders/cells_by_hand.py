"""Recurrent cells in NumPy, each written from its published equations.

A cell here takes the input <float>[batch, width], the states before, and the layer's
weights by name, and returns the states after; the first of them is the output. The masks
of dropout multiply whatever a kernel reads.
"""

from __future__ import annotations

import numpy as np


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def simple(x, states, w, x_mask=1.0, h_mask=1.0):
    """Elman (1990)."""
    (h,) = states
    return (np.tanh(x * x_mask @ w["kernel"] + h * h_mask @ w["recurrent_kernel"] + w["bias"]),)


def lstm(x, states, w, x_mask=1.0, h_mask=1.0):
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000)."""
    h, c = states
    sums = x * x_mask @ w["kernel"] + h * h_mask @ w["recurrent_kernel"] + w["bias"]
    i, f, g, o = np.split(sums, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(x, states, w, x_mask=1.0, h_mask=1.0):
    """Cho et al. (2014); the reset gate acts on the product with the state, as in cuDNN."""
    (h,) = states
    of_x, of_h = w["bias"]
    xz, xr, xn = np.split(x * x_mask @ w["kernel"] + of_x, 3, axis=-1)
    hz, hr, hn = np.split(h * h_mask @ w["recurrent_kernel"] + of_h, 3, axis=-1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    return (z * h + (1 - z) * np.tanh(xn + r * hn),)


def peephole_lstm(x, states, w, x_mask=1.0, h_mask=1.0):
    """Graves (2013), equations 7 to 11, with his matrices from the cell to the gates."""
    h, c = states
    x, h = x * x_mask, h * h_mask
    w_xi, w_xf, w_xc, w_xo = np.split(w["kernel"], 4, axis=1)
    w_hi, w_hf, w_hc, w_ho = np.split(w["recurrent_kernel"], 4, axis=1)
    b_i, b_f, b_c, b_o = np.split(w["bias"], 4)
    w_ci, w_cf, w_co = (np.diag(w[f"{gate}_peephole"]) for gate in ("input", "forget", "output"))
    i = sigmoid(x @ w_xi + h @ w_hi + c @ w_ci + b_i)
    f = sigmoid(x @ w_xf + h @ w_hf + c @ w_cf + b_f)
    c = f * c + i * np.tanh(x @ w_xc + h @ w_hc + b_c)
    o = sigmoid(x @ w_xo + h @ w_ho + c @ w_co + b_o)
    return o * np.tanh(c), c


def prototype_lstm(x, states, w, x_mask=1.0, h_mask=1.0):
    """The prototype of Pitis (2016): write, forget and read gates over one state."""
    (s,) = states
    x, seen = x * x_mask, s * h_mask
    w_i, w_f, w_o, w_c = np.split(w["kernel"], 4, axis=1)
    u_i, u_f, u_o, u_c = np.split(w["recurrent_kernel"], 4, axis=1)
    b_i, b_f, b_o, b_c = np.split(w["bias"], 4)
    i = sigmoid(x @ w_i + seen @ u_i + b_i)
    f = sigmoid(x @ w_f + seen @ u_f + b_f)
    o = sigmoid(x @ w_o + seen @ u_o + b_o)
    return (f * s + i * np.tanh(x @ w_c + (o * seen) @ u_c + b_c),)


def normalized(z, gain, bias):
    """LN of Ba et al. (2016), with a small number that keeps it from dividing by zero."""
    centered = z - z.mean(axis=-1, keepdims=True)
    variance = (centered**2).mean(axis=-1, keepdims=True)
    return centered / np.sqrt(variance + 1e-5) * gain + bias


def layer_norm_lstm(x, states, w, x_mask=1.0, h_mask=1.0):
    """Ba, Kiros and Hinton (2016), supplementary material; beta_1 and beta_2 are in b."""
    h, c = states
    sums = (
        normalized(h * h_mask @ w["recurrent_kernel"], w["recurrent_gain"], 0.0)
        + normalized(x * x_mask @ w["kernel"], w["input_gain"], 0.0)
        + w["bias"]
    )
    i, f, g, o = np.split(sums, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(normalized(c, w["cell_gain"], w["cell_bias"])), c


STEPS = {
    "simple": simple,
    "lstm": lstm,
    "gru": gru,
    "peephole_lstm": peephole_lstm,
    "prototype_lstm": prototype_lstm,
    "layer_norm_lstm": layer_norm_lstm,
}
NUM_STATES = {"simple": 1, "lstm": 2, "gru": 1, "prototype_lstm": 1}


def read_by_hand(cell, sequence, weights, **masks):
    """Outputs <float64>[batch, length, units] of <float>[batch, length, width]."""
    units = len(weights["recurrent_kernel"])
    states = (np.zeros((len(sequence), units)),) * NUM_STATES.get(cell, 2)
    outputs = []
    for x in np.moveaxis(sequence, 1, 0):
        states = STEPS[cell](x, states, weights, **masks)
        outputs.append(states[0])
    return np.stack(outputs, axis=1)
