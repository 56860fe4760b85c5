"""The layout of one row of a transition model: ``[state 34 | command 3 | action 12]``, physical units.

A state is what physics goes on from, as far as a robot knows it: the observation's part of it, and the base velocity
and height that the estimator gives. A sequence is an array ``(..., F, size)``: states ``s_{t+1} .. s_{t+F}`` follow
actions ``a_t .. a_{t+F-1}`` (arXiv 2410.05364, section 3).

Units and frames: base linear velocity [m/s], angular velocity [rad/s] and projected gravity [-] in the base frame;
base height [m] above the ground; joint position [rad], joint velocity [rad/s]; command (vx, vy) [m/s] and yaw rate
[rad/s] in the base frame; an action is the absolute joint position target of the PD controller [rad].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffusion_mpc_ros.core import rotations, trajectory
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.types import RobotState

STATE_FIELDS: dict[str, int] = {
    "base_lin_vel": 3,
    "base_height": 1,
    "base_ang_vel": 3,
    "projected_gravity": 3,
    "joint_pos": NUM_JOINTS,
    "joint_vel": NUM_JOINTS,
}


FIELDS: dict[str, slice] = trajectory.places({**STATE_FIELDS, "command": 3, "action": NUM_JOINTS})
BASE_LIN_VEL = FIELDS["base_lin_vel"]
BASE_HEIGHT = FIELDS["base_height"]
BASE_ANG_VEL = FIELDS["base_ang_vel"]
PROJECTED_GRAVITY = FIELDS["projected_gravity"]
JOINT_POS = FIELDS["joint_pos"]
JOINT_VEL = FIELDS["joint_vel"]
COMMAND = FIELDS["command"]
ACTION = FIELDS["action"]
STATE = slice(0, COMMAND.start)

STATE_DIM = STATE.stop
TRANSITION_DIM = ACTION.stop


def state_of(observation: np.ndarray, base_lin_vel: np.ndarray, base_height: np.ndarray) -> np.ndarray:
    """Return states ``(..., 34)`` of observations ``(..., 45)``, velocities ``(..., 3)`` and heights ``(...)``."""
    parts = [observation[..., trajectory.FIELDS[name]] for name in list(STATE_FIELDS)[2:]]
    return np.concatenate([base_lin_vel, np.asarray(base_height)[..., None], *parts], axis=-1)


def state_of_robots(robots: RobotState) -> np.ndarray:
    """Return the states ``(B, 34)`` of B robots."""
    parts: Mapping[str, np.ndarray] = {
        "base_lin_vel": robots.base_lin_vel,
        "base_height": np.asarray(robots.base_height)[..., None],
        "base_ang_vel": robots.base_ang_vel,
        "projected_gravity": rotations.projected_gravity(robots.base_quat_wxyz),
        "joint_pos": robots.joint_pos,
        "joint_vel": robots.joint_vel,
    }
    return np.concatenate([parts[name] for name in STATE_FIELDS], axis=-1)


def trajectory_of(
    state: np.ndarray, previous_action: np.ndarray, command: np.ndarray, actions: np.ndarray, states: np.ndarray
) -> np.ndarray:
    """Return trajectories ``(n, F + 1, 57)`` (:mod:`core.trajectory`) as reward terms and constraints take them.

    ``state (n, 34)`` of row 0, after ``previous_action (n, 12)``; ``actions (n, F, 12)`` lead to ``states (n, F, 34)``
    under ``command (n, 3)``. The last row repeats the last action.
    """
    rows = np.concatenate([state[:, None], states], axis=1)
    known = {name: rows[..., FIELDS[name]] for name in STATE_FIELDS}
    observation = trajectory.make_observation(
        base_ang_vel=known["base_ang_vel"],
        projected_gravity=known["projected_gravity"],
        command=np.broadcast_to(command[:, None], (*rows.shape[:2], command.shape[-1])),
        joint_pos=known["joint_pos"],
        joint_vel=known["joint_vel"],
        previous_action=np.concatenate([previous_action[:, None], actions], axis=1),
    )
    return np.concatenate([observation, np.concatenate([actions, actions[:, -1:]], axis=1)], axis=-1)
