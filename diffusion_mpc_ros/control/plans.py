"""Whether a plan may be executed at all; what passes is still clamped tick by tick."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.go2 import JOINT_NAMES, JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.types import Plan, Timing


def check_plan(plan: Plan, tick: int, timing: Timing, margin: float) -> None:
    """Raise :class:`PlanError` unless ``plan`` has a row for ``tick`` or later, and no target far out of limits.

    ``timing``: that of whoever executes it; a plan for another replan margin D takes other actions for granted.
    ``margin`` [rad]: how far outside the position limits a joint target may be; it is clamped to them later.
    """
    if plan.replan_margin not in (None, timing.replan_margin):
        raise PlanError(
            f"the plan for tick {plan.start_tick} was made for a replan margin D = {plan.replan_margin}, executed is "
            f"D = {timing.replan_margin}; give planner and command_publisher the same parameter replan_margin"
        )
    last = plan.start_tick + plan.horizon - 1
    if last < tick:
        raise PlanError(f"the plan for ticks {plan.start_tick} .. {last} is too old, tick {tick} runs")
    outside = np.maximum(plan.joint_targets - JOINT_POS_MAX, JOINT_POS_MIN - plan.joint_targets)
    row, joint = np.unravel_index(int(outside.argmax()), outside.shape)
    if outside[row, joint] > margin:
        raise PlanError(
            f"the plan for tick {plan.start_tick} asks {JOINT_NAMES[joint]} for "
            f"{plan.joint_targets[row, joint]:.4g} rad in row {row}, more than {margin} rad outside "
            f"{JOINT_POS_MIN[joint]:.4g} .. {JOINT_POS_MAX[joint]:.4g}"
        )
