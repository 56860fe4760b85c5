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

A file that --json names is continued: its rows with the same artefact and settings are not run again.

examples:
  diffusion-mpc evaluate balance --angles 90
  diffusion-mpc evaluate balance --robots 200 --json docs/results/balance.json --markdown docs/results/balance.md
  diffusion-mpc evaluate balance --candidates 1 10 100 --angles 120 150 --mass 5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.evaluation.adaptation.experiment import Case, ExperimentConfig, drop_outdated
from diffusion_mpc_ros.evaluation.adaptation.intervals import wilson_interval
from diffusion_mpc_ros.evaluation.adaptation.page import publish
from diffusion_mpc_ros.evaluation.adaptation.strikes import (
    RELEASE_TICKS,
    STUCK_TICKS,
    WINDOW,
    Outcomes,
    Striker,
    Strikes,
    outcomes,
)
from diffusion_mpc_ros.evaluation.adaptation.walks import GROUP, planning_controller
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.evaluation.scatter import Point, scatter
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.closed_loop import SETTLING_TICKS, run_closed_loop
from diffusion_mpc_ros.policies.objectives import describe_settings, make_composer
from diffusion_mpc_ros.simulation.pendulum import Pendulum, PendulumSimulation

COMMAND = "evaluate balance"
# Angle of the release [deg] -> name, and the success asked of the preset with N = 10.
DIFFICULTIES = {60.0: ("easy", 1.0), 90.0: ("medium", 1.0), 120.0: ("hard", 0.9)}


@dataclass(frozen=True, kw_only=True)
class Config(ExperimentConfig):
    """Which trials, and where the results go."""

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

    @property
    def pendulum(self) -> Pendulum:
        """What strikes the robots."""
        return Pendulum(mass=self.mass)

    @property
    def least_ticks(self) -> int:
        """After so many ticks even the robot that is struck last can have been stuck for too long."""
        swing = 2.0 * max(self.pendulum.fall_time(np.deg2rad(angle)) for angle in self.angles)
        return SETTLING_TICKS + RELEASE_TICKS + round(swing / CONTROL_DT) + WINDOW + STUCK_TICKS + 1


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_balance(config)
    publish(
        report, [grid(report)], "Balancing: Table IV",
        f"A ball of {config.mass:g} kg on a rod of {Pendulum.length:g} m strikes the trunk from the side. Free swing: "
        "its speed at the lowest point without a robot; impact: median just before the contact. Only hits of an "
        "upright robot count. Success: of the hits, those after which the robot neither fell nor was slower than 0.2 "
        "m/s for more than 2 s; Wilson's 95 % interval. Fell unhit: fell, but not after a hit.",
        config.markdown, (config.plot, plot),
    )  # fmt: skip


def evaluate_balance(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``config`` and ``rows``."""
    artefact, composer = load(model_folder(config.artefact)), make_composer()
    file = ReportFile(config.json, COMMAND, config.head(artefact, pendulum=asdict(config.pendulum)))
    drop_outdated(file, composer)
    cells = list(product(sorted(set(config.angles)), config.cases))
    for angle, case in tqdm(cells, desc="rows", unit="row", disable=None):
        if not file.has(angle=angle, **case.labels):
            settings = case.settings(composer)
            row = summary(_run(config, artefact, case, settings, angle))
            file.add(
                {
                    **case.labels,
                    "angle": angle,
                    "difficulty": DIFFICULTIES[angle][0] if angle in DIFFICULTIES else None,
                    "free_swing_speed": config.pendulum.speed_at_bottom(np.deg2rad(angle)),
                    **row,
                    "settings": describe_settings(composer, settings),
                    "machine": describe_machine(),
                }
            )
    return file.report


def _run(config: Config, artefact: Prior, case: Case, settings: RewardSettings, angle: float) -> Outcomes:
    parts = []
    for start in range(0, config.robots, GROUP):
        commands, seed = config.commands()[start : start + GROUP], config.seed + start
        controller = planning_controller(
            config, artefact, lambda tick: settings, candidates=case.candidates, reward=case.preset is not None,
            seed=seed,
        )  # fmt: skip
        simulation = PendulumSimulation(len(commands), seed=seed, pendulum=config.pendulum, threads=config.threads)
        strikes = Strikes.draw(len(commands), np.random.default_rng((seed, 1)))
        striker = Striker(simulation, strikes, np.deg2rad(angle))
        label = f"{angle:g} deg, {case.text}"
        walked = run_closed_loop(controller, simulation, commands, config.ticks, label, watch=striker.watch)
        parts.append(outcomes(walked, striker, simulation))
    return Outcomes.concatenate(parts)


def summary(results: Outcomes) -> dict[str, Any]:
    """Counts of the trials as JSON; ``success`` is the share of the hits, None without one."""
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


def grid(report: Mapping[str, Any]) -> Grid:
    """A line for each row, no planning first for each angle."""
    rows = sorted(report["rows"], key=lambda row: (row["angle"], row["preset"] is not None, row["candidates"]))
    headings = ("", "", "free swing", "impact", "trials", "fell unhit", "hits", "on trunk", "fell", "stuck", "success",
                "95 % interval", "target is")  # fmt: skip
    return Grid("Table IV: success after a strike from the side", headings, [_line(row) for row in rows])


def _line(row: Mapping[str, Any]) -> list[str]:
    interval = row["interval"]
    return [
        _level(row),
        Case.of_row(row).text,
        f"{row['free_swing_speed']:.2f} m/s",
        reports.number(row["impact_speed"], "{:.2f} m/s"),
        *(str(row[name]) for name in ("trials", "fell_unhit", "hits", "hits_on_trunk", "fell", "stuck")),
        reports.number(row["success"], "{:.1%}"),
        "-" if interval is None else " .. ".join(f"{bound:.1%}" for bound in interval),
        _verdict(row),
    ]


def _level(row: Mapping[str, Any]) -> str:
    return f"{row['angle']:g} deg" + (f", {row['difficulty']}" if row["difficulty"] else "")


def _verdict(row: Mapping[str, Any]) -> str:
    if row["preset"] is None or row["angle"] not in DIFFICULTIES:
        return ""
    return "met" if row["success"] is not None and row["success"] >= DIFFICULTIES[row["angle"]][1] else "missed"


def plot(path: Path, report: Mapping[str, Any]) -> None:
    """Write a panel for each angle: the success of every row with its interval."""
    panels: dict[str, list[Point]] = {}
    for row in report["rows"]:
        if row["success"] is not None:
            points = panels.setdefault(_level(row), [])
            points.append(
                Point(Case.of_row(row).text, float(len(points)), row["success"], tuple(row["interval"]), True)
            )
    scatter(path, panels, "rows", "share of successes")
