"""The gait that is asked for: how high each foot is to be at which tick (arXiv 2409.15610, Appendix B)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.trajectory import MOVING_COMMAND

# A trot: where each foot (FR, FL, RR, RL) is in its cycle when the clock is at 0; stance comes first, then swing.
TROT_OFFSETS = np.array([0.0, 0.5, 0.5, 0.0])


@dataclass(frozen=True)
class Trot:
    """``frequency`` [Hz] of whole cycles, ``stance_share`` of them on the ground, ``swing_height`` [m] at mid-swing."""

    frequency: float = 2.0
    stance_share: float = 0.55
    swing_height: float = 0.08

    def clearance(self, ticks: np.ndarray, command: np.ndarray) -> np.ndarray:
        """Heights ``(B, H, 4)`` [m] of the feet above where they stand, at ``ticks (H,)`` under ``command (B, 3)``.

        The clock is that of the ticks. Who is told to stand keeps all feet on the ground.
        """
        phase = (ticks[:, None] * CONTROL_DT * self.frequency + TROT_OFFSETS) % 1.0
        progress = np.maximum(phase - self.stance_share, 0.0) / (1.0 - self.stance_share)
        moving = np.linalg.norm(command, axis=-1) > MOVING_COMMAND
        return self.swing_height * np.sin(np.pi * progress) * moving[:, None, None]
