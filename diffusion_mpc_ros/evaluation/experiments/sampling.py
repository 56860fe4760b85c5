"""The methods of dial_mpc at equal budget: DIAL-MPC beside MPPI, CEM, predictive sampling and CMA-ES.

Every pair of --methods and --budgets (samples, iterations) walks, lock-step by default: the robots wait for the plan,
D = 0. The tasks are those of the paper (arXiv 2409.15610, tables I to III): nothing carried, 10 kg that the planner is
told of, 2 kg that it is not. Errors are those of every tick up to a fall; scores are over all commands, the 95 %
interval is of the velocity error, robots drawn with replacement. Seconds are of computing on one core, for a robot and
a simulated second, planner and simulator together.

examples:
  diffusion-mpc evaluate sampling --methods dial_mpc mppi_explore --budgets 64 1 32 4
  diffusion-mpc evaluate sampling --delay 1 --replan 1 --json sampling.json
  diffusion-mpc evaluate sampling --tasks walk_payload --budgets 64 2 128 2 --table docs/results/dial_mpc.json
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.declared_model import NOMINAL, DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.evaluation import plots
from diffusion_mpc_ros.evaluation.commanded import FEW_COMMANDS, CommandedExperiment, command_text
from diffusion_mpc_ros.evaluation.experiment import PlottedExperiment, Report, bounds, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import timing_of
from diffusion_mpc_ros.evaluation.report_file import Row, matches
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
# What the robots carry, and what the planner is told that they do.
TASKS: dict[str, tuple[DeclaredModel, DeclaredModel]] = {
    "walk": (NOMINAL, NOMINAL),
    "walk_payload": (DeclaredModel(payload_mass=10.0), DeclaredModel(payload_mass=10.0)),
    "walk_mismatch": (DeclaredModel(payload_mass=2.0), NOMINAL),
}
LABELS = "task", "method", "samples", "iterations"
# Task, method, and samples and iterations of its budget.
Case = tuple[str, str, int, int]


@dataclass(frozen=True, kw_only=True)
class Config(CommandedExperiment, PlottedExperiment):
    """Which methods at which budgets, and how they walk."""

    command = "evaluate sampling"
    title = "Sampling methods"
    size = "{robots} robots for each of {commands} x {ticks} ticks, D = {delay}, R = {replan}, seed {seed}"
    unit = "case"

    tasks: tuple[str, ...] = ("walk",)
    """Tasks: walk, walk_payload (10 kg, declared), walk_mismatch (2 kg, not declared)."""
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
        for name, given, known in (("task", self.tasks, TASKS), ("method", self.methods, METHODS)):
            unknown = [each for each in given if each not in known]
            if unknown:
                raise ConfigurationError(f"unknown {name} {unknown[0]!r}; there is {', '.join(known)}")

    @property
    def head(self) -> dict[str, Any]:
        names = ("robots", "ticks", "seed", "delay", "replan", "commands", "threads")
        config = {name: getattr(self, name) for name in names}
        settings = bringup.load_parameters("planner", PLANNER)
        return {"config": config, "planner_settings": settings, "machine": describe_machine()}

    def cells(self) -> list[Case]:
        return [(task, method, *budget) for task, budget, method in product(self.tasks, self.budgets, self.methods)]

    def labels(self, cell: Case) -> dict[str, Any]:
        return dict(zip(LABELS, cell))

    def run(self, cell: Case) -> Row:
        task, method, samples, iterations = cell
        carried, declared = TASKS[task]
        planning, own = bringup.load_settings("planner", PLANNER)
        own = replace(
            own, method=method, samples=samples, iterations=iterations, declared=declared,
            physics_threads=self.threads, seed=self.seed,
        )  # fmt: skip
        planner = best_level(PLANNER, own, timing_of(planning.horizon, self.delay, self.replan))
        begin = time.process_time()
        controller = AsynchronousController(planner, latency_ticks=self.delay)
        scores = self.walk(controller, " ".join(map(str, cell)), declared=carried)
        seconds = (time.process_time() - begin) / (scores.planar_error.size * CONTROL_DT)
        summary = scores.summary(np.ones(scores.planar_error.shape[1], dtype=bool))
        values = {**summary, "seconds_per_second": seconds}
        known = {"interval": error_interval(scores.planar_error)}
        return {**self.labels(cell), **{name: finite(values[name]) for name in SCORES}, **known}

    def publish(self, report: Report) -> None:
        super().publish(report)
        if self.table is not None:
            put_rows(self.table, self._table_rows(report["rows"]))

    def _table_rows(self, rows: Sequence[Row]) -> list[TaskRow]:
        names = {each.name for each in fields(TaskRow)}
        taken = names - {"live", "score", "trials", "variant"}
        usual = {"live": False, "trials": len(self.commands) * self.robots, "variant": self.variant}
        return [TaskRow(**usual, score=row["tracking_score"], **{name: row[name] for name in taken}) for row in rows]

    @property
    def variant(self) -> str:
        """What is not as usual, in words."""
        commands = ", ".join(map(command_text, self.commands)) if self.commands != FEW_COMMANDS else ""
        late = f"a plan {self.delay} ticks late" if self.delay else ""
        return ", ".join(filter(None, [commands and f"commands: {commands}", late]))

    def draw(self, path: Path, report: Report) -> None:
        panels = {task: {method: _line(report["rows"], task, method) for method in self.methods} for task in self.tasks}
        plots.lines(path, panels, "samples x iterations", "velocity error [m/s]")

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            *((name, lambda row, name=name: str(row[name])) for name in LABELS),
            *((name.replace("_", " "), lambda row, name=name: number(row[name], SCORES[name])) for name in SCORES),
            ("95 % interval", lambda row: bounds(row["interval"], "{:.3f}")),
        )
        return [Grid.of(self.size.format(**report["config"]), columns, report["rows"])]


def error_interval(errors: np.ndarray) -> list[float] | None:
    """95 % interval of the mean of ``errors (ticks, B)`` [m/s] over all ticks before a fall that count.

    Robots are drawn, not ticks. None without a robot that lived until errors count.
    """
    settled = errors[min(SETTLING_TICKS, len(errors) - 1) :]
    settled = settled[:, np.isfinite(settled[0])]
    if not settled.shape[1]:
        return None
    sums, counts = np.nansum(settled, axis=0), np.isfinite(settled).sum(axis=0)
    return interval(lambda totals, ticks, axis: totals.sum(axis) / ticks.sum(axis), sums, counts)


def _line(rows: Sequence[Row], task: str, method: str) -> list[plots.Point]:
    own = [row for row in rows if matches(row, {"task": task, "method": method}) and row["velocity_error"] is not None]
    points = [
        plots.Point(
            method, row["velocity_error"], row["interval"], row["survival"] == 1.0, row["samples"] * row["iterations"]
        )
        for row in own
    ]
    return sorted(points, key=lambda point: point.x)
