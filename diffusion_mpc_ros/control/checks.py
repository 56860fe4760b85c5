"""What is checked on every tick: can the robot and its state be trusted, and is it fit to stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import JOINT_NAMES, JOINT_POS_MAX, JOINT_POS_MIN, JOINT_VEL_MAX
from diffusion_mpc_ros.core.types import LowState

# No Go2 joint or encoder can report more than this; such a LowState is garbage, not motion.
_PLAUSIBLE_POS, _PLAUSIBLE_VEL = 10.0, 200.0
_QUATERNION_ERROR = 0.05


@dataclass(frozen=True)
class Violation:
    """``cause`` with the measured ``value`` and its ``limit``; ``at_once``: one sample is enough."""

    cause: str
    value: float
    limit: float
    at_once: bool

    def __str__(self) -> str:
        return f"{self.cause}: {self.value:.4g} (limit {self.limit:.4g})"


def trust_violation(lowstate: LowState | None, age: float, settings: SafetySettings) -> Violation | None:
    """Why ``lowstate``, ``age`` [s] old, cannot be computed with at all; None when it can."""
    limit = settings.lowstate_age_max
    if lowstate is None:
        return Violation("no LowState", float("inf"), limit, at_once=True)
    # Slightly negative when a message arrives after the clock was read; the negation also catches NaN.
    if not abs(age) <= limit:
        return Violation("LowState age [s]", age, limit, at_once=True)
    if not lowstate.crc_ok:
        return Violation("LowState CRC", 1.0, 0.0, at_once=True)
    fields = {
        "base orientation": lowstate.base_quat_wxyz,
        "base angular velocity": lowstate.base_ang_vel,
        "base acceleration": lowstate.base_lin_acc,
        "joint position": lowstate.joint_pos,
        "joint velocity": lowstate.joint_vel,
        "joint torque": lowstate.joint_torque,
        "motor temperature": lowstate.motor_temperature,
        "battery": np.atleast_1d(lowstate.battery_soc),
    }
    for name, values in fields.items():
        if not np.isfinite(values).all():
            return Violation(f"{name} numbers that are not finite", float(np.sum(~np.isfinite(values))), 0.0, True)
    bounded = {
        "error of the quaternion's norm": (abs(np.hypot.reduce(lowstate.base_quat_wxyz) - 1.0), _QUATERNION_ERROR),
        "implausible joint position [rad]": (np.abs(lowstate.joint_pos).max(), _PLAUSIBLE_POS),
        "implausible joint velocity [rad/s]": (np.abs(lowstate.joint_vel).max(), _PLAUSIBLE_VEL),
    }
    for name, (value, bound) in bounded.items():
        if value > bound:
            return Violation(name, float(value), bound, at_once=True)
    return None


def motion_violations(lowstate: LowState, settings: SafetySettings) -> Iterator[Violation]:
    """Every violation of a trusted ``lowstate`` that means the robot falls or breaks when it lasts."""
    tilt = float(rotations.tilt(rotations.projected_gravity(lowstate.base_quat_wxyz)))
    if tilt > settings.tilt_max:
        yield Violation("tilt [rad]", tilt, settings.tilt_max, at_once=False)
    outside = np.maximum(lowstate.joint_pos - JOINT_POS_MAX, JOINT_POS_MIN - lowstate.joint_pos)
    joint = int(outside.argmax())
    if outside[joint] > settings.joint_position_margin:
        cause = f"{JOINT_NAMES[joint]} beyond its position limit [rad]"
        yield Violation(cause, float(outside[joint]), settings.joint_position_margin, at_once=False)
    speed = np.abs(lowstate.joint_vel) / JOINT_VEL_MAX
    joint = int(speed.argmax())
    if speed[joint] > settings.joint_velocity_factor:
        cause = f"{JOINT_NAMES[joint]} speed as a share of its motor's limit"
        yield Violation(cause, float(speed[joint]), settings.joint_velocity_factor, at_once=False)


def wear_violation(lowstate: LowState, settings: SafetySettings) -> Violation | None:
    """Why a trusted robot should sit down in order, or None: a hot motor, a low battery."""
    temperature = lowstate.motor_temperature
    joint = int(temperature.argmax())
    if temperature[joint] > settings.motor_temperature_max:
        cause = f"{JOINT_NAMES[joint]} motor temperature [degC]"
        return Violation(cause, float(temperature[joint]), settings.motor_temperature_max, at_once=False)
    if lowstate.battery_soc < settings.battery_min:
        return Violation("battery [%]", float(lowstate.battery_soc), settings.battery_min, at_once=False)
    return None
