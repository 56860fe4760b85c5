"""Whether a plan may be executed at all; what passes is still clamped tick by tick."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.go2 import JOINT_NAMES, JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.types import Plan


def check_plan(plan: Plan, tick: int, replan_margin: int | None, margin: float) -> None:
    """Raise :class:`PlanError` unless ``plan`` has a row for ``tick`` or later, and no target far out of limits.

    ``replan_margin``: D of whoever executes it, None for the one that each plan says; a plan for another one takes
    other actions for granted.
    ``margin`` [rad]: how far outside the position limits a joint target may be; it is clamped to them later.
    """
    said = plan.replan_margin
    if replan_margin is not None and said not in (None, replan_margin):
        raise PlanError(
            f"the plan for tick {plan.start_tick} was made for a replan margin D = {said}, executed is "
            f"D = {replan_margin}; give planner and command_publisher the same parameter replan_margin"
        )
    if said is not None and not 0 <= said < plan.horizon:
        raise PlanError(f"the plan for tick {plan.start_tick} says D = {said}, that is none of its {plan.horizon} rows")
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
