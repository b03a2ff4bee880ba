"""The report: complete, offline, and nothing in it is taken for markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from textnets.evaluation.report import Report, Table, render_report

REPORT = Report(
    title="banking <script>alert(1)</script>",
    task="classification",
    headline_metric="accuracy",
    scores={
        "cnn_classifier": {
            "accuracy": {"value": 0.875, "low": 0.863, "high": 0.886},
            "log_loss": {"value": 0.466, "low": None, "high": None},
        },
        "majority": {"accuracy": {"value": 0.013, "low": 0.009, "high": 0.017}},
    },
    history=[
        {"epoch": 1, "loss": 3.1, "validation_loss": 1.5, "validation_accuracy": 0.63},
        {"epoch": 2, "loss": 1.1, "validation_loss": 0.7, "validation_accuracy": 0.83},
    ],
    best_epoch=2,
    monitor="validation_accuracy",
    tables=[
        Table(
            "Mistakes",
            "A note.",
            ("text", "probability"),
            [("<img src=x onerror=alert(2)> & \x00", 0.987), ('"quoted"', None)],
        )
    ],
    recipe_text="task: classification\nlabel: <b>\n",
    facts=[("device", "CPU"), ("versions", "keras <3>")],
)


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "onerror")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def outline(page: str) -> _Outline:
    found = _Outline()
    found.feed(page)
    return found


def test_hostile_text_stays_text() -> None:
    found = outline(render_report(REPORT))
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert any("label: <b>" in words for words in found.words)
    assert any("<img src=x onerror=alert(2)>" in words for words in found.words)


def test_nothing_is_fetched() -> None:
    page = render_report(REPORT)
    assert not [a for a in outline(page).addresses if not a.startswith(("#", "data:"))]
    assert not re.search(r"@import|url\((?!data:)", page)


def test_the_figures_are_there() -> None:
    words = " ".join(outline(render_report(REPORT)).words)
    for part in ("0.875", "0.863", "0.886", "majority", "0.013", "classification", "CPU", "0.987"):
        assert part in words
    assert "svg" in outline(render_report(REPORT)).tags


def test_one_epoch_and_no_interval_still_draw() -> None:
    small = replace(
        REPORT,
        history=REPORT.history[:1],
        scores={"model": {"accuracy": {"value": 0.5, "low": None, "high": None}}},
        best_epoch=None,
        tables=[],
    )
    assert "0.5" in render_report(small)


def test_a_headline_that_the_model_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="accuracy"):
        render_report(replace(REPORT, headline_metric="acuracy"))
