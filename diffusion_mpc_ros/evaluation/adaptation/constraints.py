"""How far a realised walk is outside the constraints of presets, tick by tick, on the joints that they restrict."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffusion_mpc_ros.constraints.registry import feasible_bounds, get_constraint, known_bounds, violation
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.trajectory import JOINT_POS, JOINT_VEL, ROW_DIM
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.simulation.batch import BatchState


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
