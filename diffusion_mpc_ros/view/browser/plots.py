"""The plots: velocity against command, plan latency with its budget, the active objective's penalty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import viser
from viser import uplot

from diffusion_mpc_ros.view.history import History

# What is shown [s], and how high a plot is [pixels].
SECONDS, HEIGHT = 12.0, 150
AXIS = 46  # room for numbers [pixels]
COMMANDED = [5.0, 4.0]  # dashes
FORWARD, LEFT, TURN = "#ffaa1e", "#50dc8c", "#409cff"


def _series(label: str, colour: str, dash: list[float] | None = None) -> uplot.Series:
    series = uplot.Series(label=label, stroke=colour, width=1.6)
    return series if dash is None else uplot.Series(**{**series, "dash": dash})


class Plot:
    """One plot over the last :data:`SECONDS`; a row at a time, drawn when asked."""

    def __init__(self, gui: viser.GuiApi, title: str, series: Sequence[uplot.Series], rate: float) -> None:
        self._columns, self._length = len(series), round(SECONDS * rate)
        self.clear()
        self._handle = gui.add_uplot(
            self._history.columns(),
            (uplot.Series(label="s"), *series),
            title=title,
            height=HEIGHT,
            scales={"x": uplot.Scale(time=False, auto=False, range=(-SECONDS, 0.0)), "y": uplot.Scale(auto=True)},
            axes=(_axis(), _axis()),
            legend=uplot.Legend(show=True, live=False),
        )

    @property
    def title(self) -> str:
        """What stands above it."""
        return self._handle.title or ""

    @title.setter
    def title(self, title: str) -> None:
        if title != self._handle.title:
            self._handle.title = title

    def clear(self) -> None:
        """Forget what there was."""
        self._history = History(self._columns, self._length)

    def add(self, now: float, *values: float) -> None:
        """Add a value of each series at ``now`` [s]."""
        self._history.add(now, *values)

    def draw(self) -> None:
        """Send what there is."""
        self._handle.data = tuple(column.astype(np.float64) for column in self._history.columns())


def _axis() -> uplot.Axis:
    grid = uplot.Axis_Grid(show=True, stroke="#3a3f4a", width=1)
    return uplot.Axis(stroke="#9aa3b2", grid=grid, size=AXIS)


class Plots:
    """The three of them."""

    def __init__(self, gui: viser.GuiApi, rate: float) -> None:
        pairs = (("forward", FORWARD), ("left", LEFT), ("turn", TURN))
        velocity = [
            part for name, colour in pairs for part in (_series(name, colour), _series(f"{name}*", colour, COMMANDED))
        ]
        self.velocity = Plot(gui, "velocity and command* [m/s, rad/s]", velocity, rate)
        latency = (_series("plan", FORWARD), _series("budget", "#f0506e", COMMANDED))
        self.latency = Plot(gui, "plan latency [ms]", latency, rate)
        self.penalty = Plot(gui, "penalty", (_series("measured", LEFT),), rate)

    def draw(self) -> None:
        """Send all of them."""
        for plot in (self.velocity, self.latency, self.penalty):
            plot.draw()
