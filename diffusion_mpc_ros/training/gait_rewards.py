"""The reward terms of the PPO demonstrator: pure functions of the batch state, one number per robot."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.policies.gait import GaitCommand, is_moving, stance_schedule, swing_progress
from diffusion_mpc_ros.simulation.batch import BatchState

CONTACT_FORCE = 1.0  # [N]
# [s], over which the velocity error is averaged: about a cycle of the gait, so that its sway cancels.
MEAN_ERROR_TIME = 0.4


@dataclass(frozen=True)
class GaitWeights:
    """Weight of each term: positive ones track, negative ones penalise. Widths are sigma^2 of the exponentials."""

    progress: float = 1.0
    linear_velocity: float = 1.5
    yaw_rate: float = 0.8
    mean_velocity: float = 1.0
    base_height: float = 0.8
    orientation: float = 0.6
    contact_schedule: float = 1.0
    swing_height: float = -15.0
    vertical_velocity: float = -2.0
    roll_pitch_rate: float = -0.05
    torque: float = -1e-4
    joint_acceleration: float = -1.5e-7
    action_rate: float = -0.01
    action_jerk: float = -0.005
    slip: float = -0.2
    hip: float = -0.5
    standing_still: float = -0.5
    linear_velocity_width: float = 0.2
    yaw_rate_width: float = 0.25
    mean_velocity_width: float = 0.04
    base_height_width: float = 0.0025
    orientation_width: float = 0.02


@dataclass
class GaitMemory:
    """What the terms remember between ticks; reset with the robot."""

    robots: int
    velocity_error: np.ndarray = field(init=False)  # (B, 3) command - (vx, vy, yaw rate), low-pass
    joint_vel: np.ndarray = field(init=False)  # (B, 12)
    actions: np.ndarray = field(init=False)  # (2, B, 12) the last two actions, action units

    def __post_init__(self) -> None:
        self.velocity_error = np.zeros((self.robots, 3))
        self.joint_vel = np.zeros((self.robots, go2.NUM_JOINTS))
        self.actions = np.zeros((2, self.robots, go2.NUM_JOINTS))

    def reset(self, mask: np.ndarray) -> None:
        """Forget the robots of ``mask (B,)``."""
        self.velocity_error[mask] = 0.0
        self.joint_vel[mask] = 0.0
        self.actions[:, mask] = 0.0


def velocity_error(state: BatchState, command: np.ndarray) -> np.ndarray:
    """``command - (vx, vy, yaw rate)``, ``(B, 3)`` [m/s], [rad/s], base frame."""
    return command - np.column_stack([state.base_lin_vel_b[:, :2], state.base_ang_vel_b[:, 2]])


def swing_error(state: BatchState, gait: GaitCommand, phase: np.ndarray) -> np.ndarray:
    """How far ``(B, 4)`` [m] the feet are from ``swing_height sin^2(pi s)`` above the ground, s the swing's progress.

    0 for feet in stance.
    """
    progress = swing_progress(phase)
    lift = state.foot_pos[..., 2] - go2.FOOT_RADIUS
    error = lift - gait.swing_height[:, None] * np.sin(np.pi * progress) ** 2
    return np.where(progress > 0.0, np.abs(error), 0.0)


def off_schedule(state: BatchState, phase: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Feet ``(B, 4)`` bool that touch the ground in their swing, or do not in their stance."""
    return (state.foot_force > CONTACT_FORCE) != stance_schedule(phase, moving)


def gait_rewards(
    state: BatchState,
    command: np.ndarray,
    gait: GaitCommand,
    phase: np.ndarray,
    action: np.ndarray,
    memory: GaitMemory,
    weights: GaitWeights,
) -> dict[str, np.ndarray]:
    """Unweighted terms ``name -> (B,)``; advances ``memory``.

    ``phase (B,)`` of the gait's clock at ``state``; ``action (B, 12)`` in action units.
    """
    error = velocity_error(state, command)
    mean_error = memory.velocity_error + go2.CONTROL_DT / MEAN_ERROR_TIME * (error - memory.velocity_error)
    speed = np.linalg.norm(command[:, :2], axis=1)
    along = np.sum(state.base_lin_vel_b[:, :2] * command[:, :2], axis=1) / np.maximum(speed, 1e-6)
    moving = is_moving(command)
    lean = state.projected_gravity_b[:, :2] - np.column_stack([np.sin(gait.pitch), np.zeros_like(gait.pitch)])
    contact = state.foot_force > CONTACT_FORCE
    joint_acc = (state.joint_vel - memory.joint_vel) / go2.CONTROL_DT
    previous, before = memory.actions
    deviation = state.joint_pos - go2.DEFAULT_JOINT_POS
    terms = {
        "progress": np.minimum(along, speed),
        "linear_velocity": np.exp(-np.sum(error[:, :2] ** 2, axis=1) / weights.linear_velocity_width),
        "yaw_rate": np.exp(-(error[:, 2] ** 2) / weights.yaw_rate_width),
        # A yaw rate of 1 rad/s moves the feet, 0.2 m from the centre, at 0.2 m/s: it counts for half of a speed.
        "mean_velocity": np.exp(-np.sum((mean_error * [1.0, 1.0, 0.5]) ** 2, axis=1) / weights.mean_velocity_width),
        "base_height": np.exp(-((state.base_height - gait.base_height) ** 2) / weights.base_height_width),
        "orientation": np.exp(-np.sum(lean**2, axis=1) / weights.orientation_width),
        "contact_schedule": 1.0 - 2.0 * off_schedule(state, phase, moving).mean(axis=1),
        "swing_height": moving * swing_error(state, gait, phase).mean(axis=1),
        "vertical_velocity": state.base_lin_vel_b[:, 2] ** 2,
        "roll_pitch_rate": np.sum(state.base_ang_vel_b[:, :2] ** 2, axis=1),
        "torque": np.sum(state.joint_torque**2, axis=1),
        "joint_acceleration": np.sum(joint_acc**2, axis=1),
        "action_rate": np.sum((action - previous) ** 2, axis=1),
        "action_jerk": np.sum((action - 2.0 * previous + before) ** 2, axis=1),
        "slip": np.sum(contact * np.sum(state.foot_vel[..., :2] ** 2, axis=-1), axis=1),
        "hip": np.sum(deviation[:, ::3] ** 2, axis=1),
        "standing_still": ~moving * np.sum(np.abs(action - previous), axis=1),
    }
    memory.velocity_error = mean_error
    memory.joint_vel = state.joint_vel.copy()
    memory.actions = np.stack([action, previous])
    return terms


def gait_errors(
    state: BatchState, command: np.ndarray, gait: GaitCommand, phase: np.ndarray, memory: GaitMemory
) -> dict[str, float]:
    """How far the robots are from what they were asked for, averaged over them, for curves and progress bars."""
    moving = is_moving(command)
    in_swing = (swing_progress(phase) > 0.0) & moving[:, None]
    pitch = np.arcsin(np.clip(state.projected_gravity_b[:, 0], -1.0, 1.0))
    return {
        "planar_velocity": float(np.linalg.norm(velocity_error(state, command)[:, :2], axis=1).mean()),
        "mean_planar_velocity": float(np.linalg.norm(memory.velocity_error[:, :2], axis=1).mean()),
        "yaw_rate": float(np.abs(velocity_error(state, command)[:, 2]).mean()),
        "base_height": float(np.abs(state.base_height - gait.base_height).mean()),
        "pitch": float(np.abs(pitch - gait.pitch).mean()),
        "swing_height": float(swing_error(state, gait, phase)[in_swing].mean()) if in_swing.any() else 0.0,
        "contact_schedule": float(off_schedule(state, phase, moving).mean()),
    }
