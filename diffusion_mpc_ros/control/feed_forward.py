"""What a plan's row may add to the PD law beside its joint target: joint velocities and torques."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_TORQUE_MAX, JOINT_VEL_MAX, NUM_JOINTS


@dataclass(frozen=True)
class FeedForward:
    """The feed-forward of ``tau = kp (q* - q) + kd (dq* - dq) + tau*``."""

    joint_vel: np.ndarray  # (12,) [rad/s], dq*
    joint_torque: np.ndarray  # (12,) [N m], tau*

    @classmethod
    def of(cls, joint_vel: np.ndarray | None, joint_torque: np.ndarray | None) -> FeedForward:
        """Return that of a row ``(12,)`` each; None counts as zero."""
        if joint_vel is None and joint_torque is None:
            return NONE
        return cls(_ZEROS if joint_vel is None else joint_vel, _ZEROS if joint_torque is None else joint_torque)

    @property
    def usable(self) -> bool:
        """Whether both are finite and ``(12,)``."""
        return all(np.shape(each) == (NUM_JOINTS,) and np.isfinite(each).all() for each in self._arrays)

    def scaled(self, share: float) -> FeedForward:
        """Return ``share`` of it."""
        return self if share == 1.0 or self is NONE else FeedForward(*(share * each for each in self._arrays))

    def limited(self, previous: FeedForward, settings: SafetySettings) -> FeedForward:
        """Return it within the motors' limits, and within the rate limits of ``previous``, which was sent last."""
        if self is NONE and previous is NONE:
            return NONE
        vel_step = settings.feed_forward_velocity_rate_max * CONTROL_DT
        torque_step = settings.feed_forward_torque_rate_max * CONTROL_DT
        torque_max = settings.torque_factor * JOINT_TORQUE_MAX
        limited = FeedForward(
            _limit(self.joint_vel, previous.joint_vel, vel_step, JOINT_VEL_MAX),
            _limit(self.joint_torque, previous.joint_torque, torque_step, torque_max),
        )
        return limited if any(each.any() for each in limited._arrays) else NONE

    @property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.joint_vel, self.joint_torque


def _limit(values: np.ndarray, previous: np.ndarray, step: float, largest: np.ndarray) -> np.ndarray:
    start = np.clip(previous, -largest, largest)
    return np.clip(values, np.maximum(-largest, start - step), np.minimum(largest, start + step))


_ZEROS = np.zeros(NUM_JOINTS)
_ZEROS.setflags(write=False)
NONE = FeedForward(_ZEROS, _ZEROS)
