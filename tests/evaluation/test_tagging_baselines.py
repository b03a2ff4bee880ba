"""What a tagger has to beat."""

from __future__ import annotations

from tests.conftest import ROOT
from textnets.data.sentences import Sentence, SentenceLayout, read_sentences
from textnets.evaluation.tagging_baselines import averaged_perceptron, most_frequent_tags


def test_the_most_frequent_tag_of_each_word() -> None:
    found = most_frequent_tags(
        [["the", "run", "run", "tie"], ["run", "tie"]],
        [["D", "N", "V", "N"], ["V", "D"]],
        [["the", "run", "tie", "never"]],
        seed=0,
    )
    assert found.predicted == [["D", "V", "D", "D"]]  # D, N and V twice each: D sorts first


def treebank(split: str, most: int) -> list[Sentence]:
    path = ROOT / "recipes" / "data" / "ud_english_ewt" / f"en_ewt-ud-{split}.conllu.gz"
    return list(read_sentences(path, SentenceLayout("conllu")))[:most]


def test_the_perceptron_is_strong_and_its_order_seeded() -> None:
    train, test = treebank("dev", 700), treebank("test", 200)
    words, tags = [s.words for s in train], [s.tags for s in train]
    unseen = [s.words for s in test]
    true = [tag for s in test for tag in s.tags]

    def accuracy(predicted: list[list[str]]) -> float:
        assert [len(row) for row in predicted] == [len(row) for row in unseen]
        flat = [tag for row in predicted for tag in row]
        return sum(one == other for one, other in zip(true, flat, strict=True)) / len(true)

    trivial = most_frequent_tags(words, tags, unseen, seed=1)
    found = averaged_perceptron(words, tags, unseen, seed=1)
    assert accuracy(found.predicted) > accuracy(trivial.predicted) + 0.08
    assert averaged_perceptron(words, tags, unseen, seed=1).predicted == found.predicted
    assert averaged_perceptron(words, tags, unseen, seed=2).predicted != found.predicted


def test_the_perceptron_knows_what_came_before() -> None:
    """The last word is too far from the first to see it; the tag before it tells."""
    words = [["up", "y", "y", "x"], ["down", "y", "y", "x"]] * 20
    tags = [["U", "U", "U", "A"], ["D", "D", "D", "B"]] * 20
    assert averaged_perceptron(words, tags, words[:2], seed=0).predicted == tags[:2]
    assert averaged_perceptron(words, tags, [], seed=0).predicted == []
