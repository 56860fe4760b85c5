"""Whether a robot that is damped has come to rest."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import LowState

# A joint and a base that move more slowly than this stand still [rad/s].
JOINT_SPEED, BASE_SPEED = 0.3, 0.2
# A damped robot that stands still for this long [s] does not fall any more: nothing but the ground holds it.
REST_TIME = 0.5


class Rest:
    """Counts control ticks at rest; :meth:`update` once a tick."""

    def __init__(self) -> None:
        self._ticks = 0

    @property
    def reached(self) -> bool:
        """Whether the robot has been damped and has stood still for ``REST_TIME``."""
        return self._ticks * CONTROL_DT >= REST_TIME

    def update(self, damped: bool, lowstate: LowState | None) -> None:
        """Take one tick: whether the joints are only damped, and a trusted LowState; None where there is none."""
        still = (
            damped
            and lowstate is not None
            and bool(np.abs(lowstate.joint_vel).max() < JOINT_SPEED)
            and bool(np.abs(lowstate.base_ang_vel).max() < BASE_SPEED)
        )
        self._ticks = self._ticks + 1 if still else 0
