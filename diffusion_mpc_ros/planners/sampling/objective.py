"""What planners by rollouts do of their own accord: walk as commanded (arXiv 2409.15610, Table IV and Appendix B).

The operator's reward terms and constraints come on top (:mod:`planners.sampling.scoring`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import CONTROL_DT, FOOT_RADIUS
from diffusion_mpc_ros.planners.sampling.gait import Trot

if TYPE_CHECKING:  # settings are made without physics
    from diffusion_mpc_ros.simulation.batch_state import BatchState

# A foot that is so far [m] from its height costs 1: the authors' unit.
FOOT_ERROR = 0.05
UP = np.array([0.0, 0.0, 1.0])  # the normal of level ground, and a base's own z axis

# Of the authors' code, but for three, which were tuned by short walks with few samples. With the paper's weight of the
# energy, 0.001 (Table IV), the robot sank to its knees and stopped.
WEIGHTS = {
    "gait": 0.1, "upright": 2.0, "heading": 0.3, "velocity": 1.0, "yaw_rate": 1.0, "height": 50.0, "energy": 0.0001,
    "sway": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Walking:
    """Follow a velocity command, the base parallel to the ground and at ``height`` [m]; the weights of its terms.

    ``gait``: None leaves the feet to whoever proposes the plans, and the heading with them.
    """

    gait: Trot | None = field(default_factory=Trot)
    height: float = 0.3
    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))

    def terms(
        self, ticks: BatchState, begin: int, command: np.ndarray, heading: np.ndarray, normal: np.ndarray = UP
    ) -> dict[str, np.ndarray]:
        """Penalties ``(B, N)`` by name, means over the ticks, each at most 0.

        ``ticks (B, N, H)``: what rollouts did from tick ``begin`` on, ``command (B, 3)`` [m/s, m/s, rad/s],
        ``heading (B,)`` [rad] of the base in the world at the beginning, ``normal (3,)`` of the ground in the world.
        """
        command_now = command[:, None, None]
        errors = {
            "upright": ((rotations.rotate_inverse(ticks.base_quat_wxyz, normal) - UP) ** 2).sum(axis=-1),
            "velocity": ((ticks.base_lin_vel_b[..., :2] - command_now[..., :2]) ** 2).sum(axis=-1),
            "yaw_rate": (ticks.base_ang_vel_b[..., 2] - command_now[..., 2]) ** 2,
            "height": (ticks.base_height - self.height) ** 2,
            "energy": ticks.mechanical_power,
            "sway": (ticks.base_ang_vel_b[..., :2] ** 2).sum(axis=-1),
        }
        if self.gait is not None:
            errors |= self._gait_errors(self.gait, ticks, begin, command, heading)
        return {name: -error.mean(axis=-1) for name, error in errors.items()}

    @staticmethod
    def _gait_errors(
        gait: Trot, ticks: BatchState, begin: int, command: np.ndarray, heading: np.ndarray
    ) -> dict[str, np.ndarray]:
        ends = begin + 1 + np.arange(ticks.base_height.shape[-1])
        clearance = gait.clearance(ends, command)[:, None]
        turned = command[:, None, None, 2] * CONTROL_DT * (ends - begin)
        yaw = rotations.yaw(ticks.base_quat_wxyz) - heading[:, None, None] - turned
        return {
            "gait": (((ticks.foot_height - FOOT_RADIUS - clearance) / FOOT_ERROR) ** 2).sum(axis=-1),
            "heading": np.arctan2(np.sin(yaw), np.cos(yaw)) ** 2,
        }

    def score(
        self, ticks: BatchState, begin: int, command: np.ndarray, heading: np.ndarray, normal: np.ndarray = UP
    ) -> np.ndarray:
        """Return the weighted sum ``(B, N)`` of :meth:`terms`."""
        terms = self.terms(ticks, begin, command, heading, normal)
        return np.sum([self.weights[name] * value for name, value in terms.items()], axis=0)
