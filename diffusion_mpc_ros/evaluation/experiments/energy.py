"""Energy per metre at 0.6 m/s (arXiv 2510.04234, VI-B.1 and Fig. 2): the preset `energy` against no planning.

The same robots walk the same forward commands with the prior alone and with the preset, N candidates for each row.
Energy is the integral of the joints' mechanical power, the sum of |torque x velocity|, distance the way of the base
along its heading, both from the 100th tick on. Energy per metre is that of all robots together: their energy by their
distance; the cost of transport is the same by the weight. The paper measured the state of charge of the battery, which
electronics and copper losses drain too.

The change is of robots that survived both walks, with a 95 % bootstrap interval over the robots, a robot's two walks
always together. A row is void when tracking falls below 97 % of that without planning: slower is cheaper.

examples:
  diffusion-mpc evaluate energy
  diffusion-mpc evaluate energy --candidates 1 10 100 --robots 100 --ticks 1100 --json docs/results/energy.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.evaluation.adaptation.experiment import (
    CHANGE,
    WALK,
    Case,
    PresetExperiment,
    case_of,
    in_order,
    keeps_walking,
    verdict,
)
from diffusion_mpc_ros.evaluation.experiment import Report, number
from diffusion_mpc_ros.evaluation.plots import Point, points
from diffusion_mpc_ros.evaluation.report_file import Row
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.comparison import compare
from diffusion_mpc_ros.policies.intervals import interval
from diffusion_mpc_ros.policies.scoring import PenaltyMeter
from diffusion_mpc_ros.simulation.batch import BatchState
from diffusion_mpc_ros.simulation.model import build_model

GRAVITY = 9.81  # [m/s^2]
TARGET = -0.20  # asked of N = 10


@dataclass(frozen=True, kw_only=True)
class Config(PresetExperiment):
    """Which robots walk, with how many candidates, and where the results go."""

    command = "evaluate energy"
    title = "Energy per metre"

    preset: str = "energy"
    """Preset of config/rewards.yaml that is compared with no planning."""
    forward: tuple[float, float] = (0.6, 0.6)
    """Range of the forward velocity commands [m/s]; each robot keeps its own."""

    def meter(self, initial: BatchState, first: int) -> PenaltyMeter:
        """Of :data:`MEASURES`."""
        return PenaltyMeter(MEASURES, initial, first)

    def measured(self, cell: Case, settings: RewardSettings) -> Row:
        unplanned = scores = self.unplanned
        if cell.preset is not None:
            scores = self.walk(settings, candidates=cell.candidates, reward=True, label=cell.text)
        both = scores.survived & unplanned.survived
        result = compare(scores, unplanned, list(MEASURES), self.seed)
        penalties = result.pop("penalties")
        survivors = [part.penalties[name][both] for part in (scores, unplanned) for name in ("power", "speed")]
        changed = energy_change(*survivors, self.seed)
        per_metre, weight = changed["energy_per_metre"], float(build_model().body_subtreemass[0]) * GRAVITY
        return {
            **cell.labels,
            **changed,
            "cost_of_transport": None if per_metre is None else per_metre / weight,
            **{name: penalties[name]["penalty"] for name in MEASURES},
            "foot_lift_change": penalties["foot_lift"]["change"],
            **result,
        }

    def grids(self, report: Report) -> list[Grid]:
        """Return a line for each row, no planning first."""
        columns = (
            ("", lambda row: case_of(row).text),
            ("energy", lambda row: number(row["energy_per_metre"], "{:.1f} J/m")),
            *CHANGE,
            ("cost of transport", lambda row: number(row["cost_of_transport"], "{:.3f}")),
            ("speed", lambda row: number(row["speed"], "{:.3f} m/s")),
            ("foot lift", lambda row: number(row["foot_lift"], "{:.4f} m")),
            *WALK,
            (f"target {TARGET:+.0%} is", lambda row: verdict(row, met(row))),
        )
        return [Grid.of("Mechanical energy per metre", columns, in_order(report["rows"]))]

    def draw(self, path: Path, report: Report) -> None:
        """Draw the energy per metre of every row with its interval; void rows are hollow."""
        shown = [
            Point(
                case_of(row).text, row["energy_per_metre"],
                [row["unplanned_per_metre"] * (1.0 + bound) for bound in row["interval"]], not row["void"],
            )
            for row in report["rows"]
            if row["change"] is not None
        ]  # fmt: skip
        points(path, {"Energy": shown}, "energy per metre [J/m]")


def power(before: BatchState, now: BatchState) -> np.ndarray:
    """Mechanical power of the joints, mean over the tick ``(B,)`` [W]."""
    return now.mechanical_power


def progress_rate(before: BatchState, now: BatchState) -> np.ndarray:
    """Speed of the base over the ground along its heading ``(B,)`` [m/s], where forward commands point."""
    heading = rotations.yaw(before.base_quat_wxyz)
    moved = (now.base_pos - before.base_pos)[:, :2] / go2.CONTROL_DT
    return moved[:, 0] * np.cos(heading) + moved[:, 1] * np.sin(heading)


def foot_lift(before: BatchState, now: BatchState) -> np.ndarray:
    """Mean height of the four feet above where they stand ``(B,)`` [m]."""
    return np.mean(now.foot_height - go2.FOOT_RADIUS, axis=1)


MEASURES = {"power": power, "speed": progress_rate, "foot_lift": foot_lift}


def energy_change(
    power: np.ndarray, speed: np.ndarray, unplanned_power: np.ndarray, unplanned_speed: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """Mean powers ``(B,)`` [W] and speeds ``(B,)`` [m/s] of the same robots -> ``energy_per_metre`` [J/m], as JSON.

    It is that of all robots together, ``sum(power) / sum(speed)``; ``unplanned_per_metre`` likewise; ``change``, of the
    former relative to the latter, with its ``interval``. All None without robots, or where they do not get on.
    """
    if not (speed.sum() > 0.0 and unplanned_speed.sum() > 0.0):
        return dict.fromkeys(("energy_per_metre", "unplanned_per_metre", "change", "interval"))
    planned, unplanned = power.sum() / speed.sum(), unplanned_power.sum() / unplanned_speed.sum()
    return {
        "energy_per_metre": float(planned),
        "unplanned_per_metre": float(unplanned),
        "change": float(planned / unplanned - 1.0),
        "interval": interval(_change, power, speed, unplanned_power, unplanned_speed, seed=seed),
    }


def _change(power, speed, unplanned_power, unplanned_speed, axis: int = -1) -> np.ndarray:
    """Of the energy per metre, along the robots."""
    planned = power.sum(axis=axis) / speed.sum(axis=axis)
    return planned / (unplanned_power.sum(axis=axis) / unplanned_speed.sum(axis=axis)) - 1.0


def met(row: Mapping[str, Any]) -> bool:
    """Whether the change is as asked, with tracking and survival."""
    return row["change"] is not None and row["change"] <= TARGET and keeps_walking(row)
