"""Crate climbing in lock-step: a robot is to stand on a crate, up to twice as high as itself.

The score is the share of trials in which it does: for half a second all four feet are on the top, the base is level
within 0.5 rad and 0.15 m above the top. Trunk, head and legs collide with the crate, in the model that is planned with
and in the robot's, which is the full one at 2 ms. The paper (arXiv 2409.15610) has 0.9 for DIAL-MPC with 4096 samples,
0.2 and 0.3 for MPPI, 0.2 for CMA-ES, over heights from 0.125 to 0.6 m. Seconds are of computing on one core, for a
simulated second.

examples:
  diffusion-mpc evaluate crate --heights 0.125 --trials 1 --samples 32
  diffusion-mpc evaluate crate --methods dial_mpc mppi_explore mppi_exploit cma_es --json crate.json
  diffusion-mpc evaluate crate --as-published --samples 2048 --json crate_published.json
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.evaluation.experiment import Report
from diffusion_mpc_ros.evaluation.report_file import Row, matches
from diffusion_mpc_ros.evaluation.task_experiment import PICTURES, TaskExperiment, Trial
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.dial_mpc.climbing import Climbing
from diffusion_mpc_ros.policies.intervals import wilson_interval
from diffusion_mpc_ros.simulation.ground.ground import Ground


@dataclass(frozen=True, kw_only=True)
class Config(TaskExperiment):
    """Which methods climb, and how high."""

    command = "evaluate crate"
    title = "Crate climbing"
    size = "{seconds} s, {samples} samples x {iterations} iterations, seed {seed}"
    lookahead, horizon_factor, feet_only, task_name = 25, 1.0, False, "crate"

    heights: tuple[float, ...] = (0.125, 0.25, 0.4, 0.5, 0.6)
    """Heights of the crate [m]."""
    iterations: int = 4
    trials: int = 2
    """Trials of each method at each height."""
    seconds: float = 4.0
    """How long a trial lasts [s]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for height in self.heights:
            self._ground(height)

    @property
    def own_options(self) -> Sequence[str]:
        return ("seconds",)

    @property
    def variant(self) -> str:
        return ", ".join(filter(None, [super().variant, f"{min(self.heights)} to {max(self.heights)} m"]))

    def cells(self) -> list[tuple[str, float, int]]:
        return [
            (method, height, trial)
            for trial in range(self.trials)
            for height in self.heights
            for method in self.methods
        ]  # fmt: skip

    def labels(self, cell: tuple[str, float, int]) -> dict[str, Any]:
        return dict(zip(("method", "height", "trial"), cell))

    def run(self, cell: tuple[str, float, int]) -> Row:
        done = self._climb(*cell)
        stands = Climbing(cell[1]).stood([done.ticks])
        seconds = len(done.states[1:]) * CONTROL_DT if stands else None
        return {**self.labels(cell), "seconds": seconds, **done.row}

    def score(self, rows: Sequence[Row]) -> tuple[float, list[float] | None]:
        successes = sum(row["seconds"] is not None for row in rows)
        return successes / len(rows), wilson_interval(successes, len(rows))

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            ("method", lambda row: row.method),
            *((f"{height} m", lambda row, height=height: self._share(report, row.method, height))
              for height in self.heights),
            ("score", lambda row: f"{row.score:.2f}"),
            ("95 %", lambda row: " .. ".join(f"{bound:.2f}" for bound in row.interval)),
            ("without a fall", lambda row: f"{row.survival:.0%}"),
            ("seconds a second", lambda row: f"{row.seconds_per_second:.1f}"),
        )  # fmt: skip
        return [Grid.of(self.size.format(**report["config"]), columns, self.table_rows(report["rows"]))]

    def draw(self, path: Path) -> None:
        height = self.heights[-1]
        states = self._climb(self.methods[0], height, 0).states
        times = np.linspace(10, min(75, len(states) - 1), PICTURES).astype(int)
        self.write_strip(path, [states[time] for time in times], self._ground(height), azimuth=110.0)

    def _climb(self, method: str, height: float, trial: int) -> Trial:
        task = Climbing(height, self.as_published, self.control_range(Climbing.control_range))
        ticks = round(self.seconds / CONTROL_DT)
        return self.perform(task, method, self.seed + trial, self._ground(height), ticks, lambda done: task.stood(done))

    @staticmethod
    def _share(report: Report, method: str, height: float) -> str:
        own = [row for row in report["rows"] if matches(row, {"method": method, "height": height})]
        return f"{sum(row['seconds'] is not None for row in own)} of {len(own)}"

    @staticmethod
    def _ground(height: float) -> Ground:
        return Ground.parse(f"crate:{height}")
