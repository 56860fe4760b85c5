"""What the control loop has sent, as messages; and the check of what others read."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.core.go2 import JOINT_NAMES, MAX_READING
from diffusion_mpc_ros.nodes.control_step import ControlStep
from diffusion_mpc_ros.nodes.conversions.fields import check_bounded, check_tick, float64

# Operating mode <-> the constants of JointCommand.msg.
MODE_VALUES = {mode: getattr(messages.JointCommand, mode.name) for mode in Mode}
MODES = {value: mode for mode, value in MODE_VALUES.items()}


def joint_command_message(step: ControlStep, stamp: Time) -> messages.JointCommand:
    """Return what one turn of the control loop sent, and why."""
    output, row = step.output, step.row
    message = messages.JointCommand()
    message.header.stamp = stamp
    message.tick = step.tick
    message.mode = MODE_VALUES[output.mode]
    message.fault = str(output.fault or "")
    message.holder = step.holding.holder
    message.velocity = step.holding.velocity if output.mode is Mode.WALKING else np.zeros(3)
    for name in ("joint_pos", "joint_vel", "kp", "kd", "torque"):
        setattr(message, name, float64(getattr(output.command, name)))
    message.lowstate_tick_ms = step.lowstate.tick_ms if step.lowstate else 0
    message.plan_start_tick = row.plan.start_tick if row else -1
    message.plan_row = row.index if row else -1
    message.lateness = step.lateness
    return message


def read_joint_command(message: messages.JointCommand) -> messages.JointCommand:
    """Return ``message``, checked; raises MessageError for an unknown mode and for numbers that are not finite."""
    if message.mode not in MODES:
        raise MessageError(f"mode {message.mode} is none of {', '.join(f'{v} ({m.name})' for v, m in MODES.items())}")
    check_tick(message.tick)
    for name in ("velocity", "joint_pos", "joint_vel", "kp", "kd", "torque", "lateness"):
        check_bounded(name, getattr(message, name), MAX_READING, "in SI units")
    return message


def controller_state_message(package: ModuleType, step: ControlStep, stamp: Time) -> Any:
    """Return ``control_msgs/JointTrajectoryControllerState``: reference, feedback and error of the joints."""
    message = package.JointTrajectoryControllerState(joint_names=list(JOINT_NAMES))
    message.header.stamp = stamp
    command, lowstate = step.output.command, step.lowstate
    message.reference.positions = command.joint_pos.tolist()
    message.reference.velocities = command.joint_vel.tolist()
    if lowstate is not None:
        message.feedback.positions = lowstate.joint_pos.tolist()
        message.feedback.velocities = lowstate.joint_vel.tolist()
        message.error.positions = (command.joint_pos - lowstate.joint_pos).tolist()
        message.error.velocities = (command.joint_vel - lowstate.joint_vel).tolist()
    return message
