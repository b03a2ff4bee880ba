"""One prediction of a saved model in plain Keras.

python benchmarks/rivals/keras_one.py MODEL.keras VOCABULARY LENGTH TEXT
"""

import sys
from pathlib import Path

import keras
import numpy as np

path, vocabulary, length, text = sys.argv[1:]
ids = {word: number for number, word in enumerate(Path(vocabulary).read_text().splitlines())}
found = [ids.get(word, 1) for word in text.lower().split()][: int(length)]
row = np.array([found + [0] * (int(length) - len(found))], "int32")
print(keras.models.load_model(path).predict(row, verbose=0).argmax(-1))
