"""Recurrent layers in PyTorch that read right-padded texts from both ends."""

from __future__ import annotations

import torch
from torch import nn


def turned(sequence: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Each row from its last token to its first; padding stays where it is."""
    places = torch.arange(sequence.shape[1], device=sequence.device)
    index = lengths[:, None] - 1 - places
    index = torch.where(index < 0, places, index)
    return sequence.gather(1, index[..., None].expand_as(sequence))


class BothWays(nn.Module):
    """``nn.LSTM`` or ``nn.GRU`` in each direction, without packing.

    The backward one reads turned rows, so that it does not begin with padding. PyTorch computes a
    packed LSTM without oneDNN, which is slower.
    """

    def __init__(self, layer: type[nn.Module], inputs: int, units: int) -> None:
        super().__init__()
        self.ahead = layer(inputs, units, batch_first=True)
        self.back = layer(inputs, units, batch_first=True)

    def forward(self, sequence: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """``[batch, length, inputs]`` to ``[batch, length, 2 * units]``."""
        ahead, _ = self.ahead(sequence)
        back, _ = self.back(turned(sequence, lengths))
        return torch.cat([ahead, turned(back, lengths)], -1)


class PackedBothWays(nn.Module):
    """``nn.GRU``, bidirectional, over packed sequences."""

    def __init__(self, layer: type[nn.Module], inputs: int, units: int) -> None:
        super().__init__()
        self.layer = layer(inputs, units, batch_first=True, bidirectional=True)

    def forward(self, sequence: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """``[batch, length, inputs]`` to ``[batch, length, 2 * units]``."""
        packed = nn.utils.rnn.pack_padded_sequence(
            sequence, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        found, _ = self.layer(packed)
        found, _ = nn.utils.rnn.pad_packed_sequence(
            found, batch_first=True, total_length=sequence.shape[1]
        )
        return found
