"""Whether a plan may be executed at all; what passes is still clamped tick by tick."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.go2 import JOINT_NAMES, JOINT_POS_MAX, JOINT_POS_MIN, JOINT_TORQUE_MAX, JOINT_VEL_MAX
from diffusion_mpc_ros.core.types import Plan


def check_plan(plan: Plan, tick: int, replan_margin: int | None, margin: float) -> None:
    """Raise :class:`PlanError` unless ``plan`` has a row for ``tick`` or later, and asks for nothing far out of limits.

    ``replan_margin``: D of whoever executes it, None for the one that each plan says; a plan for another one takes
    other actions for granted.
    ``margin`` [rad]: how far outside the position limits a joint target may be; it is clamped to them later. A
    feed-forward is within what the motors can do at all.
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
    _check_within("rad/s", plan, plan.joint_vel, JOINT_VEL_MAX)
    _check_within("N m", plan, plan.joint_torque, JOINT_TORQUE_MAX)


def _check_within(unit: str, plan: Plan, values: np.ndarray | None, limits: np.ndarray) -> None:
    """Raise :class:`PlanError` where the feed-forward ``values (H, 12)`` of ``plan`` are outside +-``limits (12,)``."""
    if values is None:
        return
    excess = np.abs(values) - limits
    row, joint = np.unravel_index(int(excess.argmax()), excess.shape)
    if excess[row, joint] > 0.0:
        raise PlanError(
            f"the plan for tick {plan.start_tick} asks {JOINT_NAMES[joint]} for a feed-forward of "
            f"{values[row, joint]:.4g} {unit} in row {row}, its motor does at most {limits[joint]:.4g}"
        )
