"""What a task is made of: which joint targets it searches over, what a rollout is worth, and how plans are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.simulation.batch_state import BatchState

UP = np.array([0.0, 0.0, -1.0])  # gravity in the frame of a level base


@dataclass(frozen=True)
class ControlRange:
    """Joint targets [rad], or torques [N m], between ``low`` and ``high (12,)`` as controls in [-1, 1].

    ``start (12,)``: what is held before the first plan.
    """

    low: np.ndarray
    high: np.ndarray
    start: np.ndarray

    @classmethod
    def of_legs(cls, front: tuple[tuple[float, float], ...], rear: tuple[tuple[float, float], ...]) -> ControlRange:
        """Ranges of hip, thigh and calf [rad] of the front and the rear legs; hips are the same left and right."""
        bounds = np.array([*front, *front, *rear, *rear])
        return cls(bounds[:, 0], bounds[:, 1], go2.DEFAULT_JOINT_POS)

    def targets(self, controls: np.ndarray) -> np.ndarray:
        """Joint targets or torques ``(..., 12)`` of controls."""
        return 0.5 * (self.low + self.high) + 0.5 * (self.high - self.low) * controls

    def controls(self, targets: np.ndarray) -> np.ndarray:
        """Return the controls of joint targets or torques ``(..., 12)``, clipped to [-1, 1]."""
        return np.clip((2.0 * targets - self.low - self.high) / (self.high - self.low), -1.0, 1.0)


# What the motors can give; the robot begins limp.
TORQUES = ControlRange(-go2.JOINT_TORQUE_MAX, go2.JOINT_TORQUE_MAX, np.zeros(go2.NUM_JOINTS))


class Task(Protocol):
    """What a robot is to do, by its true state in the world."""

    control_range: ControlRange

    def score(self, ticks: BatchState, begin: int) -> np.ndarray:
        """Return what rollouts ``ticks (B, N, H)`` from tick ``begin`` on are worth, ``(B, N)``; more is better."""
        ...

    def fallen(self, ticks: BatchState) -> np.ndarray:
        """Return at which ``ticks (...)`` the robot has fallen and cannot go on, bool."""
        ...


def upright(ticks: BatchState) -> np.ndarray:
    """Return the penalty ``(...)`` of a base that is not level: the squared error of its vertical, at most 4."""
    return ((ticks.projected_gravity_b - UP) ** 2).sum(axis=-1)


def heading_error(ticks: BatchState, yaw: np.ndarray | float) -> np.ndarray:
    """Return the squared difference ``(...)`` [rad^2] of the base's heading from ``yaw`` [rad], the shorter way."""
    difference = rotations.yaw(ticks.base_quat_wxyz) - yaw
    return np.arctan2(np.sin(difference), np.cos(difference)) ** 2
