"""The robot as a box with legs of three lines, for viewers without its meshes."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import ABDUCTION_LENGTH, LEGS, THIGH_LENGTH
from diffusion_mpc_ros.estimation.kinematics import HIP_POSITIONS_B, foot_positions
from diffusion_mpc_ros.view.scene import Figure

# Edges of the box round the trunk [m].
TRUNK = (0.378, 0.094, 0.114)
_LEFT = np.array([1.0 if leg.endswith("L") else -1.0 for leg in LEGS])


def leg_points(figure: Figure) -> np.ndarray:
    """Hip, shoulder, knee and foot of each leg ``(4, 4, 3)`` [m], in the frame that the figure stands in."""
    hip, thigh, _ = figure.joint_pos.reshape(4, 3).T
    side = _LEFT * ABDUCTION_LENGTH
    shoulder = np.stack([np.zeros(4), side * np.cos(hip), side * np.sin(hip)], axis=-1)
    down = THIGH_LENGTH * np.cos(thigh)
    to_knee = np.stack([-THIGH_LENGTH * np.sin(thigh), down * np.sin(hip), -down * np.cos(hip)], axis=-1)
    feet = foot_positions(figure.joint_pos)
    hips = HIP_POSITIONS_B
    points_b = np.stack([hips, hips + shoulder, hips + shoulder + to_knee, feet], axis=1)
    return figure.position + points_b @ rotations.rotation_matrix(figure.quat_wxyz).T
