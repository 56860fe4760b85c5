"""Sequential jumping in lock-step: a robot has a second for each of some random stages, four plates each.

The score is that of equation 10 of DIAL-MPC (arXiv 2409.15610) as a share of its maximum: of each stage, the worst
contact reward of its last 0.2 s. A foot counts on its own plate, of 10 cm radius, and under load. The paper has 0.885
for DIAL-MPC with 2048 samples, 0.44 and 0.45 for MPPI, 0.345 for CMA-ES. Seconds are of computing on one core, for a
simulated second.

examples:
  diffusion-mpc evaluate jump --trials 1 --stages 3 --samples 64
  diffusion-mpc evaluate jump --methods dial_mpc mppi_explore mppi_exploit cma_es --json jump.json
  diffusion-mpc evaluate jump --as-published --samples 2048 --json jump_published.json
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.evaluation.experiment import Report, bounds, number
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.evaluation.task_experiment import PICTURES, TaskExperiment, Trial
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.dial_mpc.jumping import (
    PLATE_RADIUS,
    STAGE_TICKS,
    Jumping,
    Stages,
    stage_scores,
)
from diffusion_mpc_ros.policies.intervals import interval
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground
from diffusion_mpc_ros.simulation.ground.surfaces import Discs, Plane

# Flat ground on which a robot looks where the first stage does: along x.
START = Ground(replace(FLAT.kind, heading=0.0))


@dataclass(frozen=True, kw_only=True)
class Config(TaskExperiment):
    """Which methods jump, and how far."""

    command = "evaluate jump"
    title = "Sequential jumping"
    size = "{stages} stages, {samples} samples x {iterations} iterations, seed {seed}"
    lookahead, horizon_factor, feet_only, task_name = 20, 0.9, True, "jump"

    stages: int = 10
    """Stages of a trial, one a second."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_below_one("stages")

    @property
    def own_options(self) -> Sequence[str]:
        return ("stages",)

    @property
    def variant(self) -> str:
        return ", ".join(filter(None, [super().variant, f"stages: {self.stages}"]))

    def cells(self) -> list[tuple[str, int]]:
        return [(method, trial) for trial in range(self.trials) for method in self.methods]

    def labels(self, cell: tuple[str, int]) -> dict[str, Any]:
        return dict(zip(("method", "trial"), cell))

    def run(self, cell: tuple[str, int]) -> Row:
        method, trial = cell
        stages, done = self._jump(method, trial)
        return {**self.labels(cell), "stages": stage_scores(done.ticks, stages).tolist(), **done.row}

    def score(self, rows: Sequence[Row]) -> tuple[float, list[float] | None]:
        values = np.array([np.mean(row["stages"]) for row in rows])
        return float(values.mean()), interval(np.mean, values)

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            ("method", lambda row: row.method),
            ("score", lambda row: number(row.score, "{:.3f}")),
            ("95 %", lambda row: bounds(row.interval, "{:.3f}")),
            ("trials", lambda row: str(row.trials)),
            ("without a fall", lambda row: f"{row.survival:.0%}"),
            ("seconds a second", lambda row: f"{row.seconds_per_second:.1f}"),
        )
        return [Grid.of(self.size.format(**report["config"]), columns, self.table_rows(report["rows"]))]

    def draw(self, path: Path) -> None:
        stages, done = self._jump(self.methods[0], 0)
        marks = Discs(stages.plates().reshape(-1, 2), PLATE_RADIUS)
        ground = Ground(replace(START.kind, name="plates", make=lambda *_: [Plane(), marks]))
        # Within the first stages: on the ground, in the air, on the ground.
        times = np.linspace(STAGE_TICKS - 5, min(2 * STAGE_TICKS, len(done.states) - 1), PICTURES).astype(int)
        self.write_strip(path, [done.states[time] for time in times], ground, azimuth=60.0)

    def _jump(self, method: str, trial: int) -> tuple[Stages, Trial]:
        stages = Stages.drawn(self.stages, np.random.default_rng([self.seed, trial]))
        task = Jumping(stages, self.as_published, self.control_range(Jumping.control_range))
        ticks = (self.stages + 1) * STAGE_TICKS
        return stages, self.perform(task, method, self.seed + trial, START, ticks)
