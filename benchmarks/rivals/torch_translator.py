"""GRUs with attention (Luong et al. 2015) in plain PyTorch: training in buckets, and decoding.

python benchmarks/rivals/torch_translator.py ARRAYS
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from arrays import Arrays, load
from torch import nn
from torch_device import DEVICE, said, tensor
from torch_recurrent import PackedBothWays
from turns import take_turns

BOS, EOS, LENGTH_RATIO, LENGTH_EXTRA = 2, 3, 2, 10
LOWEST = -1e30

Read = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Search = Callable[["Translator", torch.Tensor], torch.Tensor]


class Translator(nn.Module):
    """From sources and targets, ``<int64>[batch, length]`` each, the target with ``[BOS]`` first,
    to the logits of each next token, ``[batch, target_length, vocabulary]``."""

    def __init__(self, model: Mapping[str, Any], vocabulary_size: int) -> None:
        super().__init__()
        width, (units,), (size,) = (
            model["embedding_width"], model["units"], model["decoder_units"] or model["units"],
        )  # fmt: skip
        self.scale = width**0.5
        self.embedding = nn.Embedding(vocabulary_size, width)  # of both sides, and of the softmax
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        self.embedding_dropout = nn.Dropout1d(model["embedding_dropout"])
        self.dropout = nn.Dropout(model["dropout"])
        self.encoder = PackedBothWays(nn.GRU, width, units)
        self.bridge = nn.Linear(2 * units, size)
        self.keys = nn.Linear(2 * units, size, bias=False)
        self.decoder = nn.GRU(width, size, batch_first=True)
        self.attentional = nn.Linear(2 * units + size, width, bias=False)

    def vectors(self, ids: torch.Tensor) -> torch.Tensor:
        vectors = self.embedding(ids) * self.scale
        if self.training:
            vectors = self.embedding_dropout(vectors.transpose(1, 2)).transpose(1, 2)
        return self.dropout(vectors)

    def encode(self, source: torch.Tensor) -> tuple[Read, torch.Tensor]:
        """What attention reads, and the decoder's first state, ``[batch, units]``."""
        lengths = (source != 0).sum(1)
        memory = self.encoder(self.vectors(source), lengths)
        units = memory.shape[-1] // 2
        last = memory[torch.arange(len(source), device=source.device), lengths - 1, :units]
        state = torch.tanh(self.bridge(torch.cat([last, memory[:, 0, units:]], -1)))
        return (memory, self.keys(memory), source != 0), state

    def outputs(self, states: torch.Tensor, read: Read) -> torch.Tensor:
        """States of the decoder, ``[batch, steps, units]``, to the logits that follow them."""
        memory, keys, mask = read
        scores = torch.bmm(states, keys.transpose(1, 2)) / keys.shape[-1] ** 0.5
        weights = scores.masked_fill(~mask[:, None], -1e9).softmax(-1)
        both = torch.cat([torch.bmm(weights, memory), states], -1)
        vectors = self.dropout(torch.tanh(self.attentional(both)))
        return nn.functional.linear(vectors, self.embedding.weight)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        read, state = self.encode(source)
        states, _ = self.decoder(self.vectors(target), state[None])
        return self.outputs(states, read)


class Step:
    """A step of decoding: a ``GRUCell`` with the weights of the decoder."""

    def __init__(self, model: Translator) -> None:
        self.model, gru = model, model.decoder
        self.cell = nn.GRUCell(gru.input_size, gru.hidden_size, device=DEVICE)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            setattr(self.cell, name, getattr(gru, f"{name}_l0"))

    def __call__(
        self, last: torch.Tensor, state: torch.Tensor, read: Read
    ) -> tuple[torch.Tensor, torch.Tensor]:
        state = self.cell(self.model.vectors(last), state)
        logits = self.model.outputs(state[:, None], read)[:, 0]
        logits[:, :EOS] = LOWEST  # padding, unknown words and [BOS] are never written
        return logits, state


def limits_of(source: torch.Tensor) -> torch.Tensor:
    return (source != 0).sum(1) * LENGTH_RATIO + LENGTH_EXTRA


@torch.inference_mode()
def greedy(model: Translator, source: torch.Tensor) -> torch.Tensor:
    """``<int64>[batch, length]``, ``[EOS]`` and padding at the end of each row."""
    read, state = model.encode(source)
    step, limits = Step(model), limits_of(source)
    last = torch.full_like(limits, BOS)
    done, written = torch.zeros_like(limits, dtype=torch.bool), []
    for time in range(1, int(limits.max()) + 1):
        logits, state = step(last, state, read)
        last = torch.where(time >= limits, EOS, logits.argmax(-1)).masked_fill(done, 0)
        written.append(last)
        done |= last == EOS
        if done.all():
            break
    return torch.stack(written, 1)


@torch.inference_mode()
def beam_search(model: Translator, source: torch.Tensor, size: int = 5) -> torch.Tensor:
    """The best hypothesis of each text, as of :func:`greedy`; all texts of a batch at once."""
    read, state = model.encode(source)
    read = tuple(part.repeat_interleave(size, 0) for part in read)
    state, step, limits = state.repeat_interleave(size, 0), Step(model), limits_of(source)
    batch, longest = len(source), int(limits.max())
    first = torch.arange(batch, device=DEVICE)[:, None] * size
    last = torch.full((batch * size,), BOS, device=DEVICE)
    scores = torch.full((batch, size), LOWEST, device=DEVICE)
    scores[:, 0] = 0
    ended = torch.full((batch, size), LOWEST, device=DEVICE)
    tokens = torch.zeros(batch, size, longest, dtype=torch.long, device=DEVICE)
    ended_tokens, done = tokens.clone(), torch.zeros_like(limits, dtype=torch.bool)

    def chosen(rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return rows.gather(1, places[:, :, None].expand(-1, -1, longest))

    for time in range(longest):
        logits, state = step(last, state, read)
        likely = torch.log_softmax(logits, -1).view(batch, size, -1)
        must_end = time + 1 >= limits
        if must_end.any():
            ending = likely[:, :, EOS].clone()
            likely[must_end] = LOWEST
            likely[:, :, EOS] = ending
        vocabulary = likely.shape[-1]
        best, places = (scores[:, :, None] + likely).view(batch, -1).topk(2 * size)
        beams, following = places // vocabulary, places % vocabulary
        candidates = chosen(tokens, beams)
        candidates[:, :, time] = following
        ends = following == EOS
        counts = ends & ~done[:, None] & (best > LOWEST / 2)
        counts[:, size:] = False
        together = torch.cat([ended, best.masked_fill(~counts, LOWEST)], 1)
        ended, places = together.topk(size)
        ended_tokens = chosen(torch.cat([ended_tokens, candidates], 1), places)
        scores, places = best.masked_fill(ends, LOWEST).topk(size)
        tokens, last = chosen(candidates, places), following.gather(1, places).view(-1)
        state = state[(first + beams.gather(1, places)).view(-1)]
        done |= ((ended > LOWEST / 2).sum(1) >= size) | must_end
        if done.all():
            break
    return ended_tokens[:, 0]


def main() -> None:
    arrays: Arrays = load(sys.argv[1])
    sources, given = arrays.inputs["source_ids"], arrays.inputs["target_ids"]
    model = Translator(arrays.model, arrays.sizes["target_vocabulary_size"]).to(DEVICE)
    training = arrays.training
    optimizer = torch.optim.Adam(model.parameters(), lr=training["learning_rate"], fused=True)
    loss_of = nn.CrossEntropyLoss(label_smoothing=training["label_smoothing"], ignore_index=0)

    def train(start: int, count: int) -> Mapping[str, float]:
        model.train()
        examples, total = 0, 0.0
        for rows in arrays.some_batches(start, count):
            optimizer.zero_grad()
            logits = model(tensor(sources.pad(rows)), tensor(given.pad(rows)))
            targets = tensor(arrays.targets.pad(rows))
            loss = loss_of(logits.flatten(0, 1), targets.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"])
            optimizer.step()
            examples, total = examples + len(rows), total + loss.item()
        return {"examples": examples, "loss": total / count}

    def decode(search: Search, size: int, count: int, repeat: int) -> Mapping[str, float]:
        model.eval()
        tokens = 0
        for start in [*range(0, count, size)] * repeat:
            rows = sources.pad(np.arange(start, start + size))
            tokens += int((search(model, tensor(rows)) != 0).sum())
        return {"examples": count * repeat, "tokens": tokens}

    rounds = {
        "train": train,
        "greedy": lambda **how: decode(greedy, **how),
        "beam": lambda **how: decode(beam_search, **how),
    }
    how = "the same batches, encoder packed, fused Adam; decoding: a loop of GRUCell"
    take_turns(rounds, said(how))


if __name__ == "__main__":
    main()
