"""What can be wrong with a plan on its way from the planner to command_publisher: message in, message out."""

from __future__ import annotations

from collections.abc import Callable

from diffusion_mpc_msgs.msg import Plan

from diffusion_mpc_ros.core.go2 import NUM_JOINTS

# Further outside every joint's range than any plan may be [rad].
FAR_OUT = 10.0
# A second ago: no row of the plan is left.
OLD_TICKS = 50
# Further ahead than any horizon.
FUTURE_TICKS = 1000

PlanFault = Callable[[Plan], Plan]


def unchanged(plan: Plan) -> Plan:
    """As the planner made it."""
    return plan


def one_value(value: float) -> PlanFault:
    """One joint target of every plan is ``value``."""

    def change(plan: Plan) -> Plan:
        # In a row that would be executed, of another joint each time.
        index = len(plan.joint_targets) // 2 + plan.start_tick % NUM_JOINTS
        plan.joint_targets[index] = value
        return plan

    return change


def out_of_range(plan: Plan) -> Plan:
    """Every joint target far outside its joint's range."""
    plan.joint_targets = [target + FAR_OUT for target in plan.joint_targets]
    return plan


def wrong_shape(plan: Plan) -> Plan:
    """In turn: too few numbers, a row too few with the horizon to match, a horizon that does not match."""
    kind = plan.start_tick // 2 % 3
    if kind == 0:
        plan.joint_targets = plan.joint_targets[:-1]
    elif kind == 1:
        plan.joint_targets = plan.joint_targets[:-NUM_JOINTS]
        plan.horizon -= 1
    else:
        plan.horizon += 1
    return plan


def old_ticks(plan: Plan) -> Plan:
    """For ticks that have passed."""
    plan.start_tick = max(plan.start_tick - OLD_TICKS, 0)
    return plan


def future_ticks(plan: Plan) -> Plan:
    """For ticks that no plan reaches."""
    plan.start_tick += FUTURE_TICKS
    return plan


def other_artefact(plan: Plan) -> Plan:
    """From another model than the one that command_publisher checked."""
    plan.artefact = "0" * 64
    return plan
