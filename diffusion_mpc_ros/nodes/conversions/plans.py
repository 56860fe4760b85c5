"""Plan to its message; core/message_fields.py reads it."""

from __future__ import annotations

from array import array

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages

from diffusion_mpc_ros.core.types import UNSAID, Plan
from diffusion_mpc_ros.nodes.conversions.fields import float64


def plan_message(plan: Plan, artefact: str, stamp: Time) -> messages.Plan:
    """Plan of one robot; ``artefact`` is the SHA-256 of the model that made it."""
    message = messages.Plan()
    message.header.stamp = stamp
    message.start_tick = plan.start_tick
    message.horizon = plan.horizon
    message.joint_targets = _numbers(plan.joint_targets)
    if plan.joint_vel is not None:
        message.joint_vel = _numbers(plan.joint_vel)
    if plan.joint_torque is not None:
        message.joint_torque = _numbers(plan.joint_torque)
    message.velocity = np.zeros(3) if plan.command is None else float64(plan.command)
    message.reward = float(plan.reward)
    message.reward_revision = plan.reward_revision
    message.plan_time = float(plan.plan_time)
    message.planner = plan.planner
    message.replan_margin = UNSAID if plan.replan_margin is None else plan.replan_margin
    message.fact_names = list(plan.facts)
    message.fact_values = [float(value) for value in plan.facts.values()]
    message.artefact = artefact
    return message


def _numbers(rows: np.ndarray) -> array[float]:
    """Return ``(H, 12)`` row by row, as an array of C: anything else would be checked number by number."""
    return array("d", np.asarray(rows, np.float64).tobytes())
