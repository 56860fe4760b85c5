"""What the Go2's motors and battery can do: torque-speed limit, heating, discharge."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core import go2

# Share of the maximum speed up to which a motor gives its full torque: 13.5 of 30 rad/s in Unitree's own torque-speed
# figures for the Go2's motor (unitree_rl_lab, actuator Go2HV).
FULL_TORQUE_SPEED_SHARE = 0.45

AMBIENT_TEMPERATURE = 30.0  # [deg C]
_HEATING = 0.002  # [deg C / s / (N m)^2], of a hip's or thigh's torque
# All joints have the same motor; the calf's linkage gears it down further, so that its current is less for a torque.
_GEARING = go2.JOINT_TORQUE_MAX / go2.JOINT_TORQUE_MAX.min()  # (12,)
_COOLING_TIME = 300.0  # [s]

# 8000 mAh at 28.8 V [J], and what the computers and sensors draw [W].
BATTERY_ENERGY = 8.0 * 28.8 * 3600.0
ELECTRONICS_POWER = 30.0


def torque_limits(joint_vel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest torque ``(12,)`` [N m] that the motors give at ``joint_vel (12,)`` [rad/s].

    In the direction of motion the torque falls linearly from its maximum at the full-torque speed to zero at the
    maximum speed and stays zero beyond; against the motion the full torque is there at any speed.
    """
    full_torque_speed = FULL_TORQUE_SPEED_SHARE * go2.JOINT_VEL_MAX
    share = (go2.JOINT_VEL_MAX - np.abs(joint_vel)) / (go2.JOINT_VEL_MAX - full_torque_speed)
    driving = go2.JOINT_TORQUE_MAX * np.minimum(np.maximum(share, 0.0), 1.0)
    upper = np.where(joint_vel > 0.0, driving, go2.JOINT_TORQUE_MAX)
    lower = np.where(joint_vel < 0.0, driving, go2.JOINT_TORQUE_MAX)
    return -lower, upper


def heated(temperature: np.ndarray, torque: np.ndarray, duration: float) -> np.ndarray:
    """Motor temperatures ``(12,)`` [deg C] after ``duration`` [s] at ``torque (12,)`` [N m]: copper loss, cooling."""
    heating = _HEATING * (torque / _GEARING) ** 2
    return temperature + duration * (heating - (temperature - AMBIENT_TEMPERATURE) / _COOLING_TIME)


def discharged(battery_soc: float, torque: np.ndarray, joint_vel: np.ndarray, duration: float) -> float:
    """State of charge [%] after ``duration`` [s]; braking feeds nothing back."""
    power = ELECTRONICS_POWER + float(np.maximum(torque * joint_vel, 0.0).sum())
    return max(battery_soc - 100.0 * power * duration / BATTERY_ENERGY, 0.0)
