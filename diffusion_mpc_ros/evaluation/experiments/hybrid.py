"""The hybrid beside its prior alone, where the robot is changed and the hybrid is told: `diffusion-mpc declare`.

Every row is a walk of robots that all have the change, under one planner, with a plan every tick: lock-step (delay 0)
or a tick late. The prior alone is Diffusion-MPC with one candidate and no reward; nobody tells it of the change.
Errors are those of every tick up to a fall, so that the sway of the trot counts; the interval is of the velocity error
of robots that never fell, drawn with replacement. Score: mean of exp(-e^2 / 0.25). Seconds are of computing, for a
robot and a simulated second.

examples:
  diffusion-mpc evaluate hybrid --changes payload_6 --delays 1
  diffusion-mpc evaluate hybrid --json docs/results/hybrid.json --markdown docs/results/hybrid.md
  diffusion-mpc evaluate hybrid --json docs/results/hybrid.json --table docs/results/dial_mpc.json
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.declared_model import DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.evaluation.commanded import FEW_COMMANDS, CommandedExperiment
from diffusion_mpc_ros.evaluation.experiment import Report, bounds, number
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.planning import timing_of
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.evaluation.task_table import TaskRow, put_rows
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.registry import best_level
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, AsynchronousController, WalkScores
from diffusion_mpc_ros.policies.intervals import finite, interval, wilson_interval
from diffusion_mpc_ros.realtime.velocity_feedback import VELOCITY_FEEDBACK
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground

HYBRID, PRIOR = "hybrid", "diffusion_mpc"
CHANGES: dict[str, DeclaredModel] = {
    "nominal": DeclaredModel(),
    "payload_6": DeclaredModel(payload_mass=6.0),
    "payload_10": DeclaredModel(payload_mass=10.0),
    "calf": DeclaredModel().with_numbers({"FL_calf": 0.4}),
    "slope": DeclaredModel(slope=20.0),
}
SCORES = {
    "survival": "{:.0%}", "velocity_error": "{:.3f}", "yaw_rate_error": "{:.3f}", "base_height": "{:.3f}",
    "power": "{:.0f}", "score": "{:.3f}", "seconds_per_second": "{:.2f}",
}  # fmt: skip
# Change, planner, delay.
Case = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Config(CommandedExperiment):
    """Which changes, how many robots, and where the results go."""

    command = "evaluate hybrid"
    title = "A prior that a simulator corrects"
    size = "{robots} robots for each of {commands} x {ticks} ticks, {precision}, seed {seed}"
    unit = "walk"

    changes: tuple[str, ...] = tuple(CHANGES)
    """What is changed: nothing, payloads of 6 and 10 kg, the front left calf (40 % of its torque), a slope (20 deg)."""
    methods: tuple[str, ...] = (HYBRID, PRIOR)
    """Planners: hybrid, diffusion_mpc (the prior alone)."""
    delays: tuple[int, ...] = (0, 1)
    """Replan margins D; a plan is known so many ticks after its state."""
    commands: tuple[tuple[float, float, float], ...] = FEW_COMMANDS
    robots: int = 5
    ticks: int = 1000
    seed: int = 101
    threads: int = 1
    precision: str = "int8"
    """Arithmetic of the prior: what a live plan every tick takes on a slow core."""
    velocity_feedback: float = VELOCITY_FEEDBACK
    """Gain of the velocity feedback [1/s], see planner.velocity_feedback; 0: none."""

    table: Path | None = None
    """Put the rows into this common table of all tasks, too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, given, known in (("change", self.changes, CHANGES), ("method", self.methods, (HYBRID, PRIOR))):
            unknown = [each for each in given if each not in known]
            if unknown:
                raise ConfigurationError(f"unknown {name} {unknown[0]!r}; there is {', '.join(known)}")

    @property
    def head(self) -> dict[str, Any]:
        names = ("robots", "ticks", "seed", "commands", "threads", "precision", "velocity_feedback")
        config = {name: getattr(self, name) for name in names}
        settings = bringup.load_parameters("planner", HYBRID)
        return {"config": config, "planner_settings": settings, "machine": describe_machine()}

    def cells(self) -> list[Case]:
        return list(product(self.changes, self.methods, self.delays))

    def labels(self, cell: Case) -> dict[str, Any]:
        change, method, delay = cell
        return {"task": f"hybrid_{change}", "method": method, "delay": delay}

    def run(self, cell: Case) -> Row:
        change, method, delay = cell
        declared, planner = CHANGES[change], self._make(*cell)
        ground = Ground.parse(f"slope_up:{declared.slope:g}") if declared.slope else FLAT
        begin = time.process_time()
        controller = AsynchronousController(planner, latency_ticks=delay, velocity_feedback=self.velocity_feedback)
        scores = self.walk(controller, " ".join(map(str, cell)), ground=ground, declared=declared)
        seconds = (time.process_time() - begin) / (scores.planar_error.size * CONTROL_DT)
        facts = planner.facts()
        return {
            **self.labels(cell),
            "samples": facts.get("samples", facts["candidates"]),
            "candidates": facts["candidates"],
            "iterations": 1 if method == HYBRID else facts["steps"],
            "live": False,
            **_row(scores, seconds, self.seed),
        }

    def _make(self, change: str, method: str, delay: int) -> Planner:
        planning, own = bringup.load_settings("planner", method)
        own = replace(own, precision=self.precision, threads=self.threads, seed=self.seed)
        own = replace(own, declared=CHANGES[change]) if method == HYBRID else replace(own, candidates=1)
        return best_level(method, own, timing_of(planning.horizon, delay, 1))

    def publish(self, report: Report) -> None:
        super().publish(report)
        if self.table is not None:
            put_rows(self.table, [_table_row(row) for row in report["rows"]])

    def grids(self, report: Report) -> list[Grid]:
        columns = (
            *((name, lambda row, name=name: str(row[name])) for name in ("task", "method", "delay")),
            *((name.replace("_", " "), lambda row, name=name: number(row[name], SCORES[name])) for name in SCORES),
            ("95 % interval", lambda row: bounds(row["interval"], "{:.3f}")),
        )
        return [Grid.of(self.size.format(**report["config"]), columns, report["rows"])]


def _table_row(row: Row) -> TaskRow:
    """Return the row in the form of all tasks."""
    names = {each.name for each in fields(TaskRow)} - {"variant"}
    variant = f"a plan {row['delay']} tick late" if row["delay"] else ""
    return TaskRow(**{name: row[name] for name in names}, variant=variant)


def _row(scores: WalkScores, seconds: float, seed: int) -> dict[str, Any]:
    """Return the scores over all robots."""
    trials = scores.planar_error.shape[1]
    summary = scores.summary(np.ones(trials, dtype=bool))
    survived = scores.survived()
    settled = scores.planar_error[min(SETTLING_TICKS, len(scores.planar_error) - 1) :]
    errors = settled[:, survived].mean(axis=0)
    names = ("survival", "velocity_error", "yaw_rate_error", "base_height", "power")
    return {
        "score": finite(summary["tracking_score"]),
        **{name: finite(summary[name]) for name in names},
        "interval": interval(np.mean, errors, seed=seed) if len(errors) else None,
        "survival_interval": wilson_interval(int(survived.sum()), trials),
        "trials": trials,
        "seconds_per_second": seconds,
    }
