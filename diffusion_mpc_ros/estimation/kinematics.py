"""Forward kinematics and Jacobians of the four legs, vectorised, in the base frame.

Legs in project order FR, FL, RR, RL; joints hip (about x), thigh and calf (about y). A foot's position is that of the
centre of its sphere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.go2 import (
    ABDUCTION_LENGTH,
    CALF_LENGTH,
    HIP_OFFSET_X,
    HIP_OFFSET_Y,
    LEGS,
    THIGH_LENGTH,
)

# +1 front and left, -1 rear and right, from the legs' names.
_FRONT = np.array([1.0 if leg.startswith("F") else -1.0 for leg in LEGS])
_LEFT = np.array([1.0 if leg.endswith("L") else -1.0 for leg in LEGS])
# (4, 3) [m], the hips in the base frame, and (4,) [m], the signed abduction offsets.
HIP_POSITIONS_B = np.stack([_FRONT * HIP_OFFSET_X, _LEFT * HIP_OFFSET_Y, np.zeros(4)], axis=-1)
# Damping [m^2] of the inverse of a straight leg's Jacobian.
_DAMPING = 1e-7 * np.eye(3)
_ABDUCTION = _LEFT * ABDUCTION_LENGTH


@dataclass(frozen=True)
class LegKinematics:
    """Feet at one set of joint positions."""

    foot_pos_b: np.ndarray  # (4, 3) [m], base frame
    jacobian_b: np.ndarray  # (4, 3, 3) [m/rad], d foot_pos_b / d (hip, thigh, calf) of the same leg
    pitch_axis_b: np.ndarray  # (4, 3), unit axis of thigh and calf in the base frame


def leg_kinematics(joint_pos: np.ndarray) -> LegKinematics:
    """Feet, Jacobians and pitch axes for joint positions ``(12,)`` [rad], project order."""
    angles = joint_pos.reshape(4, 3).T.copy()
    angles[2] += angles[1]  # of the calf against the base
    (sin_hip, *sines), (cos_hip, *cosines) = np.sin(angles), np.cos(angles)
    # In the plane of the leg: forward, and down from the hip axis.
    forward_calf, down_calf = -CALF_LENGTH * sines[1], CALF_LENGTH * cosines[1]
    forward, down = forward_calf - THIGH_LENGTH * sines[0], down_calf + THIGH_LENGTH * cosines[0]
    foot = np.empty((4, 3))
    foot[:, 0] = forward
    foot[:, 1] = _ABDUCTION * cos_hip + down * sin_hip
    foot[:, 2] = _ABDUCTION * sin_hip - down * cos_hip
    jacobian = np.zeros((4, 3, 3))
    jacobian[:, 1, 0] = -foot[:, 2]
    jacobian[:, 2, 0] = foot[:, 1]
    # A pitch rate moves the foot forward by minus what hangs below, and down by what lies forward.
    for column, pitched_down, pitched_forward in ((1, down, forward), (2, down_calf, forward_calf)):
        jacobian[:, 0, column] = -pitched_down
        jacobian[:, 1, column] = pitched_forward * sin_hip
        jacobian[:, 2, column] = -pitched_forward * cos_hip
    axis = np.zeros((4, 3))
    axis[:, 1], axis[:, 2] = cos_hip, sin_hip
    return LegKinematics(foot + HIP_POSITIONS_B, jacobian, axis)


def foot_positions(joint_pos: np.ndarray) -> np.ndarray:
    """Feet ``(..., 4, 3)`` [m], base frame, for any number of joint positions ``(..., 12)`` [rad] at once."""
    hip, thigh, calf = np.moveaxis(joint_pos.reshape(*joint_pos.shape[:-1], 4, 3), -1, 0)
    knee = thigh + calf
    down = THIGH_LENGTH * np.cos(thigh) + CALF_LENGTH * np.cos(knee)
    forward = -THIGH_LENGTH * np.sin(thigh) - CALF_LENGTH * np.sin(knee)
    left = _ABDUCTION * np.cos(hip) + down * np.sin(hip)
    up = _ABDUCTION * np.sin(hip) - down * np.cos(hip)
    return np.stack([forward, left, up], axis=-1) + HIP_POSITIONS_B


def foot_velocities(kinematics: LegKinematics, joint_vel: np.ndarray) -> np.ndarray:
    """Velocities ``(4, 3)`` [m/s] of the feet relative to the base, base frame; ``joint_vel (12,)`` [rad/s]."""
    return (kinematics.jacobian_b @ joint_vel.reshape(4, 3, 1))[..., 0]


def shank_angular_velocities(kinematics: LegKinematics, joint_vel: np.ndarray) -> np.ndarray:
    """Angular velocities ``(4, 3)`` [rad/s] of the shanks relative to the base, base frame."""
    hip, thigh, calf = joint_vel.reshape(4, 3).T
    angular_velocity = (thigh + calf)[:, None] * kinematics.pitch_axis_b
    angular_velocity[:, 0] += hip
    return angular_velocity


def foot_forces(kinematics: LegKinematics, joint_torque: np.ndarray) -> np.ndarray:
    """Return forces ``(4, 3)`` [N] of the ground on the feet, base frame, that ``joint_torque (12,)`` [N m] balances.

    ``tau = -J^T f`` by damped least squares: exact for a bent leg, finite for a straight one.
    """
    jacobian = kinematics.jacobian_b
    normal = jacobian @ jacobian.transpose(0, 2, 1) + _DAMPING
    return -np.linalg.solve(normal, jacobian @ joint_torque.reshape(4, 3, 1))[..., 0]
