"""A LowState to begin with: tests change in it what they are about."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.types import LowState

STANDING = LowState(
    tick_ms=0,
    receive_time=0.0,
    base_quat_wxyz=np.array([1.0, 0.0, 0.0, 0.0]),
    base_ang_vel=np.zeros(3),
    base_lin_acc=np.array([0.0, 0.0, 9.81]),
    joint_pos=DEFAULT_JOINT_POS,
    joint_vel=np.zeros(12),
    joint_torque=np.zeros(12),
    foot_force=np.full(4, 37.0),
    motor_temperature=np.full(12, 30.0),
    battery_soc=80.0,
)
