"""The methods of dial_mpc at equal budget: DIAL-MPC beside MPPI, CEM, predictive sampling and CMA-ES.

Every pair of --methods and --budgets (samples, iterations) walks, lock-step by default: the robots wait for the plan,
D = 0. Errors are those of every tick; scores are over all commands. Seconds are of computing, for a robot and a
simulated second, planner and simulator together.

examples:
  diffusion-mpc evaluate sampling --methods dial_mpc mppi_explore --budgets 64 1 32 4
  diffusion-mpc evaluate sampling --delay 1 --replan 1 --json sampling.json
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.evaluation.commanded import FEW_COMMANDS, CommandedExperiment
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import timing_of
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.evaluation.task_table import TaskRow, put_rows
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.dial_mpc.methods import METHODS
from diffusion_mpc_ros.planners.registry import best_level
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, AsynchronousController
from diffusion_mpc_ros.policies.intervals import finite, interval

PLANNER = "dial_mpc"
SCORES = {
    "survival": "{:.0%}", "velocity_error": "{:.3f}", "yaw_rate_error": "{:.3f}", "tracking_score": "{:.3f}",
    "base_height": "{:.3f}", "power": "{:.0f}", "seconds_per_second": "{:.2f}",
}  # fmt: skip
# Method, and samples and iterations of its budget.
Case = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True)
class Config(CommandedExperiment):
    """Which methods at which budgets, and how they walk."""

    command = "evaluate sampling"
    title = "Sampling methods"
    size = "{robots} robots for each command x {ticks} ticks, D = {delay}, R = {replan}, seed {seed}"
    unit = "case"

    methods: tuple[str, ...] = tuple(METHODS)
    """Methods (planner.method)."""
    budgets: tuple[tuple[int, int], ...] = ((64, 1), (32, 4), (128, 1))
    """Samples and iterations of each budget."""
    commands: tuple[tuple[float, float, float], ...] = FEW_COMMANDS
    robots: int = 1
    ticks: int = 200
    delay: int = 0
    """Replan margin D; a plan is known so many ticks after its state."""
    replan: int = 1
    """Replan interval R [ticks]."""
    threads: int = 1
    table: Path | None = None
    """Put a row for each case into this common table of all tasks; score: mean of exp(-e^2 / 0.25)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown:
            raise ConfigurationError(f"unknown method {unknown[0]!r}; there is {', '.join(METHODS)}")

    @property
    def head(self) -> dict[str, Any]:
        names = ("robots", "ticks", "seed", "delay", "replan", "commands", "threads")
        config = {name: getattr(self, name) for name in names}
        settings = bringup.load_parameters("planner", PLANNER)
        return {"config": config, "planner_settings": settings, "machine": describe_machine()}

    def cells(self) -> list[Case]:
        return [(method, *budget) for budget, method in product(self.budgets, self.methods)]

    def labels(self, cell: Case) -> dict[str, Any]:
        return dict(zip(("method", "samples", "iterations"), cell))

    def run(self, cell: Case) -> Row:
        planning, own = bringup.load_settings("planner", PLANNER)
        own = replace(own, **self.labels(cell), physics_threads=self.threads, seed=self.seed)
        planner = best_level(PLANNER, own, timing_of(planning.horizon, self.delay, self.replan))
        begin = time.perf_counter()
        scores = self.walk(AsynchronousController(planner, latency_ticks=self.delay), " ".join(map(str, cell)))
        seconds = (time.perf_counter() - begin) / (scores.planar_error.size * CONTROL_DT)
        summary = scores.summary(np.ones(scores.planar_error.shape[1], dtype=bool))
        values = {**summary, "seconds_per_second": seconds}
        # Of each robot that was on its feet when its errors began to count.
        errors = scores.planar_error[min(SETTLING_TICKS, self.ticks - 1) :]
        means = np.nanmean(errors[:, np.isfinite(errors[0])], axis=0)
        known = {"interval": interval(np.mean, means) if len(means) else None}
        return {**self.labels(cell), **{name: finite(values[name]) for name in SCORES}, **known}

    def publish(self, report: Report) -> None:
        super().publish(report)
        if self.table is not None:
            put_rows(self.table, self._table_rows(report["rows"]))

    def _table_rows(self, rows: Sequence[Row]) -> list[TaskRow]:
        taken = ("method", "samples", "iterations", "survival", "velocity_error", "interval", "seconds_per_second")
        usual = {"task": "walk", "live": False, "trials": len(self.commands) * self.robots}
        usual["variant"] = f"a plan {self.delay} ticks late" if self.delay else ""
        return [TaskRow(**usual, score=row["tracking_score"], **{name: row[name] for name in taken}) for row in rows]

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            *((name, lambda row, name=name: str(row[name])) for name in ("method", "samples", "iterations")),
            *((name.replace("_", " "), lambda row, name=name: number(row[name], SCORES[name])) for name in SCORES),
        )
        return [Grid.of(self.size.format(**report["config"]), columns, report["rows"])]
