"""The planner as a process: reward settings that its artefact cannot follow change nothing."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from diffusion_mpc_msgs.msg import Plan, RewardWeights, RobotState

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.nodes.conversions.rewards import reward_weights_message
from diffusion_mpc_ros.nodes.qos import RELIABLE, SETTINGS, STREAM


def test_settings_that_no_plan_can_follow_are_refused_and_planning_goes_on(start_node, probe, random_artefact):
    plans = []
    probe.create_subscription(Plan, "plan", plans.append, RELIABLE)
    states = probe.create_publisher(RobotState, "robot_state", STREAM)
    rewards = probe.create_publisher(RewardWeights, "reward_weights", SETTINGS)
    node = start_node("planner", artefact=random_artefact, candidates=1, steps=2, time_budget_ms=0.0)
    message = RobotState(joint_pos=DEFAULT_JOINT_POS, previous_action=DEFAULT_JOINT_POS)
    message.orientation.w = 1.0

    def ask(revision: int, weights: dict[str, float]) -> None:
        rewards.publish(reward_weights_message(RewardSettings(revision, weights), Time()))

    def planned(revision: int) -> bool:
        assert node.process.poll() is None, node.output
        message.tick += 1
        states.publish(message)
        return bool(plans) and plans[-1].reward_revision == revision

    ask(1, {"energy": 1.0})
    probe.until(lambda: planned(1))
    ask(2, {"energy": 1.0, "elegance": 3.0})
    probe.until(lambda: planned(1) and "elegance" in node.output)
    last = plans[-1].start_tick
    probe.until(lambda: planned(1) and plans[-1].start_tick > last + 5)
    assert "reward revision 2 is not followed, 1 stays: unknown reward term 'elegance'" in node.output
    ask(3, {"energy": 2.0})
    probe.until(lambda: planned(3))
    assert node.terminate() == 0 and "Traceback" not in node.output


def test_a_planner_that_starts_under_latched_weights_that_are_none_plans(start_node, probe, random_artefact):
    plans = []
    probe.create_subscription(Plan, "plan", plans.append, RELIABLE)
    states = probe.create_publisher(RobotState, "robot_state", STREAM)
    rewards = probe.create_publisher(RewardWeights, "reward_weights", SETTINGS)
    # Two names and one weight, kept for whoever starts later.
    rewards.publish(RewardWeights(revision=7, names=["energy", "align"], weights=[1.0]))
    node = start_node("planner", artefact=random_artefact, candidates=1, steps=2, time_budget_ms=0.0)
    message = RobotState(joint_pos=DEFAULT_JOINT_POS, previous_action=DEFAULT_JOINT_POS)
    message.orientation.w = 1.0

    def planned(revision: int) -> bool:
        assert node.process.poll() is None, node.output
        message.tick += 1
        states.publish(message)
        return bool(plans) and plans[-1].reward_revision == revision

    probe.until(lambda: planned(0) and "reward_weights refused (1 so far)" in node.output)
    rewards.publish(reward_weights_message(RewardSettings(8, {"energy": 1.0}), Time()))
    probe.until(lambda: planned(8))
    assert node.terminate() == 0 and "Traceback" not in node.output
