"""The layout of one trajectory row: ``[observation 45 | action 12]``, physical units.

This module owns the named slices; every other file uses the names. A trajectory is an array ``(..., T, 57)`` with
``T = H + 1`` rows: row ``i`` holds the observation at tick ``start_tick + i`` and the action applied during that tick
(arXiv 2510.04234, III and V-A).

Units and frames: base angular velocity [rad/s] and projected gravity [-] (unit vector) in the base frame; command
(vx, vy) [m/s] and yaw rate [rad/s] in the base frame; joint position [rad], joint velocity [rad/s]; an action is the
joint position target of the PD controller [rad], absolute, as is the previous action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.go2 import NUM_JOINTS

OBSERVATION_FIELDS: dict[str, int] = {
    "base_ang_vel": 3,
    "projected_gravity": 3,
    "command": 3,
    "joint_pos": NUM_JOINTS,
    "joint_vel": NUM_JOINTS,
    "previous_action": NUM_JOINTS,
}


def places(sizes: Mapping[str, int]) -> dict[str, slice]:
    """Return where each field of a row lies that holds fields of these sizes one after the other."""
    slices, start = {}, 0
    for name, size in sizes.items():
        slices[name] = slice(start, start + size)
        start += size
    return slices


FIELDS: dict[str, slice] = places({**OBSERVATION_FIELDS, "action": NUM_JOINTS})
BASE_ANG_VEL = FIELDS["base_ang_vel"]
PROJECTED_GRAVITY = FIELDS["projected_gravity"]
COMMAND = FIELDS["command"]
JOINT_POS = FIELDS["joint_pos"]
JOINT_VEL = FIELDS["joint_vel"]
PREVIOUS_ACTION = FIELDS["previous_action"]
ACTION = FIELDS["action"]
OBSERVATION = slice(0, ACTION.start)
# Norm of (vx, vy [m/s], yaw rate [rad/s]) above which a robot is asked to walk.
MOVING_COMMAND = 0.1

OBSERVATION_DIM = ACTION.start
ROW_DIM = ACTION.stop


def fields_of(rows: Any) -> dict[str, Any]:
    """The fields of ``rows (..., 57)``, of any array library, by name, each ``(..., size)``."""
    return {name: rows[..., part] for name, part in FIELDS.items()}


def make_observation(
    *,
    base_ang_vel: np.ndarray,
    projected_gravity: np.ndarray,
    command: np.ndarray,
    joint_pos: np.ndarray,
    joint_vel: np.ndarray,
    previous_action: np.ndarray,
) -> np.ndarray:
    """Pack the fields, each ``(..., size)``, into an observation ``(..., 45)``."""
    return np.concatenate([base_ang_vel, projected_gravity, command, joint_pos, joint_vel, previous_action], axis=-1)
