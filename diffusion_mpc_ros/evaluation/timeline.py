"""Values over time as a PNG: a median in its band, beside what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN = 900, 420, 60
LINE, BAND, WANTED, AXES, GRID, BACKGROUND = "#1f77b4", "#c6dbef", "#d62728", "black", "#dddddd", "white"
GRID_LINES = 5


@dataclass(frozen=True)
class Series:
    """``low <= median <= high`` at the times ``time``, and what is ``wanted`` then; equally many of each."""

    time: Sequence[float]
    low: Sequence[float]
    median: Sequence[float]
    high: Sequence[float]
    wanted: Sequence[float]


def timeline(path: Path, panels: Mapping[str, Series], time_label: str, label: str) -> None:
    """Write one panel below the other, all on the same axes; a panel without a value is left empty."""
    image = Image.new("RGB", (WIDTH, HEIGHT * max(len(panels), 1)), BACKGROUND)
    draw = ImageDraw.Draw(image)
    shown = [series for series in panels.values() if series.time]
    values = [value for series in shown for part in (series.low, series.high, series.wanted) for value in part]
    times = [time for series in shown for time in series.time]
    for index, (title, series) in enumerate(panels.items()):
        axes = _Axes(draw, index * HEIGHT, _range(times), _range(values))
        axes.frame(f"{title}: {label}, over {time_label}")
        if series.time:
            axes.fill(series.time, series.low, series.high)
            axes.line(series.time, series.wanted, WANTED)
            axes.line(series.time, series.median, LINE)
    image.save(path)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


class _Axes:
    """One panel, ``top`` pixels down the image; times and values in their ranges fill it."""

    def __init__(
        self, draw: ImageDraw.ImageDraw, top: int, times: tuple[float, float], values: tuple[float, float]
    ) -> None:
        self._draw, self._times, self._values = draw, times, values
        self._left, self._right = MARGIN, WIDTH - MARGIN / 2
        self._upper, self._lower = top + MARGIN / 2, top + HEIGHT - MARGIN / 2

    def _place(self, time: float, value: float) -> tuple[float, float]:
        (first, last), (low, high) = self._times, self._values
        x = self._left + (self._right - self._left) * (time - first) / (last - first)
        return x, self._lower - (self._lower - self._upper) * (value - low) / (high - low)

    def frame(self, title: str) -> None:
        (first, last), (low, high) = self._times, self._values
        for line in range(GRID_LINES + 1):
            time, value = (a + (b - a) * line / GRID_LINES for a, b in ((first, last), (low, high)))
            self._draw.line([self._place(first, value), self._place(last, value)], fill=GRID)
            self._draw.text((8, self._place(first, value)[1] - 6), f"{value:.3g}", fill=AXES)
            self._draw.text((self._place(time, low)[0] - 10, self._lower + 4), f"{time:.3g}", fill=AXES)
        self._draw.text((self._left, self._upper - 20), title, fill=AXES)

    def fill(self, times: Sequence[float], low: Sequence[float], high: Sequence[float]) -> None:
        there, back = list(map(self._place, times, high)), list(map(self._place, times, low))
        self._draw.polygon([*there, *reversed(back)], fill=BAND)

    def line(self, times: Sequence[float], values: Sequence[float], colour: str) -> None:
        self._draw.line(list(map(self._place, times, values)), fill=colour, width=2)
