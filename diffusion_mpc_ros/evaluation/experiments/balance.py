"""A weight that strikes the walking robot from the side (arXiv 2510.04234, VI-B.1 and Table IV): does it walk on.

A ball of 3.8 kg on a rod of 1.2 m without mass is released from rest at an angle from the vertical, swings across the
robot's path and strikes its trunk at the lowest point, while the robot is told to walk on at 0.5 m/s. Easy is 60
degrees, medium 90 as in the paper; the paper does not say what its hard trials are: here 120 degrees, half as much
energy again as medium (a rod, unlike a rope, can be released from above the pivot).

The pendulum is part of the physics, with contacts on trunk and legs. It is placed at its release, from the robot's
mean velocity over the last half second. Every robot has its own heading, moment of the release (any phase of the gait)
and side; the trials are the same in every row. Only trials count in which the ball touched an upright robot before it
swung back: the share of hits and the speed of the ball just before, beside that of a free swing, are reported.

Failure, as in the paper: the robot falls, or is slower than 0.2 m/s for more than 2 s (its mean velocity over the last
half second). The 95 % interval of the success is Wilson's.

examples:
  diffusion-mpc evaluate balance --angles 90
  diffusion-mpc evaluate balance --robots 200 --json docs/results/balance.json --markdown docs/results/balance.md
  diffusion-mpc evaluate balance --candidates 1 10 100 --angles 120 150 --mass 5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.experiment import Case, PresetExperiment, case_of, verdict
from diffusion_mpc_ros.evaluation.adaptation.strikes import (
    RELEASE_TICKS,
    STUCK_TICKS,
    WINDOW,
    Outcomes,
    Striker,
    Strikes,
    outcomes,
)
from diffusion_mpc_ros.evaluation.experiment import Report, bounds, number
from diffusion_mpc_ros.evaluation.plots import Point, points
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, run_closed_loop
from diffusion_mpc_ros.policies.intervals import wilson_interval
from diffusion_mpc_ros.simulation.pendulum import Pendulum, PendulumSimulation

# Angle of the release [deg] -> name, and the success asked of the preset with N = 10.
DIFFICULTIES = {60.0: ("easy", 1.0), 90.0: ("medium", 1.0), 120.0: ("hard", 0.9)}


@dataclass(frozen=True, kw_only=True)
class Config(PresetExperiment):
    """Which trials, and where the results go."""

    command = "evaluate balance"
    title = "Balancing: Table IV"

    preset: str = "balance"
    """Preset of config/rewards.yaml that is compared with no planning."""
    robots: int = 24
    """Trials a row, each with its own heading, moment and side of the strike."""
    ticks: int = 450
    """Control ticks of a trial; the strike comes 2.6 to 3.4 s after its start."""
    forward: tuple[float, float] = (0.5, 0.5)
    """Range of the forward velocity commands [m/s]; each robot keeps its own."""
    angles: tuple[float, ...] = tuple(DIFFICULTIES)
    """Angles of the release [deg]."""
    mass: float = Pendulum.mass
    """Mass of the ball [kg]; its size stays the same."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.angles or not all(0.0 < angle < 180.0 for angle in self.angles):
            raise ConfigurationError(f"angles must lie between 0 and 180 degrees, got {self.angles}")
        if not 0.0 < self.mass <= 100.0:
            raise ConfigurationError(f"mass must lie within (0, 100] kg, got {self.mass}")
        least = self.least_ticks
        if self.ticks < least:
            raise ConfigurationError(f"ticks must be at least {least}, so that a robot can be stuck, got {self.ticks}")

    @cached_property
    def pendulum(self) -> Pendulum:
        """What strikes the robots."""
        return Pendulum(mass=self.mass)

    @property
    def least_ticks(self) -> int:
        """After so many ticks even the robot that is struck last can have been stuck for too long."""
        swing = 2.0 * max(self.pendulum.fall_time(np.deg2rad(angle)) for angle in self.angles)
        return SETTLING_TICKS + RELEASE_TICKS + round(swing / CONTROL_DT) + WINDOW + STUCK_TICKS + 1

    @property
    def head(self) -> dict[str, Any]:
        head = super().head
        return {**head, "config": {**head["config"], "pendulum": asdict(self.pendulum)}}

    def cells(self) -> list[tuple[float, Case]]:
        """Every case at every angle."""
        return list(product(sorted(set(self.angles)), super().cells()))

    def labels(self, cell: tuple[float, Case]) -> dict[str, Any]:
        return {**cell[1].labels, "angle": cell[0]}

    def measured(self, cell: tuple[float, Case], settings: RewardSettings) -> Row:
        angle = cell[0]
        return {
            **self.labels(cell),
            "difficulty": DIFFICULTIES[angle][0] if angle in DIFFICULTIES else None,
            "free_swing_speed": self.pendulum.speed_at_bottom(np.deg2rad(angle)),
            **summary(self.strike(*cell, settings)),
        }

    def strike(self, angle: float, case: Case, settings: RewardSettings) -> Outcomes:
        """Return what became of all robots."""
        parts = []
        for commands, seed in self.groups():
            controller = self.controller(
                lambda tick: settings, candidates=case.candidates, reward=case.preset is not None, seed=seed
            )
            simulation = PendulumSimulation(len(commands), seed=seed, pendulum=self.pendulum, threads=self.threads)
            strikes = Strikes.draw(len(commands), np.random.default_rng((seed, 1)))
            striker = Striker(simulation, strikes, np.deg2rad(angle))
            label = f"{angle:g} deg, {case.text}"
            walked = run_closed_loop(controller, simulation, commands, self.ticks, label, watch=striker.watch)
            parts.append(outcomes(walked, striker, simulation))
        return Outcomes.concatenate(parts)

    def grids(self, report: Report) -> list[Grid]:
        """Return a line for each row, no planning first for each angle."""
        rows = sorted(report["rows"], key=lambda row: (row["angle"], row["preset"] is not None, row["candidates"]))
        counts = {"trials": "trials", "fell_unhit": "fell unhit", "hits": "hits", "hits_on_trunk": "on trunk",
                  "fell": "fell", "stuck": "stuck"}  # fmt: skip
        columns = (
            ("", _level),
            ("", lambda row: case_of(row).text),
            ("free swing", lambda row: f"{row['free_swing_speed']:.2f} m/s"),
            ("impact", lambda row: number(row["impact_speed"], "{:.2f} m/s")),
            *((heading, lambda row, name=name: str(row[name])) for name, heading in counts.items()),
            ("success", lambda row: number(row["success"], "{:.1%}")),
            ("95 % interval", lambda row: bounds(row["interval"], "{:.1%}")),
            ("target is", _verdict),
        )
        return [Grid.of("Table IV: success after a strike from the side", columns, rows)]

    def draw(self, path: Path, report: Report) -> None:
        """Draw a panel for each angle: the success of every row with its interval."""
        panels: dict[str, list[Point]] = {}
        for row in report["rows"]:
            if row["success"] is not None:
                point = Point(case_of(row).text, row["success"], row["interval"])
                panels.setdefault(_level(row), []).append(point)
        points(path, panels, "share of successes")


def summary(results: Outcomes) -> dict[str, Any]:
    """Return counts of the trials as JSON; ``success`` is the share of the hits, None without one."""
    hits, successes = int(results.hit.sum()), int(results.success.sum())
    speeds = results.impact_speed[results.hit]
    return {
        "trials": len(results.hit),
        "fell_unhit": int(results.fell_unhit.sum()),
        "hits": hits,
        "hits_on_trunk": int((results.hit & results.on_trunk).sum()),
        "hit_share": hits / len(results.hit),
        "impact_speed": float(np.median(speeds)) if hits else None,
        "fell": int(results.fell.sum()),
        "stuck": int(results.stuck.sum()),
        "successes": successes,
        "success": successes / hits if hits else None,
        "interval": wilson_interval(successes, hits),
    }


def _level(row: Mapping[str, Any]) -> str:
    return f"{row['angle']:g} deg" + (f", {row['difficulty']}" if row["difficulty"] else "")


def _verdict(row: Mapping[str, Any]) -> str:
    _, least = DIFFICULTIES.get(row["angle"], ("", None))
    return "" if least is None else verdict(row, row["success"] is not None and row["success"] >= least)
