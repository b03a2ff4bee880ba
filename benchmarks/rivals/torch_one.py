"""One prediction of a saved model in plain PyTorch.

python benchmarks/rivals/torch_one.py MODEL.pt VOCABULARY TEXT
"""

import sys
from pathlib import Path

import torch
from torch_cnn import CNN

path, vocabulary, text = sys.argv[1:]
ids = {word: number for number, word in enumerate(Path(vocabulary).read_text().splitlines())}
row = torch.tensor([[ids.get(word, 1) for word in text.lower().split()]])
saved = torch.load(path)
sizes = saved["sizes"]
model = CNN(saved["model"], sizes["vocabulary_size"], sizes["num_classes"])
model.load_state_dict(saved["weights"])
with torch.inference_mode():
    print(model.eval()(row).argmax(-1))
