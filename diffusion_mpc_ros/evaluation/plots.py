"""The pictures of the experiments, drawn by matplotlib into a PNG: one panel below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of a panel [inches].
WIDTH, HEIGHT = 9.0, 3.6
COLOUR, WANTED = "C0", "C3"


@dataclass(frozen=True)
class Point:
    """``y`` with its ``interval`` as a vertical bar; ``marked`` points are filled; ``x`` None: a category."""

    label: str
    y: float
    interval: Sequence[float]
    marked: bool = True
    x: float | None = None


@dataclass(frozen=True)
class Series:
    """``low <= median <= high`` at the times ``time``, and what is ``wanted`` then; equally many of each."""

    time: Sequence[float]
    low: Sequence[float]
    median: Sequence[float]
    high: Sequence[float]
    wanted: Sequence[float]


def points(path: Path, panels: Mapping[str, Sequence[Point]], y_label: str, x_label: str = "") -> Figure:
    """Draw points over categories or over numbers, both axes from zero."""
    figure = _figure(panels, x_label, y_label)
    for axes, shown in zip(figure.axes, panels.values()):
        numbers = bool(shown) and shown[0].x is not None
        for place, point in enumerate(shown):
            below, above = abs(point.y - point.interval[0]), abs(point.interval[1] - point.y)
            colour = f"C{place}" if numbers else COLOUR
            axes.errorbar(
                [point.x if numbers else place], [point.y], [[below], [above]], fmt="o", color=colour,
                markerfacecolor=colour if point.marked else "none", label=point.label,
            )  # fmt: skip
        # After all points: a limit that is set no longer follows them.
        if numbers:
            axes.set_xlim(left=0.0)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        else:
            axes.set_xticks(range(len(shown)), [point.label for point in shown], rotation=30, ha="right")
        axes.set_ylim(bottom=0.0)
    return _save(figure, path)


def timeline(path: Path, panels: Mapping[str, Series], x_label: str, y_label: str) -> Figure:
    """Draw medians in their bands, beside what was asked for, all on the same axes."""
    figure = _figure(panels, x_label, y_label)
    for axes, series in zip(figure.axes, panels.values()):
        axes.fill_between(series.time, series.low, series.high, color=COLOUR, alpha=0.3)
        axes.plot(series.time, series.wanted, color=WANTED, label="asked for")
        axes.plot(series.time, series.median, color=COLOUR, label="median")
        axes.sharex(figure.axes[0])
        axes.sharey(figure.axes[0])
        axes.legend()
    return _save(figure, path)


def curves(path: Path, panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], x_label: str) -> Figure:
    """Draw curves by name, each a sequence of points (x, y); y begins at zero."""
    figure = _figure(panels, x_label, "")
    for axes, lines in zip(figure.axes, panels.values()):
        for name, line in lines.items():
            axes.plot([x for x, _ in line], [y for _, y in line], label=name)
        axes.set_ylim(bottom=0.0)
        if any(lines):
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _save(figure, path)


def groups(path: Path, categories: Sequence[str], series: Mapping[str, Sequence[Point]], y_label: str) -> Figure:
    """Draw the points of every series side by side over each category, one of a series for each."""
    figure = _figure([""], "", y_label)
    (axes,) = figure.axes
    for number, (name, shown) in enumerate(series.items()):
        place = (number - (len(series) - 1) / 2) * 0.6 / len(series)
        _draw(axes, [replace(point, x=index + place) for index, point in enumerate(shown)], name, f"C{number}", "none")
    axes.axhline(0.0, color="0.4", linewidth=0.8)
    axes.set_xticks(range(len(categories)), categories)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _save(figure, path)


def lines(
    path: Path,
    panels: Mapping[str, Mapping[str, Sequence[Point]]],
    x_label: str,
    y_label: str,
    limits: Mapping[str, float] | None = None,
    logarithmic: bool = False,
) -> Figure:
    """Draw lines through points by name, and ``limits`` on y as dashed lines; y begins at zero but on a logarithm."""
    from matplotlib.ticker import LogLocator, ScalarFormatter

    figure = _figure(panels, x_label, y_label)
    for axes, series in zip(figure.axes, panels.values()):
        for number, (name, shown) in enumerate(series.items()):
            _draw(axes, shown, name, f"C{number}", "solid")
        for name, limit in (limits or {}).items():
            axes.axhline(limit, color=WANTED, linestyle="dashed", linewidth=1.0)
            axes.annotate(name, (0.01, limit), xycoords=axes.get_yaxis_transform(), va="bottom")
        places = sorted({point.x for shown in series.values() for point in shown})
        if logarithmic:
            axes.loglog()
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(ScalarFormatter())
        else:
            axes.set_ylim(bottom=0.0)
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.minorticks_off()
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _save(figure, path)


def _draw(axes: Axes, shown: Sequence[Point], name: str, colour: str, line: str) -> None:
    """Draw a line through points with their bars; those that are not marked are hollow."""
    xs, ys = [point.x for point in shown], [point.y for point in shown]
    bars = [[abs(point.y - point.interval[side]) for point in shown] for side in (0, 1)]
    axes.errorbar(xs, ys, bars, fmt="none", ecolor=colour)
    axes.plot(xs, ys, color=colour, linestyle=line, marker="o", label=name)
    hollow = [(point.x, point.y) for point in shown if not point.marked]
    if hollow:
        axes.plot(*zip(*hollow), color=colour, linestyle="none", marker="o", markerfacecolor="white")


def _figure(titles: Sequence[str] | Mapping, x_label: str, y_label: str) -> Figure:
    # Only here: it takes a second to load, and most runs draw nothing.
    from matplotlib.figure import Figure

    count = max(len(titles), 1)
    figure = Figure(figsize=(WIDTH, HEIGHT * count), layout="constrained")
    for axes, title in zip(figure.subplots(count, squeeze=False)[:, 0], titles):
        axes.set(title=title, xlabel=x_label, ylabel=y_label)
        axes.grid(alpha=0.4)
    return figure


def _save(figure: Figure, path: Path) -> Figure:
    figure.savefig(path)
    return figure
