"""The geometry of the report's two drawings: curves over epochs, and intervals on one axis.

Only numbers are computed here; ``report.html`` draws them as SVG.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

#: A curve chart in SVG user units. Narrow, so that its text stays readable on a phone.
WIDTH, HEIGHT = 380.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 14.0, 38.0


@dataclass(frozen=True)
class Tick:
    """A labeled place on an axis, in the units of its drawing."""

    position: float
    label: str


@dataclass(frozen=True)
class Point:
    """A drawn value and the words that a pointer over it shows."""

    across: float
    down: float
    words: str


@dataclass(frozen=True)
class Curve:
    """One series. ``role`` (``train`` or ``validation``) chooses its looks."""

    role: str
    points: tuple[Point, ...]

    @property
    def path(self) -> str:
        """The ``points`` attribute of a polyline."""
        return " ".join(f"{point.across:.1f},{point.down:.1f}" for point in self.points)


@dataclass(frozen=True)
class CurveChart:
    """A figure over epochs, for training and validation.

    Attributes:
        name: the figure.
        curves: those that the history holds, training first.
        epochs: ticks of the horizontal axis, in SVG user units.
        values: ticks of the vertical axis.
        best: where the best epoch is, in SVG user units; ``None`` without one.
        best_epoch: its number.
    """

    name: str
    curves: tuple[Curve, ...]
    epochs: tuple[Tick, ...]
    values: tuple[Tick, ...]
    best: float | None
    best_epoch: int | None


@dataclass(frozen=True)
class IntervalRow:
    """One system's figure: places in per cent of the axis, ``words`` as text."""

    name: str
    value: float
    low: float | None
    high: float | None
    words: str


@dataclass(frozen=True)
class IntervalChart:
    """Figures of several systems on one axis, ticks in per cent of its width."""

    rows: tuple[IntervalRow, ...]
    ticks: tuple[Tick, ...]


def draw_curves(
    name: str, history: Sequence[Mapping[str, float]], best_epoch: int | None
) -> CurveChart | None:
    """Curves of ``name`` and ``validation_<name>`` over ``epoch``.

    Values that are not finite (a diverged run) are left out.

    Returns:
        The chart, or ``None`` where the history holds no such figure.
    """
    series = {
        "train": _read_series(history, name),
        "validation": _read_series(history, f"validation_{name}"),
    }
    drawn = {role: points for role, points in series.items() if points}
    if not drawn:
        return None
    epochs = [epoch for points in drawn.values() for epoch, _ in points]
    values = [value for points in drawn.values() for _, value in points]
    value_ticks = choose_ticks(min(values), max(values))
    across = _Scale(min(epochs), max(epochs), LEFT, WIDTH - RIGHT)
    # The axis ends at ticks, so that every value lies between two labels.
    down = _Scale(value_ticks[0], value_ticks[-1], HEIGHT - BOTTOM, TOP)
    curves = (_draw_curve(role, points, across, down) for role, points in drawn.items())
    return CurveChart(
        name=name,
        curves=tuple(curves),
        epochs=tuple(Tick(across(e), f"{e:g}") for e in _choose_epochs(min(epochs), max(epochs))),
        values=_label_ticks(value_ticks, down),
        best=across(best_epoch) if best_epoch in epochs and best_epoch is not None else None,
        best_epoch=best_epoch,
    )


def draw_intervals(
    figures: Mapping[str, Mapping[str, float | None]], words: Mapping[str, str]
) -> IntervalChart | None:
    """The figures of each system on one axis.

    Args:
        figures: system to ``value``, ``low`` and ``high``.
        words: system to the text beside its row.

    Returns:
        The chart, or ``None`` where there is nothing finite to draw.
    """
    finite = {
        name: {key: number for key, number in figure.items() if _is_finite(number)}
        for name, figure in figures.items()
    }
    drawn = {name: figure for name, figure in finite.items() if "value" in figure}
    numbers = [number for figure in drawn.values() for number in figure.values()]
    if not numbers:
        return None
    ticks = choose_ticks(min(numbers), max(numbers))
    across = _Scale(ticks[0], ticks[-1], 0.0, 100.0)
    rows = [
        IntervalRow(
            name=name,
            value=across(figure["value"]),
            low=across(figure["low"]) if "low" in figure else None,
            high=across(figure["high"]) if "high" in figure else None,
            words=words[name],
        )
        for name, figure in drawn.items()
    ]
    return IntervalChart(tuple(rows), _label_ticks(ticks, across))


def choose_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten), evenly spaced, around low to high.

    Returns:
        Between 2 and ``most`` + 1 ascending numbers; the first is at most ``low``, the last
        at least ``high``.
    """
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        margin = 0.05 * abs(low) or 1.0
        low, high = low - margin, high + margin
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * m for m in (1, 2, 5, 10, 20) if (high - low) / (power * m) <= most - 1)
    # The tolerance keeps 1.0 / 0.1 = 10.000000000000002 from asking for another tick.
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


class _Scale:
    """A straight line from numbers to places in a drawing."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = low, start
        # A single epoch has no extent: it is drawn in the middle.
        self._slope = (end - start) / (high - low) if high > low else 0.0
        if high <= low:
            self._start = (start + end) / 2.0

    def __call__(self, number: float) -> float:
        return self._start + (number - self._low) * self._slope


def _read_series(history: Sequence[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    """(epoch, value) of each epoch that has a finite value."""
    return [
        (float(row.get("epoch", position)), float(row[name]))
        for position, row in enumerate(history, start=1)
        if _is_finite(row.get(name))
    ]


def _draw_curve(
    role: str, series: Sequence[tuple[float, float]], across: _Scale, down: _Scale
) -> Curve:
    points = (
        Point(across(epoch), down(value), f"epoch {epoch:g}: {value:.4g}")
        for epoch, value in series
    )
    return Curve(role, tuple(points))


def _choose_epochs(first: float, last: float) -> list[float]:
    """Whole epochs to label."""
    if first == last:
        return [first]
    ticks = (tick for tick in choose_ticks(first, last) if first <= round(tick) <= last)
    return [round(tick) for tick in ticks if abs(tick - round(tick)) < 1e-6]


def _label_ticks(ticks: Sequence[float], scale: _Scale) -> tuple[Tick, ...]:
    """Ticks with as many decimals as tell them apart."""
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    plain = decimals <= 4 and max(map(abs, ticks)) < 1e7
    return tuple(
        Tick(scale(tick), f"{tick:,.{decimals}f}" if plain else f"{tick:.4g}") for tick in ticks
    )


def _is_finite(number: float | None) -> TypeGuard[float]:
    return number is not None and math.isfinite(number)
