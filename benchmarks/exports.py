"""Every format by every task: whether it works, how large it is, how fast, how near to the run.

    python benchmarks/exports.py [TASK ...] [--formats FORMAT ...]

Trains a small model of each kind on the data that ships along, exports it to each format, and
prints the table that docs/export.md shows. Each cell was measured in a process of its own that
loaded the export: the seconds until it could answer (imports, and of a graph its first call), the
milliseconds for one text, the seconds for 1,000 texts of the run's own, repeated where there are
fewer, and the largest difference that the proof found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

QUICK = """
training: {epochs: 2, batch_size: 32, learning_rate: 1e-2}
evaluation: {baselines: false, resamples: 0}
seed: 7
"""
RECIPES = {
    "classification: CNN": """
task: classification
data: {dataset: banking77, validation: 0.1, limit: 2000}
model: {builder: cnn_classifier, embedding_width: 64, maps: 64}
""",
    "classification: BiLSTM": """
task: classification
data: {dataset: banking77, validation: 0.1, limit: 1000}
text: {max_length: 32}
model: {builder: rnn_classifier, embedding_width: 64, cell: lstm, units: [48]}
""",
    "classification: n-grams": """
task: classification
data: {dataset: banking77, validation: 0.1, limit: 1000}
model: {builder: ngram_bag_classifier}
""",
    "classification: ensemble": """
task: classification
data: {dataset: banking77, validation: 0.1, limit: 1000}
ensemble:
  members:
    - model: {builder: cnn_classifier, embedding_width: 32, maps: 32}
    - model: {builder: mlp_classifier, embedding_width: 32}
  weights: equal
""",
    "tagging: BiLSTM and CRF": """
task: tagging
data: {dataset: ud_english_ewt, tags: upos, limit: 1000}
model: {builder: rnn_tagger, embedding_width: 48, characters: cnn, units: [48], head: crf}
""",
    "tagging: features": """
task: tagging
data: {dataset: ud_english_ewt, tags: upos, limit: 1000}
model: {builder: feature_tagger}
""",
    "translation: beam of 4": """
task: translation
data: {train: tatoeba_eng_fra/eng_fra.tsv.gz, validation: 0.1, limit: 2000}
model:
  builder: encoder_decoder
  embedding_width: 48
  cell: gru
  units: [64]
  attention: luong_general
"""
    + QUICK.replace("resamples: 0", "resamples: 0, beam_size: 4"),
    "language_modeling: GRU": """
task: language_modeling
data: {dataset: tiny_shakespeare, test: 0.1, validation: 0.05, limit: 2000}
text: {tokenizer: characters}
model: {builder: rnn_language_model, embedding_width: 32, cell: gru, units: [96]}
""",
}
COLUMNS = ("run", "format", "size", "start", "one text", "1,000 texts", "memory", "difference")
_TEXTS, _OWN = 1000, 64


def main(words: list[str]) -> None:
    from textnets.export.formats import FORMATS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "tasks", nargs="*", help="kinds that begin so, such as tagging; all if none"
    )
    parser.add_argument("--formats", nargs="*", choices=list(FORMATS), default=list(FORMATS))
    asked = parser.parse_args(words)
    kinds = [kind for kind in RECIPES if not asked.tasks or kind.startswith(tuple(asked.tasks))]
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"| {' | '.join('---' for _ in COLUMNS)} |")
    with tempfile.TemporaryDirectory() as place:
        for number, kind in enumerate(kinds):
            run = trained(kind, Path(place) / str(number))
            for form in asked.formats:
                row = measured(run, form, Path(place) / f"{number}-{form}")
                print(f"| {' | '.join([kind, form, *row])} |", flush=True)


def trained(kind: str, folder: Path) -> Path:
    """A run of the recipe."""
    import textnets

    folder.mkdir()
    recipe = folder / "recipe.yaml"
    text = RECIPES[kind]
    recipe.write_text(text if "seed:" in text else text + QUICK, encoding="utf-8")
    return textnets.train(recipe, output=folder / "run").folder


def measured(run: Path, form: str, place: Path) -> list[str]:
    """The cells of one format, or that it cannot be."""
    from textnets.errors import TextnetsError
    from textnets.export import export_run
    from textnets.export.exporting import as_size
    from textnets.export.formats import FORMATS
    from textnets.export.proof import ask
    from textnets.export.questions import questions_of
    from textnets.export.subject import Subject
    from textnets.tasks import Predictor

    try:
        found = export_run(run, form, place)
    except TextnetsError as error:
        print(f"{form}: {error}", file=sys.stderr)
        return ["cannot be", *[""] * (len(COLUMNS) - 3)]
    own = questions_of(Subject(Predictor.load(run, device="cpu")))[:_OWN]
    said = ask(FORMATS[form], found.folder, list(islice(cycle(own), _TEXTS)))
    return [
        as_size(found.size),
        f"{said['load_seconds']:.2f} s",
        f"{1000 * said['one_seconds']:.1f} ms",
        f"{said['seconds']:.2f} s",
        f"{said['peak_megabytes']:.0f} MB",
        f"{found.proof.difference:.1e}",
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
