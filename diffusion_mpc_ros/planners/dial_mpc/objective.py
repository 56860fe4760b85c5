"""What DIAL-MPC is to do of its own accord: walk as commanded (arXiv 2409.15610, Table IV and Appendix B).

The operator's reward terms and constraints come on top (:mod:`planners.dial_mpc.scoring`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import CONTROL_DT, FOOT_RADIUS
from diffusion_mpc_ros.planners.dial_mpc.gait import Trot

if TYPE_CHECKING:  # settings are made without physics
    from diffusion_mpc_ros.simulation.batch_state import BatchState

# A foot that is so far [m] from its height costs 1: the authors' unit.
FOOT_ERROR = 0.05
UP = np.array([0.0, 0.0, -1.0])  # gravity in the frame of a level base

# Of the authors' code, but for three, which were tuned by short walks with few samples. With the paper's weight of the
# energy, 0.001 (Table IV), the robot sank to its knees and stopped.
WEIGHTS = {
    "gait": 0.1, "upright": 2.0, "heading": 0.3, "velocity": 1.0, "yaw_rate": 1.0, "height": 50.0, "energy": 0.0001,
}  # fmt: skip


@dataclass(frozen=True)
class Walking:
    """Follow a velocity command in a gait, the base level and at ``height`` [m]; the weights of its terms."""

    gait: Trot = field(default_factory=Trot)
    height: float = 0.3
    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))

    def terms(self, ticks: BatchState, begin: int, command: np.ndarray, heading: np.ndarray) -> dict[str, np.ndarray]:
        """Penalties ``(B, N)`` by name, means over the ticks, each at most 0.

        ``ticks (B, N, H)``: what rollouts did from tick ``begin`` on, ``command (B, 3)`` [m/s, m/s, rad/s],
        ``heading (B,)`` [rad] of the base in the world at the beginning.
        """
        command_now = command[:, None, None]
        ends = begin + 1 + np.arange(ticks.base_height.shape[-1])
        clearance = self.gait.clearance(ends, command)[:, None]
        turned = command_now[..., 2] * CONTROL_DT * (ends - begin)
        yaw = rotations.yaw(ticks.base_quat_wxyz) - heading[:, None, None] - turned
        errors = {
            "gait": (((ticks.foot_height - FOOT_RADIUS - clearance) / FOOT_ERROR) ** 2).sum(axis=-1),
            "upright": ((ticks.projected_gravity_b - UP) ** 2).sum(axis=-1),
            "heading": np.arctan2(np.sin(yaw), np.cos(yaw)) ** 2,
            "velocity": ((ticks.base_lin_vel_b[..., :2] - command_now[..., :2]) ** 2).sum(axis=-1),
            "yaw_rate": (ticks.base_ang_vel_b[..., 2] - command_now[..., 2]) ** 2,
            "height": (ticks.base_height - self.height) ** 2,
            "energy": ticks.mechanical_power,
        }
        return {name: -error.mean(axis=-1) for name, error in errors.items()}

    def score(self, ticks: BatchState, begin: int, command: np.ndarray, heading: np.ndarray) -> np.ndarray:
        """Return the weighted sum ``(B, N)`` of :meth:`terms`."""
        terms = self.terms(ticks, begin, command, heading)
        return np.sum([self.weights[name] * value for name, value in terms.items()], axis=0)
