"""Files as people have them: what is read is what is there, each row counted, or one error line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ended, refuse, succeed

pytestmark = pytest.mark.heavy

CLASSIFIER = """\
task: classification
data: {train: d.csv, validation: null}
model: {builder: mlp_classifier, embedding_width: 8, dense_units: []}
training: {epochs: 1}
evaluation: {baselines: false, resamples: 0}
"""
TAGGER = """\
task: tagging
data: {train: d.txt, format: columns, validation: null}
model: {builder: rnn_tagger, embedding_width: 4, characters: none, units: [4]}
training: {epochs: 1}
evaluation: {baselines: false, resamples: 0}
"""
TRANSLATOR = """\
task: translation
data: {train: d.tsv, validation: null}
model: {builder: encoder_decoder, embedding_width: 4, units: [4], cell: simple}
training: {epochs: 1}
evaluation: {baselines: false, resamples: 0}
"""
LANGUAGE_MODEL = """\
task: language_modeling
data: {train: d.txt, validation: null}
text: {tokenizer: characters}
model: {builder: rnn_language_model, embedding_width: 4, cell: simple, units: [4]}
training: {epochs: 1, batch_size: 2}
evaluation: {baselines: false, resamples: 0}
"""

ROWS = [("it broke", "bad"), ("lovely lamp", "good"), ("no use", "bad"), ("very good", "good")]


def given(recipe: str, **files: str | bytes) -> str:
    """Writes a recipe and its files, in whose names ``__`` is a dot; the recipe's name."""
    Path("r.yaml").write_text(recipe, encoding="utf-8")
    for name, content in files.items():
        path = Path(name.replace("__", "."))
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return "r.yaml"


def table(rows: Sequence[tuple[str, str]] = ROWS, sign: str = ",", header: str = "") -> str:
    lines = [header or f"text{sign}label", *(sign.join(row) for row in rows)]
    return "".join(f"{line}\n" for line in lines)


def keys(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def facts(*pairs: str) -> dict[str, str]:
    """What ``check`` says, by name."""
    lines = succeed("check", "r.yaml", *keys(*pairs)).lines
    return {name: value for name, _, value in (line.partition("  ") for line in lines)}


def fact(name: str, *pairs: str) -> str:
    return facts(*pairs)[name].strip()


def train(*pairs: str) -> Ended:
    return succeed("train", "r.yaml", "--output", "run", *keys(*pairs))


def rows_of(split: str = "train") -> dict[str, Any]:
    """What the run's record says of the rows of a split."""
    content = json.loads(Path("run/environment.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = content["rows"][split]
    assert found["in_files"] == found["read"] + sum(one["rows"] for one in found["left_out"])
    return found


# --- Well-known shapes, each with two keys at most ---

SPAM = 'v1,v2,,,\nham,"see you, café",,,\nspam,win £900,,,\nham,on my way,,,\n'
ONE_HOT = "id,comment_text,toxic,insult\n1,you fool,1,1\n2,nice day,0,0\n3,shut up,1,0\n"
TWEETS = '"0","1","d","q","u","no sun"\n"4","2","d","q","u","sun"\n"0","3","d","q","u","rain"\n'
CONLL_2003 = "-DOCSTART- -X- -X- O\n\nAda NNP B-NP B-PER\nsings VBZ B-VP O\n\nwe PRP B-NP O\n"
CONLL_2002 = "-DOCSTART- -X- O\nSeñor N B-PER\nva V O\n\nEn P O\nCádiz N B-LOC\n"
TATOEBA = "Go.\tVa !\tCC-BY 2.0 (France)\nRun!\tCours !\tCC-BY\nStop!\tArrête !\tCC-BY\n"


@pytest.mark.parametrize(
    ("recipe", "name", "content", "pairs", "read"),
    [
        (CLASSIFIER, "d.csv", SPAM.encode("latin-1"), ["data.text=v2", "data.encoding=latin-1"], 3),
        (CLASSIFIER, "d.csv", TWEETS.encode(),
         ["data.header=[label, id, date, query, user, text]"], 3),
        (CLASSIFIER, "d.csv", table(sign=";").encode(), ["data.delimiter=;"], 4),
        (CLASSIFIER, "d.csv", b"__label__a one two\n__label__b three\n", ["data.format=fasttext"],
         2),
        (CLASSIFIER, "d.csv", ONE_HOT.encode(),
         ["data.text=comment_text", "data.label=[toxic, insult]"], 3),
        (TAGGER, "d.txt", CONLL_2003.encode(), ["data.tag_column=3"], 2),
        (TAGGER, "d.txt", CONLL_2002.encode("latin-1"),
         ["data.tag_column=2", "data.encoding=latin-1"], 2),
        (TRANSLATOR, "d.tsv", TATOEBA.encode(), [], 3),
    ],
    ids=["spam", "tweets", "semicolons", "fasttext", "one-hot", "conll-2003", "conll-2002",
         "tatoeba"],
)  # fmt: skip
def test_a_well_known_shape_trains(
    recipe: str, name: str, content: bytes, pairs: list[str], read: int
) -> None:
    given(recipe, **{name.replace(".", "__"): content})
    assert len(pairs) <= 2
    train(*pairs)
    assert rows_of()["read"] == read


def test_the_other_column_of_two_is_told() -> None:
    given(CLASSIFIER, d__csv="v1,v2,,\nham,hi,,\nspam,win,,\n")
    assert "train: d.csv:1: 'v1' is read as data.label" in train("data.text=v2").err
    assert succeed("evaluate", "run", "--data", "d.csv").lines[0] == "d.csv: 2 examples"
    given(CLASSIFIER, d__csv="v1,v2,v3\nham,hi,x\nspam,win,y\n")
    assert "there is no column 'label'" in refuse("check", "r.yaml", *keys("data.text=v2"))


# --- Labels ---


def test_a_json_list_in_a_cell_is_a_list_of_labels() -> None:
    rows = [("a", '"[""x"", ""y""]"'), ("b", '"[""x""]"'), ("c", "[]")]
    given(CLASSIFIER, d__csv=table(rows))
    assert fact("counts of train", "data.multi_label=true") == "'x' 2, 'y' 1"
    assert "d.csv:2: column 'label' holds a list" in refuse("check", "r.yaml")
    given(CLASSIFIER, d__csv=table([("a", "\"['x', 'y']\""), ("b", "x")]))
    err = refuse("check", "r.yaml", *keys("data.multi_label=true"))
    assert "d.csv:2: column 'label' holds no JSON list of strings" in err


def test_a_separator_that_never_occurs_is_warned_of() -> None:
    given(CLASSIFIER, d__csv=table([("a", '"good,new"'), ("b", "bad")]))
    err = succeed("check", "r.yaml", *keys("data.multi_label=true")).err
    assert "'|' stands in no cell of labels, and ',' in 1" in err
    pairs = ("data.multi_label=true", 'data.label_separator=","')
    assert "warning" not in succeed("check", "r.yaml", *keys(*pairs)).err


def test_labels_that_look_alike_are_one() -> None:
    given(CLASSIFIER, d__csv=table([("a", "caf\u00e9"), ("b", "cafe\u0301"), ("c", "tea")]))
    assert fact("counts of train") == "'caf\u00e9' 2, 'tea' 1"


def test_one_column_cannot_be_text_and_label() -> None:
    given(CLASSIFIER, d__csv=table())
    assert "data.label: 'text' is the column of the text too" in refuse(
        "check", "r.yaml", *keys("data.label=text")
    )
    given(TAGGER, d__txt="a X\n")
    assert "data.tag_column" in refuse("check", "r.yaml", *keys("data.tag_column=0"))
    given(TRANSLATOR, d__tsv=TATOEBA)
    assert "data.target_column" in refuse("check", "r.yaml", *keys("data.target_column=0"))


def test_a_column_of_several_must_be_0_or_1() -> None:
    given(CLASSIFIER, d__csv=ONE_HOT + "4,well,-1,0\n")
    pairs = ["data.text=comment_text", "data.label=[toxic, insult]"]
    err = refuse("check", "r.yaml", *keys(*pairs))
    assert "d.csv:5: column 'toxic' is one of several label columns" in err
    given(CLASSIFIER, d__csv="text,x,y\na,1,0\nb,0,1\nc,True,false\n")
    pairs = ["data.label=[x, y]", "data.multi_label=false"]
    assert fact("counts of train", *pairs) == "'x' 2, 'y' 1"
    given(CLASSIFIER, d__csv="text,x,y\na,1,0\nb,1,1\n")
    assert "d.csv:3: one label column must be 1, was: x, y" in refuse(
        "check", "r.yaml", *keys(*pairs)
    )


def test_many_labels_are_listed_with_counts() -> None:
    rows = [(f"t{n}", f"l{n:02}") for n in range(25)] + [("more", "l24")]
    given(CLASSIFIER, d__csv=table(rows))
    said = fact("counts of train")
    assert said.startswith("'l24' 2, 'l00' 1, ")
    assert said.endswith("'l18' 1 and 5 more")


def test_rows_of_unknown_labels_are_refused_or_dropped() -> None:
    given(CLASSIFIER, d__csv=table(), t__csv=table([("it is", "bad"), ("so so", "rare")]))
    err = refuse("check", "r.yaml", *keys("data.test=t.csv"))
    assert "lacks: 'rare', the first at t.csv:3" in err
    assert "data.unknown_labels: drop" in err
    ended = train("data.test=t.csv", "data.unknown_labels=drop")
    assert "1 rows left out: a label that the training split lacks, the first at t.csv:3" in (
        ended.err
    )
    found = rows_of("test")
    assert (found["unit"], found["in_files"], found["read"]) == ("rows", 2, 1)
    (left,) = found["left_out"]
    assert (left["why"], left["rows"]) == ("a label that the training split lacks", 1)
    assert left["first"].endswith("t.csv:3")
    assert succeed("evaluate", "run", "--data", "t.csv").lines[0] == "t.csv: 1 examples"


def test_a_limit_keeps_one_of_each_label() -> None:
    rows = [(f"lamp {n} broke", "bad") for n in range(50)]
    rows += [(f"lamp {n} fine", "good") for n in range(50)] + [("odd", "rare")]
    given(CLASSIFIER, d__csv=table(rows), t__csv=table(rows[40:60] + rows[-1:]))
    found = facts("data.test=t.csv", "data.limit=10")
    assert found["counts of train"].strip() == "'good' 5, 'bad' 4, 'rare' 1"
    assert "'rare' 1" in found["counts of test"]
    assert found["read of train"].strip() == (
        "101 rows in the file, 10 read; 91 left out: data.limit (first d.csv:2)"
    )


# --- Text, files, lines ---


def test_texts_of_several_columns_are_joined() -> None:
    given(CLASSIFIER, d__csv="title,body,label\nhello,world,a\n,alone,b\n")
    pairs = keys("data.text=[title, body]")
    ended = succeed("train", "r.yaml", "--output", "run", *pairs)
    assert "train: 2 rows in the file, 2 read" in ended.err
    lines = succeed("predict", "run", "d.csv").lines
    assert [line.split("\t")[2] for line in lines] == ["hello world", "alone"]


def test_several_files_are_one_split() -> None:
    given(CLASSIFIER, a1__csv=table(ROWS[:2]), a2__csv=table(ROWS[2:]), b__csv=table(ROWS[:1]))
    assert fact("read of train", "data.train=[a1.csv, b.csv]") == "3 rows in the file, 3 read"
    ended = train("data.train=a*.csv", "data.test=b.csv")
    assert "train: 4 rows in the file, 4 read" in ended.err
    record = json.loads(Path("run/environment.json").read_text(encoding="utf-8"))
    names = {key: Path(one["path"]).name for key, one in record["data"].items()}
    assert names == {"train": "a1.csv", "train.2": "a2.csv", "test": "b.csv"}
    assert succeed("evaluate", "run").lines[0] == "test: 1 examples"
    assert "z*.csv" in refuse("check", "r.yaml", *keys("data.train=z*.csv"))


def test_line_parallel_files_may_be_several() -> None:
    recipe = TRANSLATOR.replace("d.tsv", '"*.{side}", source: en, target: fr')
    given(recipe, a__en="Go.\n", a__fr="Va !\n", b__en="Run!\nStop!\n", b__fr="Cours !\nHalte !\n")
    assert fact("read of train") == "3 pairs in the file, 3 read"


def test_a_lone_carriage_return_ends_a_line() -> None:
    given(TRANSLATOR, d__tsv=TATOEBA.replace("\n", "\r"))
    assert fact("read of train") == "3 pairs in the file, 3 read"
    given(TAGGER, d__txt="Ada B-PER\rlives O\r\rin O\r")
    assert fact("read of train") == "2 sentences in the file, 2 read"
    given(LANGUAGE_MODEL, d__txt="to be\ror not\rto be\r" * 9)
    assert fact("read of train") == "27 lines in the file, 27 read"


def test_a_text_of_one_line_is_cut_inside_of_it() -> None:
    given(LANGUAGE_MODEL, d__txt="国家" * 300)
    found = facts("data.validation=0.1")
    assert found["train characters"].strip() == "540"
    assert found["validation characters"].strip() == "60"


def test_a_label_with_a_line_break_stays_in_its_line() -> None:
    given(CLASSIFIER, d__csv=table([("a", '"bad\nnews"'), ("b", '"bad\nnews 2"')]))
    train()
    assert len(succeed("predict", "run", stdin=b"a\n").lines) == 1


def test_no_report_is_announced_that_is_not_there() -> None:
    given(CLASSIFIER, d__csv=table())
    assert train().lines[-1] == "run: run"
    given(CLASSIFIER, d__csv=table())
    assert (
        "report"
        in succeed("train", "r.yaml", "--output", "other", *keys("data.test=d.csv")).lines[-1]
    )


# --- Tagging ---


@pytest.mark.parametrize(
    ("content", "scheme"),
    [
        ("Ada B-PER\nLovelace L-PER\nlives O\nParis U-LOC\n", "BILOU"),
        ("Ada B-PER\nvan M-PER\nGogh E-PER\nlives O\nParis S-LOC\n", "BMES"),
    ],
)
def test_other_schemes_are_read_as_iobes(content: str, scheme: str) -> None:
    given(TAGGER, d__txt=content)
    ended = succeed("check", "r.yaml", *keys("data.spans=true"))
    assert f"d.txt: the tags are {scheme}, and read as IOBES" in ended.err
    assert "'E-PER' 1" in ended.out
    assert "'S-LOC' 1" in ended.out


def test_comments_of_columns_are_passed_over_where_a_key_says_so() -> None:
    given(TAGGER, d__txt="# id 8f2 domain=en\nberlin B-LOC\n\n# id 8f3 domain=en\nrome O\n")
    err = refuse("check", "r.yaml")
    assert "d.txt:1: looks like a comment" in err
    assert "data.comment" in err
    assert fact("counts of train", 'data.comment="# "') == "'B-LOC' 1, 'O' 1"


# --- Translation ---


def test_pairs_blank_on_both_sides_are_left_out() -> None:
    given(TRANSLATOR, d__tsv="Go.\tVa !\n\t\nRun!\tCours !\n \t \n\nHi.\t\n")
    ended = train()
    assert "train: 2 pairs left out: blank on both sides, the first at d.tsv:2" in ended.err
    found = rows_of()
    assert (found["in_files"], found["read"]) == (6, 3)
    left = {one["why"]: (one["rows"], Path(one["first"]).name) for one in found["left_out"]}
    assert left == {"a blank line": (1, "d.tsv:5"), "blank on both sides": (2, "d.tsv:2")}


def test_a_translator_begins_with_pretrained_vectors_of_each_side() -> None:
    import textnets

    given(TRANSLATOR, d__tsv="go\tva\nrun\tcours\n", s__txt="go 1 2 3 4\n", t__txt="va 4 3 2 1\n")
    pairs = ["text.source.vectors=s.txt", "text.target.vectors=t.txt", "training.epochs=1"]
    train(*pairs, "training.learning_rate=1e-9")
    run = textnets.Predictor.load("run")
    layers = {layer.name: layer for layer in run.model.layers}
    for side, word, numbers in (("source", "go", [1, 2, 3, 4]), ("target", "va", [4, 3, 2, 1])):
        layer, vocabulary = run.preprocessor.vector_tables[side]
        row = layers[layer].embeddings[vocabulary.encode_token(word)]
        assert [round(float(value) * 2, 4) for value in row] == numbers  # times the root of 4
    record = json.loads(Path("run/environment.json").read_text(encoding="utf-8"))
    assert record["vectors"]["source"]["covered_share"] == 0.5


# --- Every verb reads a file as training does ---


def test_a_classifier_reads_files_as_it_was_trained() -> None:
    given(CLASSIFIER, d__txt=table(), SMS=table(sign="\t"))
    train("data.train=d.txt", "data.format=csv")
    assert len(succeed("predict", "run", "d.txt").lines) == 4
    assert len(succeed("tokenize", "run", "d.txt").lines) == 4
    assert succeed("evaluate", "run", "--data", "d.txt").lines[0] == "d.txt: 4 examples"
    Path("n.jsonl").write_text('{"text": "it broke"}\n{"text": ""}\n', encoding="utf-8")
    assert len(succeed("predict", "run", "n.jsonl").lines) == 2
    succeed("train", "r.yaml", "-o", "tsv", *keys("data.train=SMS", "data.format=tsv"))
    assert len(succeed("predict", "tsv", "SMS").lines) == 4
    assert succeed("evaluate", "tsv", "--data", "SMS").lines[0] == "SMS: 4 examples"


def test_a_tagger_reads_files_as_it_was_trained() -> None:
    given(TAGGER, d__txt="the DT\nlamp NN\n\nit PR\nworks VB\n")
    train()
    assert [len(line.split()) for line in succeed("predict", "run", "d.txt").lines] == [2, 2]
    word = "1\tAda\t_\tX\t_\t_\t0\troot\t_\t_\n"
    Path("in.conllu").write_text(word, encoding="utf-8")
    assert succeed("predict", "run", "in.conllu").lines[0].startswith("Ada/")
    rows = ['{"tokens": ["Ada", "sings"]}', '{"tokens": []}', '{"tokens": ["we"]}']
    Path("in.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = succeed("predict", "run", "in.jsonl").lines
    assert [len(line.split()) for line in found] == [2, 0, 1]
    Path("plain.txt").write_text("the lamp\nit works well today\n\nyes\n", encoding="utf-8")
    found = succeed("predict", "run", "plain.txt").lines  # a sentence a line
    assert [len(line.split()) for line in found] == [2, 4, 0, 1]


def test_a_translator_reads_files_as_it_was_trained() -> None:
    given(TRANSLATOR, d__tsv=TATOEBA + "\n", d__txt=TATOEBA + "\n", same__jsonl="")
    rows = [*(line.split("\t")[0] for line in TATOEBA.splitlines()), ""]
    Path("same.jsonl").write_text(
        "".join(json.dumps({"source": row}) + "\n" for row in rows), encoding="utf-8"
    )
    train()
    answers = [succeed("predict", "run", name).lines for name in ("d.tsv", "d.txt", "same.jsonl")]
    assert len(answers[0]) == 4
    assert answers[0][3] == ""  # a blank line for a blank one
    assert answers[0] == answers[1] == answers[2]


def test_a_language_model_tells_all_alternatives_at_most() -> None:
    import textnets

    given(LANGUAGE_MODEL, d__txt="to be\nor not\n" * 9)
    train()
    words = ("--prompt", "to", "--length", "1", "--show-alternatives", "1000")
    ended = succeed("generate", "run", *words, "--format", "jsonl")
    assert len(json.loads(ended.lines[0])["alternatives"][0]) > 4
    writer: Any = textnets.Predictor.load("run")
    for wrong in ({"length": -1}, {"length": 0}, {"seed": -1}, {"count": 0}, {"prompt": None}):
        (name,) = wrong
        with pytest.raises(textnets.InputError, match=rf"^{name}: expected"):
            writer.write(**wrong)
    with pytest.raises(textnets.InputError, match=r"^texts\[1\]: expected a string, was: float"):
        writer.predict(["to", float("nan")])
    for bad in (None, 3, {"a": 1}, b"to"):
        with pytest.raises(textnets.InputError, match=r"^texts: expected"):
            writer.predict(bad)


def test_pairs_in_csv_with_a_header() -> None:
    content = 'English,French\nGo.,Va !\n"Run, now!",Cours !\n'
    given(TRANSLATOR.replace("d.tsv", "d.csv"), d__csv=content)
    assert fact("read of train", "data.header=true") == "2 pairs in the file, 2 read"
    given(TRANSLATOR, d__tsv=content.replace(",", "\t"))
    assert fact("read of train", "data.header=true") == "2 pairs in the file, 2 read"
    given(TRANSLATOR, d__tsv='Go.;Va !\n"Run; now!";Cours !\n')
    assert fact("read of train", "data.delimiter=;") == "2 pairs in the file, 2 read"


def test_a_table_of_one_column_has_a_row_for_each_blank_line() -> None:
    given(CLASSIFIER, d__csv=table(), n__csv="text\nit broke\n\ngood\n")
    train()
    assert len(succeed("predict", "run", "n.csv").lines) == 3
