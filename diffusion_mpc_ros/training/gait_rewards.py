"""The reward terms of the PPO demonstrator: pure functions of the batch state, one number per robot."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation.batch import BatchState

CONTACT_FORCE = 1.0  # [N]
MOVING_COMMAND = 0.1  # norm of (vx, vy, yaw rate) above which a robot is asked to walk
SWING_HEIGHT = 0.09  # [m], height of the foot's centre at mid-swing


@dataclass(frozen=True)
class GaitWeights:
    """Weight of each term; tracking terms reward, the rest penalises. Widths are sigma^2 of the exponentials."""

    progress: float = 1.0
    linear_velocity: float = 1.5
    yaw_rate: float = 0.8
    base_height: float = 0.6
    trot: float = 0.6
    air_time: float = 4.0
    swing_height: float = 0.15
    vertical_velocity: float = -2.0
    roll_pitch_rate: float = -0.05
    tilt: float = -2.0
    torque: float = -1e-4
    joint_acceleration: float = -1.5e-7
    action_rate: float = -0.01
    action_jerk: float = -0.005
    clearance: float = -1.0
    slip: float = -0.1
    hip: float = -0.5
    standing_still: float = -0.5
    linear_velocity_width: float = 0.2
    yaw_rate_width: float = 0.25
    base_height_width: float = 0.0009


@dataclass
class GaitMemory:
    """What the terms remember between ticks; reset with the robot."""

    robots: int
    air_time: np.ndarray = field(init=False)  # (B, 4) [s]
    contact: np.ndarray = field(init=False)  # (B, 4) bool
    joint_vel: np.ndarray = field(init=False)  # (B, 12)
    actions: np.ndarray = field(init=False)  # (2, B, 12) the last two actions, action units

    def __post_init__(self) -> None:
        self.air_time = np.zeros((self.robots, 4))
        self.contact = np.ones((self.robots, 4), dtype=bool)
        self.joint_vel = np.zeros((self.robots, go2.NUM_JOINTS))
        self.actions = np.zeros((2, self.robots, go2.NUM_JOINTS))

    def reset(self, mask: np.ndarray) -> None:
        """Forget the robots of ``mask (B,)``."""
        self.air_time[mask] = 0.0
        self.contact[mask] = True
        self.joint_vel[mask] = 0.0
        self.actions[:, mask] = 0.0


def gait_rewards(
    state: BatchState, command: np.ndarray, height_command: np.ndarray, action: np.ndarray, memory: GaitMemory,
    weights: GaitWeights,
) -> dict[str, np.ndarray]:
    """Unweighted terms ``name -> (B,)``; advances ``memory``. ``action (B, 12)`` in action units."""
    velocity, rate = state.base_lin_vel_b, state.base_ang_vel_b
    contact = state.foot_force > CONTACT_FORCE
    speed = np.linalg.norm(command[:, :2], axis=1)
    direction = command[:, :2] / np.maximum(speed, 1e-6)[:, None]
    moving = np.linalg.norm(command, axis=1) > MOVING_COMMAND
    landed = contact & ~memory.contact
    air_time = np.where(contact, 0.0, memory.air_time + go2.CONTROL_DT)
    rewarded_air = np.where(landed, np.minimum(memory.air_time, 0.35) - 0.10, 0.0)
    velocity_error = np.sum((command[:, :2] - velocity[:, :2]) ** 2, axis=1)
    foot_speed = np.linalg.norm(state.foot_vel[..., :2], axis=-1)
    foot_height = state.foot_pos[..., 2]
    fr, fl, rr, rl = contact.T
    joint_acc = (state.joint_vel - memory.joint_vel) / go2.CONTROL_DT
    previous, before = memory.actions
    deviation = state.joint_pos - go2.DEFAULT_JOINT_POS
    terms = {
        "progress": np.minimum(np.sum(velocity[:, :2] * direction, axis=1), speed),
        "linear_velocity": np.exp(-velocity_error / weights.linear_velocity_width),
        "yaw_rate": np.exp(-((command[:, 2] - rate[:, 2]) ** 2) / weights.yaw_rate_width),
        "base_height": np.exp(-((state.base_pos[:, 2] - height_command) ** 2) / weights.base_height_width),
        "trot": moving * (0.5 * (fr == rl) + 0.5 * (fl == rr)) * (fr != fl),
        "air_time": moving * rewarded_air.sum(axis=1),
        "swing_height": moving * np.mean(~contact * np.exp(-((foot_height - SWING_HEIGHT) ** 2) / 0.0004), axis=1),
        "vertical_velocity": velocity[:, 2] ** 2,
        "roll_pitch_rate": np.sum(rate[:, :2] ** 2, axis=1),
        "tilt": np.sum(state.projected_gravity_b[:, :2] ** 2, axis=1),
        "torque": np.sum(state.joint_torque**2, axis=1),
        "joint_acceleration": np.sum(joint_acc**2, axis=1),
        "action_rate": np.sum((action - previous) ** 2, axis=1),
        "action_jerk": np.sum((action - 2.0 * previous + before) ** 2, axis=1),
        "clearance": moving * np.sum((foot_height - SWING_HEIGHT) ** 2 * foot_speed, axis=1) * 10.0,
        "slip": np.sum(contact * foot_speed**2, axis=1),
        "hip": np.sum(deviation[:, ::3] ** 2, axis=1),
        "standing_still": ~moving * (np.sum(np.abs(action - previous), axis=1) + 4.0 * (~contact).sum(axis=1) * 0.25),
    }
    memory.air_time, memory.contact = air_time, contact
    memory.joint_vel = state.joint_vel.copy()
    memory.actions = np.stack([action, previous])
    return terms
