"""A translator that makes no mistake gets full marks, or is told why it cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu

import textnets
from tests.cli.conftest import refuse, succeed
from tests.test_translation import pairs
from textnets.data.pairs import Pair
from textnets.decoding.translating import Hypothesis, TranslatorOutputs
from textnets.progress import Progress
from textnets.tasks import read_task
from textnets.tasks.evaluation import Split
from textnets.tasks.translation import SentencePairs
from textnets.text.vocabulary import UNKNOWN_ID

RECIPE = """\
task: translation
data: {{train: pairs.tsv, validation: 0.2}}
text: {{{text}}}
model: {{builder: encoder_decoder, embedding_width: 8, cell: simple, units: [8]}}
training: {{epochs: 1, batch_size: 32}}
evaluation: {{resamples: 10{evaluation}}}
seed: 3
"""

GERMAN = [
    "Zwei Männer (beide mit Hut) stehen vor einem Geschäft, das „Müller & Söhne“ heißt.",
    "Ein Hund läuft über die Straße - wohin, das weiß keiner!",
    "Um 10:30 Uhr kostet's 3,50 €; danach 4,00 €.",
    "Das E-Mail-Programm geht nicht... Warum?",
]
CHINESE = [
    "我今天早上去了学校。",
    "他昨天晚上没有吃饭，对吗？",
    "你想喝一杯热茶吗？",
    "我们明天一起去北京！",
]
JAPANESE = [
    "私は昨日、学校へ行きました。",
    "これは何ですか?",
    "東京タワーは高いです。",
    "カメラを買いたい。",
]
THAI = ["ฉันไปโรงเรียนเมื่อเช้านี้", "เมื่อวานเขาไม่ได้กินข้าวเย็น", "คุณอยากดื่มชาร้อนไหม"]
KOREAN = ["저는 오늘 아침에 학교에 갔어요.", "그는 어제 저녁을 먹지 않았어요, 맞죠?"]
SETS = {"de": GERMAN, "zh": CHINESE, "ja": JAPANESE, "th": THAI, "ko": KOREAN}


def write(targets: Sequence[str], text: str = "", evaluation: str = "") -> Path:
    """A recipe in the working folder for these targets, several times over."""
    rows = [f"source number {n}, with words\t{one}\n" for n, one in enumerate([*targets] * 12)]
    Path("pairs.tsv").write_text("".join(rows), encoding="utf-8")
    extra = f", {evaluation}" if evaluation else ""
    Path("recipe.yaml").write_text(RECIPE.format(text=text, evaluation=extra), encoding="utf-8")
    return Path("recipe.yaml")


def ceiling_of(recipe: Path) -> str:
    return {fact.name: fact.value for fact in textnets.check(recipe)}["validation ceiling"]


def figures(told: str) -> list[float]:
    return [float(value) for value in re.findall(r"BLEU ([\d.]+)", told)]


TOKENIZERS = ["words", "whitespace", "characters", "wordpiece", "sentencepiece"]


@pytest.mark.heavy
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("language", SETS)
def test_the_ceiling_is_full_marks(tmp_path, language, tokenizer):
    """In every script, with every tokenizer, where each token was seen in training."""
    if tokenizer == "wordpiece" and language != "de":
        pytest.skip("so few texts hold too few pieces to learn")
    text = f"tokenizer: {tokenizer}, max_tokens: 2000"
    targets = SETS[language]
    split, evaluation = perfect(write(targets, text, "length_ratio: 9.0"))
    scores = evaluation.score(split[0], split[1])
    assert scores["bleu"].value == pytest.approx(100.0)
    assert scores["chrf"].value == pytest.approx(100.0)


def perfect(recipe: Path) -> tuple[tuple[TranslatorOutputs, Any], Any]:
    """What a model would say that writes each reference's own tokens, but for ``[UNK]``."""
    task = read_task(recipe)
    splits = task.read_splits(task.find_files(Progress()), Progress())
    preprocessor = task.learn(splits["train"])
    split, _ = preprocessor.encode(splits["validation"], Progress(), "encoding")
    rows = [split.targets.row(index)[:-1] for index in range(len(split))]
    found = [[Hypothesis(row[row != UNKNOWN_ID], 0.0, 0.0)] for row in rows]
    return (TranslatorOutputs(found, np.zeros(len(split))), split), task.evaluation(preprocessor)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "text",
    [
        "",
        "lowercase: true",
        "normalize: nfkc",
        "target: {lowercase: true}",
        "source: {lowercase: true}",
        "target: {tokenizer: sentencepiece, max_tokens: 120}",
        "tokenizer: sentencepiece, shared_vocabulary: true, max_tokens: 200",
        r'tokenizer: regex, pattern: "[\\p{L}\\p{N}]+|[^\\p{L}\\p{N} ]"',
    ],
)
def test_both_sides_are_read_alike(tmp_path, text):
    """Decomposed letters, wide letters and case cost nothing that the model cannot know of."""
    odd = ["Cafe\u0301 ﬁn Ｗide, L’Homme - IST Da!", *GERMAN]
    told = ceiling_of(write(odd, text, "length_ratio: 9.0"))
    assert figures(told) == [100.0]
    assert "tok:13a" in told


def test_the_shipped_set_with_the_default_section(tmp_path):
    rows = pairs(4000)
    Path("pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    Path("recipe.yaml").write_text(RECIPE.format(text="", evaluation=""), encoding="utf-8")
    possible, known = figures(ceiling_of(Path("recipe.yaml")))
    assert known == 100.0
    assert 60.0 < possible < 99.0  # words of the validation split that training lacks


@pytest.mark.parametrize(("text", "case"), [("lowercase: true", "lc"), ("", "mixed")])
def test_lower_case_is_compared_with_lower_case(tmp_path, text, case):
    """Of the model and of its baselines, and the signature says so."""
    (outputs, split), evaluation = perfect(write(GERMAN, text))
    full = pytest.approx(100.0)
    whispered = [target.lower() for target in GERMAN]
    quietly = evaluation.score_texts(whispered, GERMAN, resamples=0)
    assert (quietly["bleu"].value == full) == bool(text)
    computed = evaluation.tables([], outputs, split)[0]
    assert all(f"case:{case}" in signature for _, signature, _ in computed.rows)
    assert [ceiling for _, _, ceiling in computed.rows] == [full, full]
    quiet = SentencePairs([Pair(target, target.lower()) for target in GERMAN])
    loud = SentencePairs([Pair(target, target) for target in GERMAN])
    memory = evaluation.baselines(Split(quiet), Split(loud), Progress())[1]
    assert (memory.scores["bleu"].value == full) == bool(text)


# --- Why it may be lower ---


def test_unknown_words_are_told_apart(tmp_path):
    targets = [f"Das ist der {word} von heute, nicht der von gestern." for word in "abcdefghijkl"]
    recipe = write(targets, "max_tokens: 20")
    ended = succeed("check", recipe)
    possible, known = figures(next(line for line in ended.lines if "validation ceiling" in line))
    assert known == 100.0
    assert possible < 95.0
    assert "which is never written" in ended.err
    assert "sentencepiece" in ended.err


@pytest.mark.parametrize(
    ("targets", "text", "reason"),
    [
        (["Va !", "Cours !", "Oui."], "", "too few words for BLEU's sequences of four"),
        (GERMAN, "tokenizer: characters", "longer than a translation may be"),
        (GERMAN, r'tokenizer: regex, pattern: "\\p{L}+"', "leaves out parts of the texts"),
        (GERMAN, "target: {max_length: 3}", "leaves out parts of the texts"),
    ],
)
def test_the_reason_is_said(tmp_path, targets, text, reason):
    ended = succeed("check", write(targets, text))
    assert "warning: validation: BLEU can be" in ended.err
    assert reason in ended.err


@pytest.mark.heavy
def test_training_and_evaluation_say_it_too(tmp_path):
    recipe = write(["Va !", "Cours !", "Oui."], evaluation="beam_size: 1")
    ended = succeed("train", recipe, "-o", "run")
    assert "validation ceiling: BLEU 0.0, chrF 100.0" in ended.err
    ended = succeed("evaluate", "run", "--data", "pairs.tsv")
    assert "pairs.tsv ceiling: BLEU 0.0" in ended.err
    report = Path("run/report.html").read_text(encoding="utf-8")
    assert "ceiling" in report
    Path("empty.tsv").write_text("")
    assert "empty.tsv: holds no example to score" in refuse(
        "evaluate", "run", "--data", "empty.tsv"
    )


# --- BLEU's words, by script ---


def one_wrong(text: str) -> str:
    return text[:3] + ("们" if text[3] != "们" else "你") + text[4:]


def test_chinese_is_counted_by_sacrebleus_zh(tmp_path):
    _, evaluation = perfect(write(CHINESE, "tokenizer: characters"))
    found = evaluation.score_texts([one_wrong(t) for t in CHINESE], CHINESE, resamples=0)
    expected = sacrebleu.corpus_bleu(
        [one_wrong(t) for t in CHINESE], [CHINESE], tokenize="zh"
    ).score
    assert found["bleu"].value == pytest.approx(expected)
    assert found["bleu"].value > 40.0


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [("de", "13a"), ("zh", "zh"), ("th", "char"), ("ko", "13a")],
)
def test_the_tokenizer_goes_by_the_script(tmp_path, language, tokenizer):
    assert f"(tok:{tokenizer})" in ceiling_of(write(SETS[language]))


def test_japanese_has_its_own_where_it_is_installed(tmp_path):
    try:
        import ipadic  # noqa: F401
        import MeCab  # noqa: F401
    except ImportError:
        assert "(tok:char)" in ceiling_of(write(JAPANESE))
        message = refuse("check", write(JAPANESE, "", "bleu_tokenize: ja-mecab"))
        assert "evaluation.bleu_tokenize: ja-mecab needs an optional package" in message
        assert "textnets[ja]" in message
    else:
        assert "(tok:ja-mecab" in ceiling_of(write(JAPANESE))


def test_the_tokenizer_can_be_named(tmp_path):
    assert "(tok:char)" in ceiling_of(write(GERMAN, "", "bleu_tokenize: char"))
    message = refuse("check", write(GERMAN, "", "bleu_tokenize: zhh"))
    assert "evaluation.bleu_tokenize: expected one of 13a, intl, zh" in message


def test_a_few_letters_of_another_script_change_nothing():
    from textnets.evaluation.translation import bleu_tokenizer_of

    assert bleu_tokenizer_of(["Das Wort 你好 heißt Hallo."]) == "13a"
    assert bleu_tokenizer_of(["我的 iPhone 坏了。"]) == "zh"
    assert bleu_tokenizer_of(["12 + 3", ""]) == "13a"
    assert bleu_tokenizer_of([]) == "13a"


# --- A section a side ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target: {lowercas: true}", "text.target.lowercas: unknown key; did you mean 'lowercase'"),
        ("target: {add_eos: true}", "text.target.add_eos: has no effect in translation"),
        ("source: {tokenizer: regex}", "text.source.pattern: this key is missing"),
        ("source: {pattern: a}", "text.source.pattern: has no effect without tokenizer: regex"),
        ("source: {max_tokens: 1}", "text.source.max_tokens: expected more than 4"),
        ("source: words", "text.source: expected a section of keys"),
        (
            "shared_vocabulary: true, source: {lowercase: true}",
            "text.shared_vocabulary: one vocabulary needs the same lowercase on both sides; "
            "true of the source is not false of the target",
        ),
    ],
)
def test_sides_are_checked_where_they_stand(tmp_path, text, message):
    assert message in refuse("check", write(GERMAN, text))


@pytest.mark.heavy
def test_each_side_has_its_own(tmp_path):
    recipe = write(
        GERMAN,
        r'tokenizer: regex, pattern: "\\p{L}+", source: {lowercase: true, max_tokens: 7}, '
        "target: {tokenizer: characters, max_length: 500}",
        "length_ratio: 4.0, beam_size: 1",
    )
    run = textnets.train(recipe, output="run")
    source, target = run.vocabularies["source"], run.vocabularies["target"]
    assert len(source) == 7
    assert "source" in source.ordinary_tokens
    assert all(len(token) == 1 for token in target.ordinary_tokens)
    assert "Z" in target.ordinary_tokens
    again = textnets.Predictor.load("run")
    assert again.predict(["Source NUMBER"])[0].text == "Source NUMBER"
    assert [token.text for token in again.tokens(["Source NUMBER"])[0]] == ["source", "number"]
    # The recipe that the run keeps is the same experiment.
    assert textnets.train(recipe, output="run", resume=True).folder == run.folder


@pytest.mark.heavy
def test_an_estimator_scores_as_a_recipe_does():
    from textnets import TextTranslator

    sources = ["one two three four", "two three four five", "three four five six"] * 6
    targets = [text.upper() for text in sources]
    translator = TextTranslator(
        cell="simple", units=[32], embedding_width=16, batch_size=6, epochs=40, learning_rate=0.02,
        beam_size=1, random_state=1, validation=None,
        source={"max_length": 9}, target={"lowercase": True},
    )  # fmt: skip
    translator.fit(sources, targets)
    assert translator.predict(["two three four five"]) == ["two three four five"]
    assert translator.score(sources, targets) == pytest.approx(100.0)
    translator.set_params(target={"lowercas": True})
    with pytest.raises(ValueError, match=r"text\.target\.lowercas: unknown key"):
        translator.fit(sources, targets)
