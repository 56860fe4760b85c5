"""Plan from and to its message."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages

from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.types import UNSAID, Plan
from diffusion_mpc_ros.nodes.conversions.fields import float64


def plan_message(plan: Plan, artefact: str, stamp: Time) -> messages.Plan:
    """Plan of one robot; ``artefact`` is the SHA-256 of the model that made it."""
    message = messages.Plan()
    message.header.stamp = stamp
    message.start_tick = plan.start_tick
    message.horizon = plan.horizon
    message.joint_targets = plan.joint_targets.ravel().tolist()
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


def read_plan(message: messages.Plan) -> Plan:
    """Return the inverse of :func:`plan_message`.

    Raises PlanError when rows and numbers do not fit or are not finite.
    """
    if len(message.joint_targets) != message.horizon * NUM_JOINTS:
        raise PlanError(
            f"the plan for tick {message.start_tick} has {len(message.joint_targets)} joint targets, "
            f"{message.horizon} rows x {NUM_JOINTS} are needed"
        )
    figures = (*message.velocity, message.reward, message.plan_time, *message.fact_values)
    if not np.isfinite(figures).all():
        raise PlanError(
            f"velocity, reward, time or facts of the plan for tick {message.start_tick} are not finite: {list(figures)}"
        )
    if len(message.fact_names) != len(message.fact_values):
        raise PlanError(
            f"the plan for tick {message.start_tick} has {len(message.fact_names)} names of facts and "
            f"{len(message.fact_values)} values: one for each is needed"
        )
    return Plan(
        start_tick=message.start_tick,
        joint_targets=np.array(message.joint_targets).reshape(message.horizon, NUM_JOINTS),
        command=float64(message.velocity),
        reward=message.reward,
        reward_revision=message.reward_revision,
        plan_time=message.plan_time,
        planner=message.planner,
        replan_margin=None if message.replan_margin == UNSAID else message.replan_margin,
        facts=dict(zip(message.fact_names, message.fact_values, strict=True)),
    )
