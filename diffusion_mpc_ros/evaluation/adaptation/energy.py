"""Energy per metre at 0.6 m/s (arXiv 2510.04234, VI-B.1 and Fig. 2): the preset `energy` against no planning.

The same robots walk the same forward commands with the prior alone and with the preset, N candidates for each row.
Energy is the integral of the joints' mechanical power, the sum of |torque x velocity|, distance the way of the base
along its heading, both from the 100th tick on. Energy per metre is that of all robots together: their energy by their
distance; the cost of transport is the same by the weight. The paper measured the state of charge of the battery, which
electronics and copper losses drain too.

The change is of robots that survived both walks, with a 95 % bootstrap interval over the robots, a robot's two walks
always together. A row is void when tracking falls below 97 % of that without planning: slower is cheaper.

A file that --json names is continued: its rows with the same artefact and settings are not run again.

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
from tqdm import tqdm

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.evaluation.adaptation.experiment import Case, ExperimentConfig, drop_outdated
from diffusion_mpc_ros.evaluation.adaptation.page import publish
from diffusion_mpc_ros.evaluation.adaptation.walks import Walks
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.evaluation.scatter import Point, scatter
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.comparison import INTERVAL, RESAMPLES, RobotScores, compare
from diffusion_mpc_ros.policies.objectives import describe_settings, make_composer
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.simulation.batch import BatchState
from diffusion_mpc_ros.simulation.model import build_model

COMMAND = "evaluate energy"
GRAVITY = 9.81  # [m/s^2]
# Asked of N = 10, and the survival that goes with it.
TARGET, TARGET_SURVIVAL = -0.20, 0.99


@dataclass(frozen=True, kw_only=True)
class Config(ExperimentConfig):
    """Which robots walk, with how many candidates, and where the results go."""

    preset: str = "energy"
    """Preset of config/rewards.yaml that is compared with no planning."""
    forward: tuple[float, float] = (0.6, 0.6)
    """Range of the forward velocity commands [m/s]; each robot keeps its own."""


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
    drawn = np.random.default_rng(seed).integers(len(power), size=(RESAMPLES, len(power)))
    planned, unplanned = power.sum() / speed.sum(), unplanned_power.sum() / unplanned_speed.sum()
    by_draw = power[drawn].sum(axis=1) / speed[drawn].sum(axis=1)
    reference = unplanned_power[drawn].sum(axis=1) / unplanned_speed[drawn].sum(axis=1)
    return {
        "energy_per_metre": float(planned),
        "unplanned_per_metre": float(unplanned),
        "change": float(planned / unplanned - 1.0),
        "interval": np.percentile(by_draw / reference - 1.0, INTERVAL).tolist(),
    }


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_energy(config)
    publish(
        report, [grid(report)], "Energy per metre",
        "Energy: of the joints, sum of |torque x velocity|, by the way along the heading, all robots together. Change: "
        "against no planning, of the robots that survived both walks; 95 % bootstrap interval over the robots. Foot "
        "lift: mean height of the four feet over the ground. Tracking below 0.97 of that without planning makes a row "
        "void.",
        config.markdown, (config.plot, plot),
    )  # fmt: skip


def evaluate_energy(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``config`` and ``rows``."""
    artefact, composer = load(model_folder(config.artefact)), make_composer()
    file = ReportFile(config.json, COMMAND, config.head(artefact))
    drop_outdated(file, composer)
    walks = Walks(config, artefact, MEASURES)
    for case in tqdm(config.cases, desc="rows", unit="row", disable=None):
        if not file.has(**case.labels):
            file.add(_row(config, walks, composer, case))
    return file.report


def _row(config: Config, walks: Walks, composer: RewardComposer, case: Case) -> dict[str, Any]:
    settings, scores = case.settings(composer), walks.unplanned
    if case.preset is not None:
        scores = walks.run(settings, candidates=case.candidates, reward=True, label=case.text)
    result = compare(scores, walks.unplanned, list(MEASURES), config.seed)
    measured = result.pop("penalties")
    changed = energy_change(*_survivors(scores, walks.unplanned), config.seed)
    per_metre = changed["energy_per_metre"]
    weight = float(build_model().body_subtreemass[0]) * GRAVITY
    return {
        **case.labels,
        **changed,
        "cost_of_transport": None if per_metre is None else per_metre / weight,
        **{name: measured[name]["penalty"] for name in MEASURES},
        "foot_lift_change": measured["foot_lift"]["change"],
        **result,
        "settings": describe_settings(composer, settings),
        "machine": describe_machine(),
    }


def _survivors(scores: RobotScores, unplanned: RobotScores) -> list[np.ndarray]:
    """Power and speed, then those without planning, of the robots that survived both walks."""
    both = scores.survived & unplanned.survived
    return [part.penalties[name][both] for part in (scores, unplanned) for name in ("power", "speed")]


def met(row: Mapping[str, Any]) -> bool:
    """Whether the change is as asked, with tracking and survival."""
    reached = row["change"] is not None and row["change"] <= TARGET
    return reached and not row["void"] and row["survival"] >= TARGET_SURVIVAL


def grid(report: Mapping[str, Any]) -> Grid:
    """A line for each row, no planning first."""
    rows = sorted(report["rows"], key=lambda row: (row["preset"] is not None, row["candidates"]))
    headings = ("", "energy", "change", "95 % interval", "cost of transport", "speed", "foot lift", "tracking",
                "survival", f"target {TARGET:+.0%} is")  # fmt: skip
    return Grid("Mechanical energy per metre", headings, [_line(row) for row in rows])


def _line(row: Mapping[str, Any]) -> list[str]:
    planned = row["preset"] is not None
    return [
        Case.of_row(row).text,
        reports.number(row["energy_per_metre"], "{:.1f} J/m"),
        *reports.change_texts(row),
        reports.number(row["cost_of_transport"], "{:.3f}"),
        reports.number(row["speed"], "{:.3f} m/s"),
        reports.number(row["foot_lift"], "{:.4f} m"),
        *reports.walk_texts(row),
        ("met" if met(row) else "missed") if planned else "",
    ]


def plot(path: Path, report: Mapping[str, Any]) -> None:
    """Write the energy per metre of every row with its interval; void rows are hollow."""
    points = [
        Point(
            Case.of_row(row).text, float(index), row["energy_per_metre"],
            tuple(row["unplanned_per_metre"] * (1.0 + bound) for bound in row["interval"]), not row["void"],
        )
        for index, row in enumerate(report["rows"])
        if row["change"] is not None
    ]  # fmt: skip
    scatter(path, {"Energy": points}, "rows", "J/m")
