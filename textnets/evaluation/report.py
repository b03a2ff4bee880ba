"""The report: one offline page with the figures, curves, tables, recipe and facts of a run.

Nothing here knows what kind of task was measured. The page needs no network and no script;
everything that comes from data or recipe is escaped.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from textnets.errors import did_you_mean
from textnets.evaluation import charts

if TYPE_CHECKING:
    from jinja2 import Template

#: What a table cell may hold. ``None`` is shown as a dash.
Cell = str | int | float | None

#: Texts longer than this are folded after their beginning.
LONGEST_CELL = 280

#: A table with more rows than this shows the first :data:`FIRST_ROWS` until it is opened.
MOST_ROWS, FIRST_ROWS = 15, 10

# Characters that HTML forbids are replaced by their visible symbols.
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r"}


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        title: its heading.
        note: one line below the heading; may be empty.
        columns: the head row.
        rows: as many cells a row as there are columns, in the order to show.
    """

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Report:
    """Everything on the page, as plain data.

    Attributes:
        title: what the experiment is called.
        task: the kind of problem, in words.
        headline_metric: the metric on top; each system that has it is compared.
        scores: system to metric to ``value``, ``low`` and ``high``. The first system is the
            model, the others are what it has to beat.
        history: one mapping an epoch: ``epoch``, ``loss``, ``validation_loss``, ...
        best_epoch: the epoch whose weights were kept.
        monitor: the key of ``history`` that chose it.
        tables: anything else, in the order to show.
        recipe_text: the resolved recipe.
        facts: name and value: versions, device, fingerprints, seconds.
        note: one line below the title, such as how many examples were scored.
        descriptions: system to what it is, in one line.
        sentences: what follows from the scores, in words.
    """

    title: str
    task: str
    headline_metric: str
    scores: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    history: Sequence[Mapping[str, float]]
    best_epoch: int | None
    monitor: str
    tables: Sequence[Table]
    recipe_text: str
    facts: Sequence[tuple[str, str]]
    note: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    sentences: Sequence[str] = ()


@dataclass(frozen=True)
class _Column:
    name: str
    is_number: bool


@dataclass(frozen=True)
class _TableView:
    """A table whose cells are texts, ready to draw."""

    title: str
    note: str
    columns: tuple[_Column, ...]
    rows: tuple[tuple[str, ...], ...]


def render_report(report: Report) -> str:
    """The page as HTML text, to be written as UTF-8.

    Raises:
        ValueError: the model has no ``headline_metric``, or a table is ragged.
    """
    model = _find_model(report)
    headline = _having(report, report.headline_metric)
    page = _template().render(
        report=report,
        model=model,
        headline=report.scores[model][report.headline_metric],
        intervals=charts.draw_intervals(
            headline, {name: render_figure(figure) for name, figure in headline.items()}
        ),
        scores=_scores_table(report),
        curves=_draw_curves(report),
        history=_history_table(report.history),
        tables=[_view_table(table) for table in report.tables],
        geometry=charts,
        longest=LONGEST_CELL,
        most_rows=MOST_ROWS,
        first_rows=FIRST_ROWS,
    )
    return page.translate(_CONTROLS).encode("utf-8", errors="replace").decode("utf-8")


def render_figure(figure: Mapping[str, float | None]) -> str:
    """A value with its interval, where it has one: ``0.912 [0.901, 0.921]``."""
    value, low, high = (figure.get(key) for key in ("value", "low", "high"))
    if low is None or high is None:
        return render_number(value)
    return f"{render_number(value)} [{render_number(low)}, {render_number(high)}]"


def render_number(number: float | None) -> str:
    """A number as a person wants to read it: three decimals, fewer for large numbers.

    >>> [render_number(number) for number in (0.91234, 34.567, 12345.6, 0.0005, 3, None)]
    ['0.912', '34.57', '12,346', '0.0005', '3', '–']
    """
    if number is None:
        return "–"
    if isinstance(number, int):
        return f"{number:,}"
    size = abs(number)
    if 0.0 < size < 1e-3 or size >= 1e9:
        return f"{number:.3g}"
    decimals = 3 if size < 10 else 2 if size < 1000 else 0
    return f"{number:,.{decimals}f}"


def _find_model(report: Report) -> str:
    """The first system, which must have the headline metric."""
    if not report.scores:
        raise ValueError("a report needs the scores of at least one system, was: none")
    model, metrics = next(iter(report.scores.items()))
    if report.headline_metric not in metrics:
        hint = did_you_mean(report.headline_metric, metrics)
        raise ValueError(
            f"headline_metric must be a score of '{model}', was: '{report.headline_metric}'; {hint}"
        )
    return model


def _having(report: Report, metric: str) -> dict[str, Mapping[str, float | None]]:
    """The figures of every system that has ``metric``."""
    return {name: metrics[metric] for name, metrics in report.scores.items() if metric in metrics}


def _scores_table(report: Report) -> _TableView:
    """Every system by every metric, in the order in which they come."""
    metrics = list(dict.fromkeys(name for scores in report.scores.values() for name in scores))
    rows = [
        [name, *(render_figure(scores.get(metric, {})) for metric in metrics)]
        for name, scores in report.scores.items()
    ]
    columns = [_Column("", is_number=False)]
    columns += [_Column(_in_words(metric), is_number=True) for metric in metrics]
    return _TableView("All scores", "", tuple(columns), tuple(map(tuple, rows)))


def _draw_curves(report: Report) -> list[charts.CurveChart]:
    """The loss, what chose the best epoch, and the headline metric, where they are known."""
    wanted = ["loss", report.monitor.removeprefix("validation_"), report.headline_metric]
    drawn = (
        charts.draw_curves(name, report.history, report.best_epoch)
        for name in dict.fromkeys(wanted)
    )
    return [chart for chart in drawn if chart is not None]


def _history_table(history: Sequence[Mapping[str, float]]) -> _TableView:
    names = list(dict.fromkeys(name for row in history for name in row))
    rows = [[row.get(name) for name in names] for row in history]
    return _view_table(Table("History", "", [_in_words(name) for name in names], rows))


def _view_table(table: Table) -> _TableView:
    width = len(table.columns)
    for row in table.rows:
        if len(row) != width:
            raise ValueError(f"rows of '{table.title}' need {width} cells, was: {len(row)}")
    columns = (
        _Column(name, all(not isinstance(row[place], str) for row in table.rows))
        for place, name in enumerate(table.columns)
    )
    rows = (tuple(map(_render_cell, row)) for row in table.rows)
    return _TableView(table.title, table.note, tuple(columns), tuple(rows))


def _render_cell(cell: Cell) -> str:
    return cell if isinstance(cell, str) else render_number(cell)


def _in_words(name: str) -> str:
    return name.replace("_", " ")


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(words=_in_words, number=render_number)
    source = resources.files("textnets.evaluation").joinpath("report.html")
    return environment.from_string(source.read_text(encoding="utf-8"))
