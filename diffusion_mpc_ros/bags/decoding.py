"""From decoded messages of any origin to columns and types: every number checked, nothing believed.

The messages are objects with the fields that their definition in the bag gives them, of this version of the project or
of another. Raises MessageError, PlanError or RewardError for what makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import MessageError, brief
from diffusion_mpc_ros.core.go2 import MAX_READING, MAX_TICK, NUM_JOINTS
from diffusion_mpc_ros.core.message_fields import read_plan
from diffusion_mpc_ros.core.types import Plan


@dataclass(frozen=True)
class Column:
    """Where a column's value is in a message, the shape of one value and the largest number that makes sense."""

    read: Callable[[Any], Any]
    shape: tuple[int, ...] = ()
    dtype: type = np.float64
    bound: float = MAX_READING


def _field(name: str, *shape: int, **options: Any) -> Column:
    return Column(lambda message: getattr(message, name), shape, **options)


def _vector(name: str, axes: str = "xyz") -> Column:
    def read(message: Any) -> list[float]:
        value = getattr(message, name)
        return [getattr(value, axis) for axis in axes]

    return Column(read, (len(axes),))


# Frames and units are those of RobotState.msg and JointCommand.msg.
ROBOT_STATE: dict[str, Column] = {
    "tick": _field("tick", dtype=np.int64, bound=MAX_TICK),
    "lowstate_tick_ms": _field("lowstate_tick_ms", dtype=np.int64, bound=MAX_TICK),
    "base_quat_wxyz": _vector("orientation", "wxyz"),
    "base_ang_vel": _vector("angular_velocity"),
    "base_lin_acc": _vector("linear_acceleration"),
    "base_lin_vel": _vector("linear_velocity"),
    "base_height": _field("base_height"),
    "joint_pos": _field("joint_pos", NUM_JOINTS),
    "joint_vel": _field("joint_vel", NUM_JOINTS),
    "joint_torque": _field("joint_torque", NUM_JOINTS),
    "previous_action": _field("previous_action", NUM_JOINTS),
    "foot_force": _field("foot_force", 4),
    "foot_contact": _field("foot_contact", 4, dtype=np.bool_),
}
JOINT_COMMAND: dict[str, Column] = {
    "tick": _field("tick", dtype=np.int64, bound=MAX_TICK),
    "mode": _field("mode", dtype=np.int64, bound=255),
    "fault": _field("fault", dtype=np.str_),
    "holder": _field("holder", dtype=np.str_),
    "velocity": _field("velocity", 3),
    "joint_pos": _field("joint_pos", NUM_JOINTS),
    "joint_vel": _field("joint_vel", NUM_JOINTS),
    "kp": _field("kp", NUM_JOINTS),
    "kd": _field("kd", NUM_JOINTS),
    "torque": _field("torque", NUM_JOINTS),
    "plan_start_tick": _field("plan_start_tick", dtype=np.int64, bound=MAX_TICK),
    "plan_row": _field("plan_row", dtype=np.int64),
    "lateness": _field("lateness"),
}


def read_row(columns: Mapping[str, Column], message: Any) -> dict[str, np.ndarray]:
    """Return a value for each of ``columns``; raises MessageError that names the field which is missing or no such."""
    row = {}
    for name, column in columns.items():
        try:
            value: np.ndarray = np.asarray(column.read(message), dtype=column.dtype)
        except AttributeError as error:
            raise MessageError(f"its definition lacks a field: {error}") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise MessageError(f"{name} is not of the type that it should be: {error}") from None
        if value.shape != column.shape:
            raise MessageError(f"{name} has the shape {value.shape}, {column.shape} is needed")
        # Any comparison with NaN is false.
        if value.dtype.kind in "if" and not (np.abs(value) <= column.bound).all():
            raise MessageError(f"{name} {brief(value.tolist())} is not within +-{column.bound:g}")
        row[name] = value
    return row


def robot_state_row(message: Any) -> dict[str, np.ndarray]:
    """Return the columns of a RobotState."""
    row = read_row(ROBOT_STATE, message)
    quat = row["base_quat_wxyz"]
    if not abs(quat @ quat - 1.0) < 0.1:
        raise MessageError(f"orientation {quat.tolist()} is no unit quaternion")
    return row


def joint_command_row(message: Any) -> dict[str, np.ndarray]:
    """Return the columns of a JointCommand."""
    return read_row(JOINT_COMMAND, message)


@dataclass(frozen=True)
class RecordedPlan:
    """A plan as published, and the SHA-256 of the artefact that made it, "" for none."""

    plan: Plan
    artefact: str
    log_time: int = 0  # [ns since 1970]


def recorded_plan(message: Any) -> RecordedPlan:
    """Return the plan that ``message`` is."""
    plan = read_plan(message)
    return RecordedPlan(plan, str(message.artefact))
