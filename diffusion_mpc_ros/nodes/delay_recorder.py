"""What the nodes say of their commands, plans and states while a listener is on the wire (realtime/wire_delay.py)."""

from __future__ import annotations

from diffusion_mpc_msgs.msg import JointCommand, Plan, RobotState

from diffusion_mpc_ros.nodes.conversions.fields import stamp_ns
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM
from diffusion_mpc_ros.realtime.wire_delay import NodeRecord, ReportedCommand


def record(operator: Operator) -> NodeRecord:
    """Begin to record; the returned record grows in the operator's thread until that ends."""
    kept = NodeRecord()

    def on_plan(message: Plan) -> None:
        kept.plans.append(message.start_tick)
        kept.artefact = message.artefact

    def on_state(message: RobotState) -> None:
        kept.states[message.tick] = message.lowstate_tick_ms

    node = operator.node
    node.create_subscription(
        JointCommand, "joint_command", lambda message: kept.commands.append(reported_command(message)), STREAM
    )
    node.create_subscription(Plan, "plan", on_plan, RELIABLE)
    node.create_subscription(RobotState, "robot_state", on_state, STREAM)
    return kept


def reported_command(message: JointCommand) -> ReportedCommand:
    """Return the part of a ``joint_command`` that tells where the LowCmd came from."""
    return ReportedCommand(
        stamp=stamp_ns(message.header.stamp),
        tick=message.tick,
        lowstate_tick_ms=message.lowstate_tick_ms,
        plan_start_tick=message.plan_start_tick,
        plan_row=message.plan_row,
        joint_pos=message.joint_pos,
    )
