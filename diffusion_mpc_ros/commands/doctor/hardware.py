"""What the robot's parts say of themselves: foot force sensors and motors, over the last LowStates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusion_mpc_ros.commands.doctor.findings import Finding, bad, ok, warning
from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import FOOT_FORCE_CONTACT, JOINT_NAMES, LEGS, MOTOR_MODE_SERVO, MOTOR_MODE_STOP
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.estimation import kinematics
from diffusion_mpc_ros.estimation.contact import GAIN_MIN, LOADED_FORCE

# Raw: a foot that its leg's weight alone rests on the ground reads less than this; an idle one no less than minus that.
RESTING_MAX, NEGATIVE_MAX = 60.0, FOOT_FORCE_CONTACT
# A reading stands still that is the same in so many samples at least, while another foot's moves by this much (raw).
STANDSTILL_SAMPLES, MOVING_RANGE = 100, 5.0

_FEET_REMEDY = (
    "press that foot by hand and look again; mend its cable or rubber. Until then its contact comes from joint torques"
)


def judge_feet(states: Sequence[LowState]) -> Finding:
    """``states``: one at least, of a robot that stands or lies still."""
    readings = np.array([state.foot_force for state in states])
    load = _carried(states[len(states) // 2])
    mean = readings.mean(axis=0)
    text = f"{', '.join(f'{leg} {value:.0f}' for leg, value in zip(LEGS, mean))} (raw, sum {mean.sum():.0f})"
    loaded = load > LOADED_FORCE
    if loaded.all() and not readings.any():
        return warning(
            f"{text}: none reads anything under a standing robot",
            "a Go2 Air has none, contact then comes from joint torques; on any other Go2 look after their cables",
        )
    faults = [
        f"{leg} {fault}"
        for leg, values, force in zip(LEGS, readings.T, load)
        if (fault := _foot_fault(values, force, readings))
    ]
    if faults:
        return warning(f"{text}: {'; '.join(faults)}", _FEET_REMEDY)
    if not loaded.all():
        return ok(f"{text}; the robot does not stand: whether a sensor is weak shows only when it does")
    return ok(text)


def _carried(state: LowState) -> np.ndarray:
    """Vertical forces ``(4,)`` [N] that the joint torques balance."""
    legs = kinematics.leg_kinematics(state.joint_pos)
    return kinematics.foot_forces(legs, state.joint_torque) @ rotations.rotation_matrix(state.base_quat_wxyz)[2]


def _foot_fault(values: np.ndarray, load: float, readings: np.ndarray) -> str:
    """Return what is wrong with one foot's raw ``values (N,)`` under ``load`` [N], ``""`` for nothing to be told."""
    mean, weak = values.mean(), GAIN_MIN * FOOT_FORCE_CONTACT
    if mean < -NEGATIVE_MAX:
        return "reads less than nothing"
    if load > LOADED_FORCE and mean <= weak:
        return f"reads {'nothing' if not values.any() else 'too little'} under {load:.0f} N"
    if load < LOADED_FORCE and mean > RESTING_MAX:
        return f"reads too much, its leg carries {max(load, 0.0):.0f} N"
    if len(values) >= STANDSTILL_SAMPLES and mean > weak and not np.ptp(values):
        if np.ptp(readings, axis=0).max() > MOVING_RANGE:
            return "stands still while others move"
    return ""


def judge_motors(states: Sequence[LowState]) -> Finding:
    """``states``: one at least; a motor on its own in another mode is not driven."""
    modes = states[-1].motor_mode
    servo = modes == MOTOR_MODE_SERVO
    if servo.any() and not servo.all():
        others = ", ".join(f"{name} 0x{mode:02X}" for name, mode in zip(JOINT_NAMES, modes) if mode != MOTOR_MODE_SERVO)
        return bad(
            f"not in servo mode like the others: {others}",
            "restart the robot; if it stays, the motor has switched itself off: service",
        )
    if len(set(modes.tolist())) > 1 or modes[0] not in (MOTOR_MODE_SERVO, MOTOR_MODE_STOP):
        found = ", ".join(f"0x{mode:02X}" for mode in sorted(set(modes.tolist())))
        return warning(f"in modes {found}; 0x01 (servo) and 0x00 (idle) are known", "restart the robot; look again")
    text = "all in servo mode" if servo.all() else "all idle, nobody commands them"
    # A counter that starts over is not a loss.
    lost = np.diff([state.motor_lost for state in states], axis=0).clip(0).sum(axis=0)
    if lost.any():
        rising = ", ".join(f"{name} +{count}" for name, count in zip(JOINT_NAMES, lost) if count)
        return warning(
            f"{text}; packets get lost within the robot just now: {rising}",
            "look after the plugs of that leg's motors; restart the robot",
        )
    return ok(f"{text}; no packets lost in {len(states)} samples, {int(states[-1].motor_lost.sum())} since it started")
