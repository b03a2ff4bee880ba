"""The report's drawings lie inside of their axes, whatever the figures."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textnets.evaluation.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    CurveChart,
    choose_ticks,
    draw_curves,
    draw_intervals,
)

# Nobody's loss is below 1e-100, but for 0.
NUMBERS = (st.floats(-1e9, 1e9) | st.floats(-1.0, 1.0)).map(lambda x: x if abs(x) > 1e-100 else 0.0)
EDGE = 1e-6


def history_of(values: list[float], other: list[float] | None = None) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "loss": value, **({"validation_loss": other[epoch - 1]} if other else {})}
        for epoch, value in enumerate(values, start=1)
    ]


def chart_of(values: list[float], other: list[float] | None = None, best: int = 1) -> CurveChart:
    chart = draw_curves("loss", history_of(values, other), best)
    assert chart is not None
    return chart


def check_geometry(chart: CurveChart) -> None:
    """All that is drawn is inside of the plot, and the axes run one way, with room for labels."""
    points = [point for curve in chart.curves for point in curve.points]
    for point in points:
        assert LEFT - EDGE <= point.across <= WIDTH - RIGHT + EDGE
        assert TOP - EDGE <= point.down <= HEIGHT - BOTTOM + EDGE
    across = [tick.position for tick in chart.epochs]
    down = [tick.position for tick in chart.values]
    assert across == sorted(set(across))
    assert down == sorted(set(down), reverse=True)  # SVG counts downwards
    assert len({tick.label for tick in chart.epochs}) == len(across)
    assert all(LEFT - EDGE <= place <= WIDTH - RIGHT + EDGE for place in across)
    assert all(TOP - EDGE <= place <= HEIGHT - BOTTOM + EDGE for place in down)
    # Labels of the vertical axis are a line of text apart, and end before the plot begins.
    assert all(one - other >= 12.0 for one, other in itertools.pairwise(down))
    if chart.best is not None:
        assert chart.best in [point.across for point in points]
    for curve in chart.curves:
        assert [point.across for point in curve.points] == sorted(
            point.across for point in curve.points
        )
        assert len(curve.path.split()) == len(curve.points)


@given(values=st.lists(NUMBERS, min_size=1, max_size=40), data=st.data())
def test_any_history_is_drawn_inside_of_its_axes(values: list[float], data: st.DataObject) -> None:
    other = data.draw(st.lists(NUMBERS, min_size=len(values), max_size=len(values)))
    check_geometry(chart_of(values, other))


def test_a_greater_value_is_higher_and_a_later_epoch_further_right() -> None:
    (curve,) = chart_of([3.0, 1.0, 2.0]).curves
    first, second, third = curve.points
    assert first.across < second.across < third.across
    assert first.down < third.down < second.down
    assert second.words == "epoch 2: 1"


def test_the_best_epoch_is_marked_where_it_is() -> None:
    chart = chart_of([3.0, 1.0, 2.0], best=2)
    assert chart.best == chart.curves[0].points[1].across
    assert chart_of([3.0], best=7).best is None
    without = draw_curves("loss", history_of([1.0, 2.0]), None)
    assert without is not None
    assert without.best is None


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e-12, 1e12])
@pytest.mark.parametrize("count", [1, 5])
def test_equal_values_are_drawn_in_the_middle_of_an_axis_with_extent(
    value: float, count: int
) -> None:
    chart = chart_of([value] * count)
    check_geometry(chart)
    assert len(chart.values) >= 2
    downs = {point.down for point in chart.curves[0].points}
    assert len(downs) == 1
    assert TOP < downs.pop() < HEIGHT - BOTTOM


def test_one_epoch_is_in_the_middle() -> None:
    chart = chart_of([0.5], [0.25])
    check_geometry(chart)
    assert {p.across for c in chart.curves for p in c.points} == {(LEFT + WIDTH - RIGHT) / 2}
    assert [tick.label for tick in chart.epochs] == ["1"]


def test_what_is_no_number_is_left_out() -> None:
    nan, inf = float("nan"), float("inf")
    chart = chart_of([nan, 2.0, inf, 1.0, -inf], [1.0, nan, 2.0, nan, 1.5])
    check_geometry(chart)
    train, validation = chart.curves
    assert [point.words for point in train.points] == ["epoch 2: 2", "epoch 4: 1"]
    assert len(validation.points) == 3
    assert (train.role, validation.role) == ("train", "validation")
    assert draw_curves("loss", history_of([nan, inf]), 1) is None
    assert draw_curves("accuracy", history_of([1.0]), 1) is None
    assert draw_curves("loss", [], None) is None


@pytest.mark.parametrize("last", [2, 3, 7, 40, 1000])
def test_epochs_are_labelled_as_whole_numbers(last: int) -> None:
    chart = chart_of([float(epoch) for epoch in range(last)])
    labels = [int(tick.label) for tick in chart.epochs]
    assert labels == sorted(set(labels))
    assert labels[0] >= 1
    assert labels[-1] <= last


# --- Ticks ---


@given(one=NUMBERS, other=NUMBERS)
def test_ticks_are_round_even_and_around_the_values(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = choose_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    steps = [second - first for first, second in itertools.pairwise(ticks)]
    room = 1e-6 * max(abs(low), abs(high), steps[0])
    assert ticks[0] <= low + room
    assert ticks[-1] >= high - room
    assert min(steps) > 0
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)
    mantissa = steps[0] / 10.0 ** math.floor(math.log10(steps[0]) + 1e-6)
    assert any(mantissa == pytest.approx(round_, rel=1e-3) for round_ in (1, 2, 5))


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.121, 0.124, ["0.121", "0.122", "0.123", "0.124"]),
        (0.0, 12000.0, ["0", "5,000", "10,000", "15,000"]),
    ],
)
def test_labels_have_the_decimals_that_tell_them_apart(
    low: float, high: float, labels: list[str]
) -> None:
    assert [tick.label for tick in chart_of([low, high]).values] == labels


# --- Intervals ---


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_any_intervals_lie_on_their_axis_in_their_order(
    figures: list[tuple[float, float, float]],
) -> None:
    given_ = {
        f"system {number}": dict(zip(("low", "value", "high"), sorted(figure), strict=True))
        for number, figure in enumerate(figures)
    }
    chart = draw_intervals(given_, dict.fromkeys(given_, "words"))
    assert chart is not None
    assert [row.name for row in chart.rows] == list(given_)
    for row in chart.rows:
        assert row.low is not None
        assert row.high is not None
        assert -EDGE <= row.low <= row.value <= row.high <= 100.0 + EDGE
    places = [tick.position for tick in chart.ticks]
    assert places == sorted(places)
    assert places[0] == pytest.approx(0.0)
    assert places[-1] == pytest.approx(100.0)


def test_intervals_without_bounds_and_without_values() -> None:
    figures = {
        "model": {"value": 0.5, "low": None, "high": float("nan")},
        "diverged": {"value": float("nan"), "low": 0.1, "high": 0.2},
    }
    chart = draw_intervals(figures, {"model": "0.5", "diverged": "–"})
    assert chart is not None
    (row,) = chart.rows
    assert (row.name, row.low, row.high, row.words) == ("model", None, None, "0.5")
    assert 0.0 < row.value < 100.0
    assert draw_intervals({"diverged": figures["diverged"]}, {"diverged": "–"}) is None
    assert draw_intervals({}, {}) is None
