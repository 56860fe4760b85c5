"""What is checked on every tick: can the robot and its state be trusted, and is it fit to stand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NewType

import numpy as np

from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.settings import SafetySettings
from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import (
    JOINT_NAMES,
    JOINT_POS_MAX,
    JOINT_POS_MIN,
    JOINT_VEL_MAX,
    MOTOR_MODE_SERVO,
    NUM_JOINTS,
)
from diffusion_mpc_ros.core.types import LowState

# A LowState that may be computed with: fresh, complete, finite and plausible. Made by :func:`trust` alone.
TrustedLowState = NewType("TrustedLowState", LowState)

# No Go2 joint or encoder can report more than this; such a LowState is garbage, not motion.
_PLAUSIBLE_POS, _PLAUSIBLE_VEL = 10.0, 200.0
_QUATERNION_ERROR = 0.05
# Fields of LowState: what they are, and their shapes.
_MEASURED: dict[str, tuple[str, tuple[int, ...]]] = {
    "base_quat_wxyz": ("base orientation", (4,)),
    "base_ang_vel": ("base angular velocity", (3,)),
    "base_lin_acc": ("base acceleration", (3,)),
    "joint_pos": ("joint position", (NUM_JOINTS,)),
    "joint_vel": ("joint velocity", (NUM_JOINTS,)),
    "joint_torque": ("joint torque", (NUM_JOINTS,)),
    "motor_temperature": ("motor temperature", (NUM_JOINTS,)),
}
_SHAPES = [shape for _, shape in _MEASURED.values()]


@dataclass(frozen=True)
class Violation:
    """``cause`` with the measured ``value`` and its ``limit``; ``at_once``: one sample is enough."""

    cause: str
    value: float
    limit: float
    at_once: bool
    emergency_stop: bool = False

    def __str__(self) -> str:
        return f"{self.cause}: {self.value:.4g} (limit {self.limit:.4g})"


def trust(lowstate: LowState | None, age: float, age_max: float) -> TrustedLowState | Violation:
    """Return ``lowstate``, ``age`` [s] old of at most ``age_max`` [s], as one to compute with; else why it is none.

    A message with a wrong CRC is refused where it is decoded: it counts as lost, and shows here as age.
    """
    if lowstate is None:
        return Violation("no LowState", math.inf, age_max, at_once=True)
    # Slightly negative when a message arrives after the clock was read; the negation also catches NaN.
    if not abs(age) <= age_max:
        return Violation("LowState age [s]", age, age_max, at_once=True)
    measured = [getattr(lowstate, name) for name in _MEASURED]
    # All at once, in a third of the time; where that does not do, one by one, for the words.
    if [np.shape(values) for values in measured] != _SHAPES or not np.isfinite(np.concatenate(measured)).all():
        return _unusable(measured)
    if lowstate.battery_soc is not None and not math.isfinite(lowstate.battery_soc):
        return Violation("battery numbers that are not finite", 1.0, 0.0, at_once=True)
    bounded = {
        "error of the quaternion's norm": (abs(np.hypot.reduce(lowstate.base_quat_wxyz) - 1.0), _QUATERNION_ERROR),
        "implausible joint position [rad]": (np.abs(lowstate.joint_pos).max(), _PLAUSIBLE_POS),
        "implausible joint velocity [rad/s]": (np.abs(lowstate.joint_vel).max(), _PLAUSIBLE_VEL),
    }
    for name, (value, bound) in bounded.items():
        if value > bound:
            return Violation(name, float(value), bound, at_once=True)
    return TrustedLowState(lowstate)


def _unusable(measured: list[np.ndarray]) -> Violation:
    """Return what is wrong with the first of ``measured`` that is of another shape or not finite."""
    for (name, shape), values in zip(_MEASURED.values(), measured):
        if np.shape(values) != shape:
            return Violation(f"{name} of another shape, number of values", np.size(values), math.prod(shape), True)
        if not np.isfinite(values).all():
            break
    return Violation(f"{name} numbers that are not finite", float(np.sum(~np.isfinite(values))), 0.0, True)


def stop_violation(e_stop: str) -> Violation | None:
    """Return the emergency stop that ``e_stop`` asserts; None when nobody does."""
    return Violation(f"emergency stop ({e_stop})", 1.0, 0.0, True, emergency_stop=True) if e_stop else None


def control_violation(
    link: LinkStatus, since_last_step: float, watchdog_took_over: bool, settings: SafetySettings
) -> Violation | None:
    """Return why this controller is not in sole and steady command of the motors; None when it is.

    ``since_last_step`` [s] of the control loop; ``watchdog_took_over``: the watchdog has damped the robot meanwhile,
    which must not go on unasked.
    """
    if link.robot_controller:
        return Violation(f"the robot's own controller {link.robot_controller!r} is active", 1.0, 0.0, at_once=True)
    if link.foreign_publishers:
        return Violation("other publishers of rt/lowcmd", float(link.foreign_publishers), 0.0, at_once=True)
    if link.foreign_lowstate:
        return Violation(f"a second source of LowState: {link.foreign_lowstate}", 1.0, 0.0, at_once=True)
    if link.write_error:
        return Violation(f"commands cannot be sent: {link.write_error}", 1.0, 0.0, at_once=True)
    # The negation also catches NaN.
    if not since_last_step <= settings.loop_stall_max:
        return Violation("control loop stalled [s]", since_last_step, settings.loop_stall_max, at_once=True)
    if watchdog_took_over:
        return Violation("the watchdog took over: commands had stopped", 1.0, 0.0, at_once=True)
    return None


def clock_violation(jump: float) -> Violation | None:
    """Return why a robot's clock that has jumped by ``jump`` [s] against the local one is not trusted; None when 0.

    Ahead: this computer stood still, and so did the commands. Back: the robot, or what stands in for it, began anew.
    """
    if jump == 0.0:
        return None
    cause = "the robot's clock ran on without this computer [s]" if jump > 0.0 else "the robot's clock went back [s]"
    return Violation(cause, abs(jump), 0.0, at_once=True)


def motion_violations(lowstate: TrustedLowState, settings: SafetySettings) -> Iterator[Violation]:
    """Yield every violation that means the robot falls or breaks when it lasts."""
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


def motor_violation(lowstate: LowState, link: LinkStatus) -> Violation | None:
    """Return the first leg motor that does not follow commands; None when all do, or none has to."""
    out = lowstate.motor_mode != MOTOR_MODE_SERVO
    if link.dry_run or not out.any():
        return None
    joint = int(out.argmax())
    cause = f"{JOINT_NAMES[joint]} motor is not in servo mode, its mode"
    return Violation(cause, float(lowstate.motor_mode[joint]), float(MOTOR_MODE_SERVO), at_once=False)


def wear_violation(lowstate: TrustedLowState, motor_temperature_max: float, battery_min: float) -> Violation | None:
    """Return why a robot should sit down in order: a motor hotter than [degC], a battery below [%]; or None.

    A battery whose charge is not known is no reason.
    """
    temperature = lowstate.motor_temperature
    joint = int(temperature.argmax())
    if temperature[joint] > motor_temperature_max:
        cause = f"{JOINT_NAMES[joint]} motor temperature [degC]"
        return Violation(cause, float(temperature[joint]), motor_temperature_max, at_once=False)
    if lowstate.battery_soc is not None and not lowstate.battery_soc >= battery_min:
        return Violation("battery [%]", float(lowstate.battery_soc), battery_min, at_once=False)
    return None
