"""The observation of a robot's state."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.trajectory import make_observation
from diffusion_mpc_ros.core.types import LowState, RobotState


def observe(state: LowState | RobotState, command: np.ndarray, previous_action: np.ndarray) -> np.ndarray:
    """Return the observation ``(45,)`` of one robot under ``command (3,)`` after ``previous_action (12,)`` [rad]."""
    return make_observation(
        base_ang_vel=state.base_ang_vel,
        projected_gravity=rotations.projected_gravity(state.base_quat_wxyz),
        command=command,
        joint_pos=state.joint_pos,
        joint_vel=state.joint_vel,
        previous_action=previous_action,
    )
