"""Pretrained word vectors as a builder takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textnets.data.sources import sha256_of
from textnets.data.vector_files import find_vectors
from textnets.errors import DataError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.text.vectors import read_vectors
from textnets.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class WordVectors:
    """The vectors of a recipe's ``text.vectors``.

    Attributes:
        table: ``<float32>[vocabulary, width]``.
        path: of the file.
        sha256: of the file.
        covered_share: of the vocabulary, what the file has.
    """

    table: npt.NDArray[np.float32]
    path: str
    sha256: str
    covered_share: float

    def as_json(self) -> dict[str, str | float]:
        """What a run records."""
        return {
            "path": self.path,
            "sha256": self.sha256,
            "covered_share": round(self.covered_share, 4),
        }


def pretrained_vectors(
    recipe: Recipe, name: str, vocabulary: Vocabulary, progress: Progress
) -> WordVectors:
    """The vectors of a file for a vocabulary.

    Args:
        recipe: of the model.
        name: of the file, as written in the recipe.
        vocabulary: whose tokens need vectors.
        progress: where to tell how many it has.

    Raises:
        DataError: the file is missing or damaged, or its vectors are not as wide as the model's.
    """
    path = find_vectors(name, beside=recipe.folder, progress=progress)
    digest = sha256_of(path)
    vectors = read_vectors(path, vocabulary, seed=recipe.seed)
    if sha256_of(path) != digest:
        raise DataError(f"{path}: the vectors were changed while they were read; try again")
    wanted = recipe.builder_parameters.get("embedding_width")
    if wanted != vectors.width:
        raise DataError(
            f"{path}: the vectors are {vectors.width} wide, so set "
            f"model.embedding_width: {vectors.width}, was: {wanted}"
        )
    progress.say(
        f"word vectors: {vectors.covered_share:.1%} of the vocabulary is covered by {path.name}"
    )
    if vectors.passed_over:
        progress.say(f"{path.name}: {vectors.passed_over:,} words are no UTF-8, and are no tokens")
    return WordVectors(vectors.table, str(path.resolve()), digest, vectors.covered_share)
