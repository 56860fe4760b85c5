"""Which feet carry load: from the foot force sensors where they work, else from joint torques and leg kinematics."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.go2 import FOOT_FORCE_CONTACT

# Without sensors a foot counts as loaded when the joint torques balance more than this vertical force [N] ...
TORQUE_CONTACT_FORCE = 10.0
# ... and it is within this height [m] of the lowest foot: the torques that accelerate a swinging leg feign up to 70 N.
LOWEST_FOOT_MARGIN = 0.015
# The sensors count as dead after this long [s] of silence while the torques say that the robot stands.
SENSOR_SILENCE = 0.25


class ContactDetector:
    """Contact flags of the four feet; the Go2 Air has no force sensors, and cables break."""

    def __init__(self) -> None:
        self._silence = 0.0

    @property
    def sensors_work(self) -> bool:
        """Whether the flags come from the force sensors."""
        return self._silence < SENSOR_SILENCE

    def update(
        self, foot_force: np.ndarray, vertical_force: np.ndarray, foot_height: np.ndarray, dt: float
    ) -> np.ndarray:
        """Contact ``(4,)`` bool from raw sensor values, the feet's vertical forces by torque [N] and heights [m].

        All ``(4,)``; heights in any common origin, upwards; ``dt`` [s] since the last call. A single foot above its
        threshold shows that the sensors work.
        """
        sensed = foot_force > FOOT_FORCE_CONTACT
        inferred = (vertical_force > TORQUE_CONTACT_FORCE) & (foot_height < foot_height.min() + LOWEST_FOOT_MARGIN)
        if sensed.any():
            self._silence = 0.0
        elif inferred.any():
            self._silence = min(self._silence + dt, SENSOR_SILENCE)
        return sensed if self.sensors_work else inferred
