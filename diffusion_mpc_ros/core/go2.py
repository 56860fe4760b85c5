"""Constants of the Unitree Go2, in the one joint order of this project.

Joint order everywhere in the project is the SDK's motor order: FR, FL, RR, RL; each hip, thigh, calf.
Borders (MuJoCo model, URDF, ROS messages) map to it by name, see :func:`joint_permutation`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusion_mpc_ros.core.errors import JointOrderError

NUM_JOINTS = 12
LEGS = ("FR", "FL", "RR", "RL")
JOINT_NAMES = tuple(f"{leg}_{joint}_joint" for leg in LEGS for joint in ("hip", "thigh", "calf"))

# Names of the robot's own controllers that have been seen, by model and firmware.
ROBOT_CONTROLLERS = ("normal", "ai", "advanced", "mcf")
# One control tick; the paper's 50 Hz (arXiv 2510.04234, V-A).
CONTROL_DT = 0.02
CONTROL_TICK_MS = 20
# Ticks beyond this one are no clock's: the robot's has 32 bits of milliseconds.
MAX_TICK = 2**32


def _constant(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _legs(front: Sequence[float], rear: Sequence[float]) -> np.ndarray:
    return _constant([*front, *front, *rear, *rear])


# (12,) [rad], position limits of the Go2 model.
JOINT_POS_MIN = _legs((-1.0472, -1.5708, -2.7227), (-1.0472, -0.5236, -2.7227))
JOINT_POS_MAX = _legs((1.0472, 3.4907, -0.83776), (1.0472, 4.5379, -0.83776))
# (12,) [N m] and (12,) [rad/s], motor limits (hip, thigh, calf).
JOINT_TORQUE_MAX = _legs((23.7, 23.7, 45.43), (23.7, 23.7, 45.43))
JOINT_VEL_MAX = _legs((30.1, 30.1, 15.7), (30.1, 30.1, 15.7))

# (12,) [rad], the pose around which the demonstrator's actions are centred; also the standing pose.
DEFAULT_JOINT_POS = _constant([-0.1, 0.8, -1.5, 0.1, 0.8, -1.5, -0.1, 1.0, -1.5, 0.1, 1.0, -1.5])
# (12,) [rad], lying on the belly with folded legs.
LYING_JOINT_POS = _constant([0.0, 1.36, -2.65] * 4)

# PD gains while walking (arXiv 2510.04234, V-A), standing up, and damping [N m/rad], [N m s/rad].
WALKING_KP, WALKING_KD = 40.0, 1.0
STANDING_KP, STANDING_KD = 60.0, 5.0
DAMPING_KD = 5.0

# Leg geometry [m]: hip positions in the base frame (x forward, y left), link lengths, foot radius.
HIP_OFFSET_X, HIP_OFFSET_Y = 0.1934, 0.0465
ABDUCTION_LENGTH = 0.0955
THIGH_LENGTH = CALF_LENGTH = 0.213
# No sensor of the Go2 reports more than this in SI or raw units; it is garbage.
MAX_READING = 4.0e4
FOOT_RADIUS = 0.022
# Friction coefficient of foot and ground where nothing else is said.
NOMINAL_FRICTION = 0.8
# Position of the IMU in the base frame [m]; its axes are the base's.
IMU_POSITION_B = _constant([-0.02557, 0.0, 0.04232])

# The motors' modes in rt/lowcmd and rt/lowstate: following a position and a velocity, or idle.
MOTOR_MODE_SERVO, MOTOR_MODE_STOP = 0x01, 0x00

# Largest vx, vy [m/s] and yaw rate [rad/s] that people may ask for, where nothing else is said.
MAX_COMMAND = 1.0, 0.5, 1.0

# Height of the base above the ground in the default pose [m].
STANDING_HEIGHT = 0.318

# Raw rt/lowstate foot_force above which a foot carries load.
FOOT_FORCE_CONTACT = 20

# A robot counts as fallen beyond this tilt [rad] or below this base height [m].
FALL_TILT = np.deg2rad(60.0)
FALL_HEIGHT = 0.10


def has_fallen(tilt: np.ndarray | float, base_height: np.ndarray | float) -> np.ndarray | bool:
    """Return the fall criterion, elementwise: ``tilt`` [rad] of the base, ``base_height`` [m] above the ground."""
    return (tilt > FALL_TILT) | (base_height < FALL_HEIGHT)


def joint_permutation(names: Sequence[str]) -> np.ndarray:
    """Return indices ``p`` with ``values_in_project_order = foreign_values[p]``.

    ``names``: the foreign joint names, in the foreign order; ``FR_hip`` and ``FR_hip_joint`` are the same joint.
    Raises :class:`JointOrderError` when a Go2 joint is missing or named twice.
    """
    suffixed = [name if name.endswith("_joint") else f"{name}_joint" for name in names]
    positions = []
    for joint in JOINT_NAMES:
        if suffixed.count(joint) != 1:
            raise JointOrderError(
                f"joint {joint!r} is there {suffixed.count(joint)} times in {list(names)}; "
                f"every one of {list(JOINT_NAMES)} is needed exactly once"
            )
        positions.append(suffixed.index(joint))
    return np.asarray(positions, dtype=np.intp)


def clip_joint_targets(joint_targets: np.ndarray) -> np.ndarray:
    """Joint position targets ``(..., 12)`` [rad] clipped to the position limits."""
    return np.clip(joint_targets, JOINT_POS_MIN, JOINT_POS_MAX)
