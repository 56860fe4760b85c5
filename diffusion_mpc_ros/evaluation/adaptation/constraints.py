"""How well projections keep a walking robot within its constraints, not only boxes (arXiv 2510.04234, IV-A).

The presets of config/rewards.yaml that have constraints: joint ranges and speeds (boxes, V-B2 and V-B4), torques by the
PD law, a range that moves in time, and a band of joint angles to keep out of, which is not convex. What the projection
promises holds for plans; what counts here is the realised walk, tick by tick, on the joints that the constraint
restricts: the share of joint ticks outside by more than a tolerance (0.02 rad, 0.5 rad/s, 0.5 N m), and how far outside
on the mean. "no planning" is the prior alone, measured against the same constraint.

A file that --json names is continued: its rows with the same artefact and settings are not run again.

examples:
  diffusion-mpc evaluate constraints --presets torque_limit calf_band
  diffusion-mpc evaluate constraints --robots 200 --ticks 1000 --json docs/results/constraints.json
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.constraints.registry import feasible_bounds, get_constraint, known_bounds, violation
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.trajectory import JOINT_POS, JOINT_VEL, ROW_DIM
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.evaluation.adaptation import report as reports
from diffusion_mpc_ros.evaluation.adaptation.page import publish
from diffusion_mpc_ros.evaluation.adaptation.walks import TableConfig, Walks
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.evaluation.report_file import ReportFile
from diffusion_mpc_ros.grid import Grid
from diffusion_mpc_ros.policies.comparison import RobotScores, compare
from diffusion_mpc_ros.policies.objectives import describe_settings, make_composer
from diffusion_mpc_ros.simulation.batch import BatchState

COMMAND = "evaluate constraints"


@dataclass(frozen=True, kw_only=True)
class Config(TableConfig):
    """Which constraints, on which robots, and where the results go."""

    presets: tuple[str, ...] = ()
    """Presets with one constraint; default: all of them."""


class ViolationMeter:
    """Each robot's ``excess`` (mean, in the kind's unit) and ``share`` of joint ticks outside, by preset.

    Over the joints that the constraint restricts at any tick, from control tick ``first`` on.
    """

    def __init__(self, presets: Mapping[str, RewardSettings], initial: BatchState, first: int) -> None:
        self._presets, self._first, self._ticks = presets, first, 0
        shape = initial.joint_pos.shape
        self._excess = {name: np.zeros(shape) for name in presets}
        self._outside = {name: np.zeros(shape) for name in presets}

    def add(self, now: BatchState) -> None:
        """Count the state ``now`` after another tick: it is that of the next tick's observation."""
        self._ticks += 1
        if self._ticks <= self._first:
            return
        walked = {name: getattr(now, name)[:, None] for name in ("joint_pos", "joint_vel", "joint_torque")}
        for name, settings in self._presets.items():
            constraint = get_constraint(settings.constraints[0])
            bounds = feasible_bounds(settings.constraints, settings.parameters, np.array([self._ticks]))
            excess = violation(walked, bounds)[constraint.field][:, 0]
            self._excess[name] += excess
            self._outside[name] += excess > constraint.tolerance

    def means(self) -> dict[str, np.ndarray]:
        """``<preset> excess`` and ``<preset> share``, ``(B,)`` each."""
        count = self._ticks - self._first
        scores = {}
        for name, settings in self._presets.items():
            joints = restricted_joints(settings)
            scores[f"{name} excess"] = self._excess[name][:, joints].mean(axis=1) / count
            scores[f"{name} share"] = self._outside[name][:, joints].mean(axis=1) / count
        return scores


def restricted_joints(settings: RewardSettings) -> np.ndarray:
    """Joints ``(12,)`` bool for which the settings ask for more than the robot's own limits."""
    ticks, names = np.arange(1, 4), settings.constraints
    asked, default = (feasible_bounds(names, parameters, ticks) for parameters in (settings.parameters, {}))
    restricted = np.zeros(NUM_JOINTS, dtype=bool)
    for name, bound in known_bounds().items():
        differs = (asked[name] != default[name]).any(axis=0)
        parts = (JOINT_POS, JOINT_VEL) if bound.size == ROW_DIM else (slice(None),)
        restricted |= np.any([differs[part] for part in parts], axis=0)
    return restricted


def main(config: Config) -> None:
    """Run, print, and write the reports when asked."""
    report = evaluate_constraints(config)
    publish(
        report, [grid(report)], "Constraints",
        "Outside: the share of joint ticks of the restricted joints outside the constraint by more than a tolerance "
        "(0.02 rad, 0.5 rad/s, 0.5 N m); excess: how far outside on the mean of all ticks, and its change against no "
        "planning with a 95 % bootstrap interval over the robots. Tracking below 0.97 of that without planning makes "
        "a row void.",
        config.markdown,
    )  # fmt: skip


def evaluate_constraints(config: Config) -> dict[str, Any]:
    """The report: ``artefact`` (SHA-256), ``config`` and ``rows``, one a preset."""
    artefact, composer = load(model_folder(config.artefact)), make_composer()
    valid = {name: composer.preset_settings(name) for name in composer.presets}
    valid = {name: settings for name, settings in valid.items() if len(settings.constraints) == 1}
    unknown = [name for name in config.presets if name not in valid]
    if unknown:
        raise ConfigurationError(f"no presets with one constraint: {unknown}; valid presets: {', '.join(valid)}")
    presets = {name: valid[name] for name in config.presets or valid}
    file = ReportFile(config.json, COMMAND, config.head(artefact, candidates=config.candidates))
    # A row measured under a preset that has changed since is measured again.
    file.rows[:] = [
        row
        for row in file.rows
        if row["preset"] in valid and row["settings"] == describe_settings(composer, valid[row["preset"]])
    ]
    walks = Walks(config, artefact, presets, ViolationMeter)
    for name, settings in tqdm(presets.items(), desc="presets", unit="preset", disable=None):
        if not file.has(preset=name):
            reward = any(settings.weights.values())
            scores = walks.run(settings, candidates=config.candidates, reward=reward, label=name)
            row = _row(name, settings, scores, walks.unplanned, config.seed)
            file.add({**row, "settings": describe_settings(composer, settings), "machine": describe_machine()})
    return file.report


def _row(name: str, settings: RewardSettings, scores: RobotScores, unplanned: RobotScores, seed: int) -> dict[str, Any]:
    compared = compare(scores, unplanned, [f"{name} excess", f"{name} share"], seed)
    excess, share = compared.pop("penalties").values()
    return {
        "preset": name,
        "constraint": settings.constraints[0],
        "unit": get_constraint(settings.constraints[0]).unit,
        "share": share["penalty"],
        "unplanned_share": share["unplanned"],
        "excess": excess["penalty"],
        "unplanned_excess": excess["unplanned"],
        "change": excess["change"],
        "interval": excess["interval"],
        **compared,
    }


def grid(report: Mapping[str, Any]) -> Grid:
    """A line a preset."""
    headings: Sequence[str] = (
        "preset", "constraint", "outside, no planning", "outside", "excess, no planning", "excess", "change",
        "95 % interval", "tracking", "survival",
    )  # fmt: skip
    lines = [
        [
            row["preset"],
            row["constraint"],
            *(reports.number(row[key], "{:.2%}") for key in ("unplanned_share", "share")),
            *(f"{reports.number(row[key], '{:.3g}')} {row['unit']}" for key in ("unplanned_excess", "excess")),
            *reports.change_texts(row),
            *reports.walk_texts(row),
        ]
        for row in report["rows"]
    ]
    return Grid(f"Realised walk outside its constraints, N = {report['config']['candidates']}", headings, lines)
