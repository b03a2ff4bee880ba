"""What a model's token vectors know: neighbors, analogies, a map, and a file of them."""

from __future__ import annotations

import difflib
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from textnets.errors import InputError, MissingExtraError
from textnets.text.vocabulary import SPECIAL_TOKENS, Vocabulary

_DOTS_PER_INCH = 150
_TSNE_PERPLEXITY = 30  # of van der Maaten and Hinton 2008; fewer words need less


@dataclass(frozen=True)
class Neighbor:
    """A token near another one.

    Attributes:
        token: the neighbor.
        similarity: the cosine of the two vectors.
    """

    token: str
    similarity: float


class WordSpace:
    """The ordinary tokens of a vocabulary with their vectors.

    Args:
        vocabulary: the tokens.
        table: ``<float32>[vocabulary_size, width]``, such as a model's embedding.
    """

    def __init__(self, vocabulary: Vocabulary, table: npt.NDArray[np.float32]) -> None:
        first = len(SPECIAL_TOKENS)
        self.tokens = vocabulary.ordinary_tokens
        self.vectors = np.asarray(table, np.float32)[first:]
        self._rows = {token: row for row, token in enumerate(self.tokens)}
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        self._directions = self.vectors / np.maximum(lengths, 1e-12)

    def neighbors(self, token: str, count: int = 10) -> list[Neighbor]:
        """The tokens whose vectors point in the most similar directions.

        Raises:
            InputError: the vocabulary lacks the token.
        """
        row = self._row(token)
        return self._nearest(self._directions[row], count, leaving_out=[row])

    def analogy(self, a: str, b: str, c: str, count: int = 10) -> list[Neighbor]:
        """What is nearest to ``a - b + c``: king, man, woman gives queen where it is known
        (3CosAdd of Mikolov et al. 2013; the three themselves are left out).

        Raises:
            InputError: the vocabulary lacks a token.
        """
        rows = [self._row(token) for token in (a, b, c)]
        first, second, third = self._directions[rows]
        return self._nearest(first - second + third, count, leaving_out=rows)

    def save(self, path: Path) -> int:
        """Write the word2vec text format, gzip where the name ends in ``.gz``: a first line
        ``COUNT WIDTH``, then a token and its numbers a line.

        Returns:
            How many tokens were left out because they hold a blank, which the format cannot.
        """
        kept = [row for row, token in enumerate(self.tokens) if token and not _has_blank(token)]
        lines = [f"{len(kept)} {self.vectors.shape[1]}"]
        for row in kept:
            numbers = " ".join(f"{value:.6g}" for value in self.vectors[row].tolist())
            lines.append(f"{self.tokens[row]} {numbers}")
        content = ("\n".join(lines) + "\n").encode("utf-8")
        if path.suffix == ".gz":
            content = gzip.compress(content, mtime=0)
        temporary = path.with_name(path.name + ".new")
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
        return len(self.tokens) - len(kept)

    def plot(self, path: Path, tokens: Sequence[str], *, seed: int = 7) -> None:
        """Draw tokens on a map that keeps near ones near (t-SNE of their cosines).

        Args:
            path: the picture; its suffix is the format (png, svg, pdf).
            tokens: three or more.
            seed: the map is a pure function of it.

        Raises:
            InputError: the vocabulary lacks a token, or there are too few.
            MissingExtraError: matplotlib is not installed.
        """
        rows = [self._row(token) for token in dict.fromkeys(tokens)]
        if len(rows) < 3:
            raise InputError(f"a map needs three tokens or more, was: {len(rows)}")
        try:
            import matplotlib
        except ImportError:
            raise MissingExtraError("drawing word vectors", extra="plot") from None
        matplotlib.use("agg")
        import matplotlib.pyplot as plt
        from sklearn.manifold import TSNE

        perplexity = min(_TSNE_PERPLEXITY, (len(rows) - 1) / 3)
        layout = TSNE(
            metric="cosine", init="random", perplexity=perplexity, random_state=seed
        ).fit_transform(self.vectors[rows])
        size = float(np.clip(len(rows) ** 0.5, 6, 24))
        figure, axes = plt.subplots(figsize=(size, size), layout="constrained")
        axes.scatter(layout[:, 0], layout[:, 1], s=8, color="tab:blue")
        for row, (x, y) in zip(rows, layout.tolist(), strict=True):
            # A dollar sign would begin a formula.
            label = self.tokens[row].replace("$", r"\$")
            axes.annotate(label, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=8)
        axes.set_axis_off()
        try:
            figure.savefig(path, dpi=_DOTS_PER_INCH)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: the picture cannot be written: {error}") from None
        finally:
            plt.close(figure)

    def _row(self, token: str) -> int:
        if token not in self._rows:
            near = difflib.get_close_matches(token, self.tokens, n=3)
            hint = f"; near it: {', '.join(map(repr, near))}" if near else ""
            raise InputError(f"{token!r} is not in the model's vocabulary{hint}")
        return self._rows[token]

    def _nearest(
        self, direction: npt.NDArray[np.float32], count: int, leaving_out: Sequence[int]
    ) -> list[Neighbor]:
        cosines = self._directions @ (direction / max(float(np.linalg.norm(direction)), 1e-12))
        cosines[list(leaving_out)] = -np.inf
        best = np.argsort(-cosines, kind="stable")[: max(0, count)]
        return [
            Neighbor(self.tokens[row], float(cosines[row]))
            for row in best.tolist()
            if np.isfinite(cosines[row])
        ]


def _has_blank(token: str) -> bool:
    return any(sign.isspace() for sign in token)
