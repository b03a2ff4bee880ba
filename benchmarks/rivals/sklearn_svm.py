"""TF-IDF with a linear SVM, as users of scikit-learn write it: texts in, test accuracy out.

python sklearn_svm.py train.csv.gz test.csv.gz
"""

import csv
import gzip
import sys

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC


def read(path: str) -> tuple[list[str], list[str]]:
    csv.field_size_limit(10**9)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


train_texts, train_labels = read(sys.argv[1])
test_texts, test_labels = read(sys.argv[2])
model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
model.fit(train_texts, train_labels)
print(model.score(test_texts, test_labels))
