"""What a few hundred labeled texts are worth: textnets' bags and ensemble beside a linear SVM.

    TEXTNETS_DATA=FOLDER python benchmarks/few_texts.py [--sets mr trec] [--sizes 300 1000]

Rows of the training file are drawn, so many to train on and 2,000 others to score, anew for each
seed; no test split is read. All settings of textnets are its defaults. Printed are mean accuracies
over the seeds.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from textnets import TextClassifier, TextEnsemble
from textnets.estimators.ensemble import default_members

NUM_SCORED = 2000


def _of_topics(seed: int) -> TextClassifier:
    return dict(default_members())["topics"].set_params(random_state=seed)


def _tfidf_svm(seed: int) -> Any:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(make_union(words, characters), LinearSVC(random_state=seed))


#: File and label column of each set.
SETS = {
    "mr": ("mr/mr.csv.gz", "label"),
    "trec": ("trec/train.csv.gz", "label"),
    "trec_fine": ("trec/train.csv.gz", "fine_label"),
    "banking77": ("banking77/train.csv.gz", "category"),
    "imdb": ("imdb/train.csv.gz", "label"),
}
#: How each column of the table is made, by a seed.
MODELS: dict[str, Callable[[int], Any]] = {
    "tfidf_svm": _tfidf_svm,
    "bag": lambda seed: TextClassifier("ngram_bag_classifier", random_state=seed),
    "bag, idf": _of_topics,
    "TextEnsemble()": lambda seed: TextEnsemble(random_state=seed),
}


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Texts and labels of a set: ``<object>[rows]`` each."""
    path, label = SETS[name]
    csv.field_size_limit(10**9)
    folder = Path(os.environ.get("TEXTNETS_DATA", "data"))
    with gzip.open(folder / path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = np.array([row["text"] for row in rows], dtype=object)
    return texts, np.array([row[label] for row in rows], dtype=object)


def accuracy(model: Any, texts: np.ndarray, labels: np.ndarray, size: int, seed: int) -> float:
    """Of a model that is trained on some texts and scored on others."""
    order = np.random.default_rng(seed).permutation(len(texts))
    train, scored = order[:size], order[size : size + NUM_SCORED]
    found = model.fit(texts[train].tolist(), labels[train].tolist()).predict(texts[scored].tolist())
    return float(np.mean(np.asarray(found, dtype=object) == labels[scored]))


def main() -> None:
    """Print the table, a line as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["mr", "trec", "banking77"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[300, 1000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    arguments = parser.parse_args()
    print(f"| set | texts | {' | '.join(MODELS)} |")
    print(f"|---|---|{'---|' * len(MODELS)}")
    for name in arguments.sets:
        texts, labels = read(name)
        for size in arguments.sizes:
            cells = [
                mean(accuracy(make(seed), texts, labels, size, seed) for seed in arguments.seeds)
                for make in MODELS.values()
            ]
            shown = " | ".join(f"{cell:.3f}" for cell in cells)
            print(f"| {name} | {size:,} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
