"""Pretrained word vectors as a builder takes them."""

from __future__ import annotations

from typing import Any

from textnets.data.sources import find_file, sha256_of
from textnets.errors import DataError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.text.vectors import read_vectors
from textnets.text.vocabulary import Vocabulary


def pretrained_vectors(
    recipe: Recipe, vocabulary: Vocabulary, facts: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """``embedding_vectors`` of ``text.vectors`` for a builder; nothing where there are none.

    What a run records of them is noted in ``facts``.

    Raises:
        DataError: the file is missing or damaged, or its vectors are not as wide as the model's.
    """
    if recipe.text.vectors is None:
        return {}
    path = find_file(recipe.text.vectors, beside=recipe.folder)
    vectors = read_vectors(path, vocabulary, seed=recipe.seed)
    wanted = recipe.builder_parameters.get("embedding_width")
    if wanted != vectors.width:
        raise DataError(
            f"{path}: the vectors are {vectors.width} wide, so set "
            f"model.embedding_width: {vectors.width}, was: {wanted}"
        )
    progress.say(
        f"word vectors: {vectors.covered_share:.1%} of the vocabulary is covered by {path.name}"
    )
    facts["vectors"] = {
        "path": str(path.resolve()),
        "sha256": sha256_of(path),
        "covered_share": round(vectors.covered_share, 4),
    }
    return {"embedding_vectors": vectors.table}
