"""Plans and reward settings out of their messages, whoever decoded these: rclpy from a topic, a reader from a bag.

A message is any object with the fields of its definition, that of this version of the project or of an older one. It is
foreign: every number is checked. What makes no sense raises PlanError or RewardError.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import DiffusionMpcError, PlanError, RewardError, brief
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.types import UNSAID, Plan, RewardSettings


def read_plan(message: Any) -> Plan:
    """Return the plan of one robot that ``message`` (Plan.msg) is.

    Raises PlanError where numbers do not fit or are not finite. The feed-forward may be missing from the definition:
    bags of older versions lack it.
    """
    with _fields_as(PlanError):
        start, horizon, margin = int(message.start_tick), int(message.horizon), int(message.replan_margin)
        targets = _rows(message.joint_targets, "joint targets", start, horizon)
        joint_vel, joint_torque = (
            _rows(getattr(message, name), name, start, horizon) if len(getattr(message, name, ())) else None
            for name in ("joint_vel", "joint_torque")
        )
        names, values = [str(name) for name in message.fact_names], [float(value) for value in message.fact_values]
        velocity, reward = np.array(message.velocity, np.float64), float(message.reward)
        plan_time = float(message.plan_time)
        revision, planner = int(message.reward_revision), str(message.planner)
    if len(names) != len(values):
        raise PlanError(
            f"the plan for tick {start} has {len(names)} names of facts and {len(values)} values: "
            "one for each is needed"
        )
    return Plan(
        start_tick=start,
        joint_targets=targets,
        command=velocity,
        reward=reward,
        reward_revision=revision,
        plan_time=plan_time,
        planner=planner,
        replan_margin=None if margin == UNSAID else margin,
        facts=dict(zip(names, values, strict=True)),
        joint_vel=joint_vel,
        joint_torque=joint_torque,
    )


def read_reward_settings(message: Any) -> RewardSettings:
    """Return the settings that ``message`` (RewardWeights.msg) is; RewardError for what is no settings of any terms."""
    with _fields_as(RewardError):
        names, weights = [str(name) for name in message.names], [float(weight) for weight in message.weights]
        given = [(str(each.name), np.array(each.values, np.float64)) for each in message.parameters]
        revision, constraints = int(message.revision), tuple(message.constraints)
    if len(names) != len(weights):
        raise RewardError(f"{len(names)} names {brief(names)}, {len(weights)} weights: one for each is needed")
    for kind, keys in (("weight", names), ("parameter", [name for name, _ in given])):
        if len(set(keys)) != len(keys):
            raise RewardError(f"a {kind} is given twice: {brief(keys)}")
    for name, values in (("weights", np.array(weights)), *given):
        if not np.isfinite(values).all():
            raise RewardError(f"{name!r} must be finite, got {brief(values.tolist())}")
    return RewardSettings(revision, dict(zip(names, weights, strict=True)), dict(given), constraints)


def _rows(numbers: Any, name: str, start: int, horizon: int) -> np.ndarray:
    """Return a plan's numbers, row by row, as ``(H, 12)``."""
    values = np.array(numbers, np.float64)
    if values.shape != (horizon * NUM_JOINTS,):
        raise PlanError(f"the plan for tick {start} has {values.size} {name}, {horizon} rows x {NUM_JOINTS} are needed")
    return values.reshape(horizon, NUM_JOINTS)


@contextmanager
def _fields_as(error_type: type[DiffusionMpcError]) -> Iterator[None]:
    """Raise ``error_type`` for fields that are missing or of another type."""
    try:
        yield
    except AttributeError as error:
        raise error_type(f"its definition lacks a field: {error}; bags of older versions do") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise error_type(f"a field is not of the type that it should be: {error}") from None
