"""What leaves for the motors is finite and inside position, rate and torque limits by construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core.go2 import (
    CONTROL_DT,
    JOINT_POS_MAX,
    JOINT_POS_MIN,
    JOINT_TORQUE_MAX,
    NUM_JOINTS,
    clip_joint_targets,
)
from diffusion_mpc_ros.core.types import JointCommand

# Below this stiffness the torque window is wider than any joint's range, and dividing by it stays finite.
_MIN_KP = 1e-3


@dataclass(frozen=True)
class ClampedCommand:
    """A position command within all limits; ``clamped (12,)`` bool: the joints whose target or gains were changed."""

    command: JointCommand
    clamped: np.ndarray


def limit_command(
    joint_targets: np.ndarray,
    kp: float,
    kd: float,
    *,
    previous_targets: np.ndarray,
    joint_pos: np.ndarray,
    joint_vel: np.ndarray,
    settings: SafetySettings,
) -> ClampedCommand:
    """Position command towards ``joint_targets (12,)`` [rad] at gains ``kp`` [N m/rad], ``kd`` [N m s/rad].

    Inputs must be finite. Targets end inside the position limits and within the rate limit of ``previous_targets``
    [rad]; inside that window they are moved so that the predicted torque ``kp (target - joint_pos) - kd joint_vel``
    (``[rad]``, ``[rad/s]``) respects the motors' limit. Where the window leaves no such target, the joint's gains are
    scaled down instead.
    """
    step = settings.joint_target_rate_max * CONTROL_DT
    previous = clip_joint_targets(previous_targets)
    lower = np.maximum(JOINT_POS_MIN, previous - step)
    upper = np.minimum(JOINT_POS_MAX, previous + step)
    torque_max = settings.torque_factor * JOINT_TORQUE_MAX
    stiffness = max(kp, _MIN_KP)
    reach = joint_pos + kd * joint_vel / stiffness
    targets = np.clip(joint_targets, reach - torque_max / stiffness, reach + torque_max / stiffness)
    targets = np.clip(targets, lower, upper)
    torque = np.abs(kp * (targets - joint_pos) - kd * joint_vel)
    scale = np.minimum(1.0, torque_max / np.maximum(torque, torque_max))
    zeros = np.zeros(NUM_JOINTS)
    return ClampedCommand(
        JointCommand(joint_pos=targets, joint_vel=zeros, kp=kp * scale, kd=kd * scale, torque=zeros),
        (targets != joint_targets) | (scale < 1.0),
    )
