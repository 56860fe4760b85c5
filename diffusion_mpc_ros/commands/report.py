"""What ``diffusion-mpc run`` shows: progress while it walks, a table at the end."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table


class Progress:
    """One line: the phase, and a bar once measuring has begun; without ``duration`` [s] the bar only pulses."""

    def __init__(self, console: Console, duration: float | None) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._console = console
        self._bar = RichProgress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("starting", total=None)
        self._duration, self._start = duration, None

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def phase(self, description: str) -> None:
        """Name what is going on."""
        self._bar.update(self._task, description=description)
        if not self._console.is_terminal:
            self._console.print(description)

    def measure(self, start: float) -> None:
        """Measuring began at ``start`` [s, monotonic]."""
        self._start = start
        self._bar.update(self._task, description="measuring", total=self._duration)

    def update(self) -> None:
        """Move the bar."""
        if self._start is not None:
            self._bar.update(self._task, completed=time.monotonic() - self._start)


def print_report(result: dict[str, Any], asked: str, console: Console) -> None:
    """Print the report as a table, ``asked``: the velocity in words; and the comparison when a reward was switched."""
    table = Table("", "", title=f"command {asked}", show_header=False)
    plan = result["plan_ms"]
    rows = (
        ("fell", "yes" if result["fell"] else "no"),
        *([("fault", result["fault"])] if result["fault"] else []),
        ("measured", f"{result['duration']:.1f} s"),
        ("command rate", f"{result['command_rate_hz']:.3f} Hz"),
        ("late ticks", f"{result['late_ticks']} of {result['ticks']}"),
        ("plan time", f"p50 {plan['p50']:.1f} ms, p99 {plan['p99']:.1f} ms"),
        ("ticks from a plan", f"{100.0 * result['plan_followed']:.1f} %"),
        ("velocity error", f"{result['velocity_error']:.3f} m/s"),
        ("mean velocity", f"{result['mean_vx']:.3f} {result['mean_vy']:.3f} m/s, {result['mean_yaw_rate']:.3f} rad/s"),
        ("mean height", f"{result['mean_height']:.3f} m"),
    )
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
    if "reward" in result:
        _print_comparison(result["reward"], console)


def _print_comparison(reward: dict[str, Any], console: Console) -> None:
    table = Table("", "before", "after", "change", title=f"reward preset {reward['preset']}")
    for name, before in reward["before"].items():
        after = reward["after"][name]
        change = f"{100.0 * (after - before) / before:+.1f} %" if before else ""
        table.add_row(name.replace("_", " "), f"{before:.3f}", f"{after:.3f}", change)
    console.print(table)
