"""What leaves for the motors is finite and inside position, velocity, rate and torque limits by construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.control.feed_forward import NONE, FeedForward
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core.go2 import (
    CONTROL_DT,
    JOINT_POS_MAX,
    JOINT_POS_MIN,
    JOINT_TORQUE_MAX,
    clip_joint_targets,
)
from diffusion_mpc_ros.core.types import JointCommand

# Below this stiffness the torque window is wider than any joint's range, and dividing by it stays finite.
_MIN_KP = 1e-3


@dataclass(frozen=True)
class ClampedCommand:
    """A command within all limits, and its feed-forward.

    ``clamped (12,)`` bool: the joints whose target, feed-forward or gains were changed.
    """

    command: JointCommand
    clamped: np.ndarray
    feed_forward: FeedForward


def limit_command(
    joint_targets: np.ndarray,
    kp: float,
    kd: float,
    *,
    previous_targets: np.ndarray,
    joint_pos: np.ndarray,
    joint_vel: np.ndarray,
    settings: SafetySettings,
    feed_forward: FeedForward = NONE,
    previous_feed_forward: FeedForward = NONE,
) -> ClampedCommand:
    """Command towards ``joint_targets (12,)`` [rad] at gains ``kp`` [N m/rad], ``kd`` [N m s/rad].

    Inputs must be finite. The feed-forward ``dq*``, ``tau*`` is limited first, by itself and in its rate. Targets
    ``q*`` end inside the position limits and within the rate limit of ``previous_targets`` [rad]; inside that window
    they are moved so that the predicted torque ``kp (q* - joint_pos) + kd (dq* - joint_vel) + tau*`` respects the
    motors' limit. Where the window leaves no such target, the joint's gains and ``tau*`` are scaled down instead.
    """
    wanted, feed_forward = feed_forward, feed_forward.limited(previous_feed_forward, settings)
    step = settings.joint_target_rate_max * CONTROL_DT
    previous = clip_joint_targets(previous_targets)
    lower = np.maximum(JOINT_POS_MIN, previous - step)
    upper = np.minimum(JOINT_POS_MAX, previous + step)
    torque_max = settings.torque_factor * JOINT_TORQUE_MAX
    stiffness = max(kp, _MIN_KP)
    # Of the predicted torque, what the target cannot change.
    given = kd * (feed_forward.joint_vel - joint_vel) + feed_forward.joint_torque
    reach = joint_pos - given / stiffness
    targets = np.clip(joint_targets, reach - torque_max / stiffness, reach + torque_max / stiffness)
    targets = np.clip(targets, lower, upper)
    torque = np.abs(kp * (targets - joint_pos) + given)
    scale = np.minimum(1.0, torque_max / np.maximum(torque, torque_max))
    clamped = (targets != joint_targets) | (scale < 1.0)
    if feed_forward is not NONE:
        feed_forward = FeedForward(feed_forward.joint_vel, feed_forward.joint_torque * scale)
    if wanted is not feed_forward:
        clamped |= feed_forward.joint_vel != wanted.joint_vel
        clamped |= feed_forward.joint_torque != wanted.joint_torque
    command = JointCommand(targets, feed_forward.joint_vel, kp * scale, kd * scale, feed_forward.joint_torque)
    return ClampedCommand(command, clamped, feed_forward)
