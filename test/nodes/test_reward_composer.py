"""The services and parameters of reward_composer, by real messages."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import rclpy
from diffusion_mpc_msgs.msg import RewardParameter, RewardWeights
from diffusion_mpc_msgs.msg import RobotState as RobotStateMessage
from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights
from lowstates import STANDING
from rclpy.parameter import Parameter
from robot_states import standing

from diffusion_mpc_ros.nodes.conversions.robot_states import robot_state_message
from diffusion_mpc_ros.nodes.qos import SETTINGS, STREAM
from diffusion_mpc_ros.nodes.reward_composer import RewardComposerNode

# Legs alike, so that it stands on ground as tilted as its base.
ALIKE = standing(joint_pos=np.tile([0.0, 0.8, -1.6], 4), foot_contact=np.ones(4, dtype=bool))


@pytest.fixture
def composer(ros_domain):
    rclpy.init(args=["--ros-args", "-p", "ramp_time:=0.0"], domain_id=ros_domain)
    node = RewardComposerNode()
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def published(composer):
    """What the composer published last, received by a node that starts late; call it to spin and get it."""
    node = rclpy.create_node("late")
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(composer)
    for _ in range(3):
        executor.spin_once(timeout_sec=0.1)
    received = []
    node.create_subscription(RewardWeights, "reward_weights", received.append, SETTINGS)
    executor.add_node(node)

    def latest(revision: int) -> RewardWeights:
        for _ in range(200):
            if received and received[-1].revision == revision:
                return received[-1]
            executor.spin_once(timeout_sec=0.05)
        raise AssertionError(f"revision {revision} did not come; last {received[-1:]}")

    yield latest
    executor.shutdown()
    node.destroy_node()


def change(composer, **request) -> SetRewardWeights.Response:
    message = SetRewardWeights.Request(ramp_duration=-1.0, **request)
    return composer._on_set(message, SetRewardWeights.Response())


def weights_of(message: RewardWeights) -> dict[str, float]:
    return dict(zip(message.names, message.weights))


def test_a_change_reaches_a_late_subscriber_and_the_parameters(composer, published):
    assert weights_of(published(0))["energy"] == 0.0
    answer = change(composer, names=["energy"], weights=[0.5])
    assert answer.success and answer.revision == 1
    assert weights_of(published(1))["energy"] == 0.5
    assert composer.get_parameter("weights.energy").value == 0.5


@pytest.mark.parametrize(
    ("request_fields", "named"),
    [
        ({"names": ["energy"], "weights": [float("nan")]}, "energy"),
        ({"names": ["energy"], "weights": [float("inf")]}, "energy"),
        ({"names": ["energy"], "weights": [-1.0]}, "energy"),
        ({"names": ["speed"], "weights": [1.0]}, "joint_velocity"),
        ({"names": ["energy", "align"], "weights": [0.5]}, "2 names"),
        ({"names": ["energy", "energy"], "weights": [0.5, 0.6]}, "named once"),
        ({"preset": "sprint"}, "balance"),
        ({"enable_constraints": ["gravity"]}, "joint_range"),
        ({"parameters": [RewardParameter(name="align.up", values=[1.0])]}, "align.direction"),
        ({"undo": True}, "undo"),
        ({"undo": True, "preset": "energy"}, "undo"),
        ({}, "nothing"),
    ],
)
def test_what_does_not_fit_is_refused_as_a_whole(composer, request_fields, named):
    request_fields = dict(request_fields)
    if request_fields.get("names") == ["energy"]:
        # A good change beside a bad one is not made either.
        request_fields["names"], request_fields["weights"] = ["align", "energy"], [2.0, *request_fields["weights"]]
    answer = change(composer, **request_fields)
    assert not answer.success and named in answer.message
    assert answer.revision == 0
    assert not any(composer._composer.target.weights.values())


def test_presets_constraints_and_undo(composer, published):
    assert change(composer, preset="joint_range", enable_constraints=["joint_velocity"]).success
    message = published(1)
    assert set(message.constraints) == {"joint_range", "joint_velocity"}
    assert weights_of(message)["joint_range"] > 0.0
    assert change(composer, disable_constraints=["joint_range"]).success
    assert published(2).constraints == ["joint_velocity"]
    assert change(composer, undo=True).success
    assert set(published(3).constraints) == {"joint_range", "joint_velocity"}


def test_parameters_change_the_weights_within_their_bounds(composer, published):
    result = composer.set_parameters([Parameter("weights.align", value=3.0)])[0]
    assert result.successful
    assert weights_of(published(1))["align"] == 3.0
    assert not composer.set_parameters([Parameter("weights.align", value=1e9)])[0].successful
    assert not composer.set_parameters([Parameter("ramp_time", value=2.0)])[0].successful
    assert weights_of(published(1))["align"] == 3.0


def test_get_tells_what_is_in_force_and_what_can_be_set(composer):
    change(composer, names=["energy"], weights=[0.25])
    answer = composer._on_get(GetRewardWeights.Request(), GetRewardWeights.Response())
    assert weights_of(answer.current)["energy"] == 0.25
    assert len(answer.terms) == len(answer.units) == len(answer.minimums) == len(answer.maximums)
    assert "balance" in answer.presets and "joint_range" in answer.constraints


@pytest.fixture
def robot(composer):
    """A function that tells the composer of a robot on a slope [deg], None for of none, until something is true."""
    node = rclpy.create_node("robot")
    states = node.create_publisher(RobotStateMessage, "robot_state", STREAM)
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(composer)
    executor.add_node(node)
    tick = itertools.count(100)

    def stand(degrees: float | None, until) -> None:
        def tell() -> None:
            half = -0.5 * math.radians(degrees)
            quat = np.array([math.cos(half), 0.0, math.sin(half), 0.0])
            state = replace(ALIKE, tick=next(tick), base_quat_wxyz=quat)
            states.publish(robot_state_message(state, STANDING, node.get_clock().now().to_msg(), "base"))

        timer = None if degrees is None else node.create_timer(0.02, tell)
        for _ in range(2000):
            executor.spin_once(timeout_sec=0.05)
            if until():
                break
        if timer is not None:
            node.destroy_timer(timer)
        assert until()

    yield stand
    executor.shutdown()
    node.destroy_node()


def test_the_slope_weighs_what_the_operator_does_not_while_that_is_asked_for(composer, robot):
    goal = lambda: {name: weight for name, weight in composer._composer.goal.weights.items() if weight}  # noqa: E731
    preset = lambda name: composer._composer.preset_settings(name).weights  # noqa: E731
    assert not composer.get_subscriptions_info_by_topic("robot_state")
    change(composer, names=["base_height"], weights=[500.0])
    own = {"base_height": 500.0}
    (result,) = composer.set_parameters([Parameter("slope_presets", value=True)])
    assert result.successful
    robot(12.0, lambda: goal().get("posture") == preset("uphill")["posture"])
    assert goal()["base_height"] == 500.0
    # What is asked for is still the operator's own, and so are the parameters.
    answer = composer._on_get(GetRewardWeights.Request(), GetRewardWeights.Response())
    assert {name: weight for name, weight in weights_of(answer.current).items() if weight} == own
    assert composer.get_parameter("weights.posture").value == 0.0
    # A threshold above the slope ends it; without states nobody knows of a slope.
    composer.set_parameters([Parameter("slope_threshold", value=25.0)])
    robot(12.0, lambda: goal() == own)
    composer.set_parameters([Parameter("slope_threshold", value=6.0)])
    robot(-12.0, lambda: goal().get("posture") == preset("downhill")["posture"])
    robot(None, lambda: goal() == own)
    robot(12.0, lambda: goal() != own)
    composer.set_parameters([Parameter("slope_presets", value=False)])
    assert goal() == own and not composer.get_subscriptions_info_by_topic("robot_state")


def test_presets_that_are_missing_are_named_when_they_are_asked_for(composer):
    del composer._composer.presets["downhill"]
    (result,) = composer.set_parameters([Parameter("slope_presets", value=True)])
    assert not result.successful and "unknown preset 'downhill'" in result.reason
