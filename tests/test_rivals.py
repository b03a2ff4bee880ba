"""What ``benchmarks/`` compares textnets with in PyTorch computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from textnets.builders import (
    build_cnn_classifier,
    build_encoder_decoder,
    build_rnn_classifier,
    build_rnn_tagger,
)

torch = pytest.importorskip("torch")

RIVALS = ROOT / "benchmarks" / "rivals"
IDS = np.array([[5, 6, 4, 7, 9, 8], [4, 8, 5, 0, 0, 0], [6, 0, 0, 0, 0, 0]], np.int32)


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(RIVALS))
    return RIVALS


class Weights:
    """Of a Keras model, by the end of their path, as PyTorch wants them."""

    def __init__(self, model: Any) -> None:
        random = np.random.default_rng(1)
        for weight in model.weights:  # zeros of a bias would hide where it goes
            weight.assign(random.normal(0, 0.4, weight.shape))
        self._named = {weight.path: np.asarray(weight) for weight in model.weights}

    def __getitem__(self, name: str) -> Any:
        (found,) = [value for path, value in self._named.items() if f"/{path}".endswith(f"/{name}")]
        return torch.tensor(found)

    def dense(self, layer: Any, name: str) -> None:
        layer.weight.data = self[f"{name}/kernel"].T
        if layer.bias is not None:
            layer.bias.data = self[f"{name}/bias"]

    def convolution(self, layer: Any, name: str) -> None:
        layer.weight.data = self[f"{name}/kernel"].permute(2, 1, 0)
        layer.bias.data = self[f"{name}/bias"]

    def table(self, layer: Any, name: str) -> None:
        table = self[f"{name}/embeddings"]
        if layer.padding_idx is not None:
            table[layer.padding_idx] = 0
        layer.weight.data = table

    def recurrent(self, layer: Any, cell: str, name: str, end: str = "_l0") -> None:
        def ordered(array: Any) -> Any:  # Keras: update, reset, new; PyTorch: reset, update, new
            if cell == "lstm":
                return array
            update, reset, new = array.chunk(3, -1)
            return torch.cat([reset, update, new], -1)

        bias = ordered(self[f"{name}/{cell}_cell/bias"])
        of_inputs, of_states = (bias, torch.zeros_like(bias)) if cell == "lstm" else bias
        kernel, recurrent = (
            ordered(self[f"{name}/{cell}_cell/{which}"]).T
            for which in ("kernel", "recurrent_kernel")
        )
        for which, value in (
            ("weight_ih", kernel),
            ("weight_hh", recurrent),
            ("bias_ih", of_inputs),
            ("bias_hh", of_states),
        ):
            getattr(layer, which + end).data = value.contiguous()

    def both_ways(self, layer: Any, cell: str, name: str) -> None:
        self.recurrent(layer, cell, f"{name}_forward")
        self.recurrent(layer, cell, f"{name}_backward", "_l0_reverse")


def ids(array: Any) -> Any:
    return torch.from_numpy(array).long()


def difference(ours: Any, theirs: Any) -> float:
    return float(np.abs(np.asarray(ours) - theirs.detach().numpy()).max())


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_the_cnn_of_pytorch_computes_the_same(rivals: Path) -> None:
    from torch_cnn import CNN

    settings = {"embedding_width": 5, "widths": (2, 3), "maps": 4}
    ours = build_cnn_classifier(vocabulary_size=10, num_classes=3, **settings)
    weights = Weights(ours)
    theirs = CNN({**settings, "embedding_dropout": 0.0, "dropout": 0.0}, 10, 3).eval()
    weights.table(theirs.embedding, "embedding")
    for layer, width in zip(theirs.convolutions, settings["widths"], strict=True):
        weights.convolution(layer, f"convolution_{width}")
    weights.dense(theirs.output, "probabilities")
    assert difference(ours(IDS), theirs(ids(IDS)).softmax(-1)) < 1e-5


def test_the_bidirectional_lstm_of_pytorch_computes_the_same(rivals: Path) -> None:
    from torch_bilstm import BiLSTM

    settings = {"embedding_width": 5, "units": (4, 3)}
    ours = build_rnn_classifier(vocabulary_size=10, num_classes=2, **settings)
    weights = Weights(ours)
    theirs = BiLSTM(settings, 10).eval()
    weights.table(theirs.embedding, "embedding")
    for number, layer in enumerate(theirs.layers, start=1):
        weights.recurrent(layer.ahead, "lstm", f"lstm_{number}_forward")
        weights.recurrent(layer.back, "lstm", f"lstm_{number}_backward")
    weights.dense(theirs.output, "probabilities")
    assert difference(ours(IDS), theirs(ids(IDS)).sigmoid()) < 1e-5


def test_the_tagger_of_pytorch_computes_the_same(rivals: Path) -> None:
    from torch_tagger import Tagger

    settings = {
        "embedding_width": 5, "character_width": 3, "character_maps": 6, "character_window": 3,
        "units": (4,),
    }  # fmt: skip
    sizes = {"vocabulary_size": 10, "num_tags": 7, "num_characters": 8}
    ours = build_rnn_tagger(characters="cnn", cell="gru", **sizes, **settings)
    weights = Weights(ours)
    theirs = Tagger({**settings, "word_dropout": 0.0, "dropout": 0.0}, sizes).eval()
    weights.table(theirs.words, "embedding")
    weights.table(theirs.characters, "character_embedding")
    weights.convolution(theirs.convolution, "character_convolution")
    weights.both_ways(theirs.gru.layer, "gru", "gru_1")
    weights.dense(theirs.output, "probabilities")
    spelled = np.random.default_rng(2).integers(1, 8, (*IDS.shape, 4)).astype(np.int32)
    spelled[:, :, 2:] *= np.random.default_rng(3).integers(0, 2, (*IDS.shape, 1))
    spelled[IDS == 0] = 0
    found = ours({"token_ids": IDS, "character_ids": spelled})
    others = theirs(ids(IDS), ids(spelled)).softmax(-1)
    is_word = IDS != 0
    assert difference(np.asarray(found)[is_word], others[torch.from_numpy(is_word)]) < 1e-5


def test_the_translator_of_pytorch_computes_and_writes_the_same(rivals: Path) -> None:
    from torch_translator import Translator, beam_search, greedy

    from textnets.decoding import translating
    from textnets.progress import Progress
    from textnets.text.encoded import join_rows

    settings = {"embedding_width": 5, "units": (4,), "decoder_units": (6,)}
    ours = build_encoder_decoder(
        source_vocabulary_size=10, target_vocabulary_size=10, share_embeddings=True,
        tie_embeddings=True, cell="gru", attention="luong_general", bidirectional=True, **settings,
    )  # fmt: skip
    weights = Weights(ours)
    theirs = Translator({**settings, "embedding_dropout": 0.0, "dropout": 0.0}, 10).eval()
    weights.table(theirs.embedding, "target_embedding")
    weights.both_ways(theirs.encoder.layer, "gru", "gru_1")
    weights.recurrent(theirs.decoder, "gru", "decoder_gru_1")
    for layer, name in (
        (theirs.bridge, "bridge_1"),
        (theirs.keys, "keys"),
        (theirs.attentional, "attentional_vector"),
    ):
        weights.dense(layer, name)
    targets = np.array([[2, 5, 6, 4], [2, 9, 8, 7], [2, 4, 4, 5]], np.int32)
    found = ours({"source_ids": IDS, "target_ids": targets})
    assert difference(found, theirs(ids(IDS), ids(targets))) < 1e-4

    translator = translating.Translator.of([ours], [1.0], 1)
    rows = join_rows([row[row != 0] for row in IDS])
    for size, search in ((1, greedy), (5, beam_search)):
        best = translator.search(rows, translating.Search(beam_size=size), Progress())
        written = search(theirs, ids(IDS)).numpy()
        for of_row, other in zip(best, written, strict=True):
            assert [*of_row[0].token_ids] == [*other[other > 3]], size
