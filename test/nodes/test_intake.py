"""No message ends a node: decoders refuse with the project's own errors, subscriptions count what they refuse."""

from __future__ import annotations

import array
import random
import time
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from diffusion_mpc_msgs import msg as messages
from diffusion_mpc_msgs.srv import SetRewardWeights
from geometry_msgs.msg import Twist, TwistStamped, WrenchStamped
from rcl_interfaces.srv import SetParameters
from rclpy.event_handler import EventHandler
from rclpy.executors import InvalidHandle, SingleThreadedExecutor
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import AbstractSequence, Array, BasicType, NamespacedType
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool

from diffusion_mpc_ros.constraints.registry import CONSTRAINTS, check_feasible
from diffusion_mpc_ros.core.errors import MessageError, PlanError, RewardError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.message_fields import read_plan, read_reward_settings
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings
from diffusion_mpc_ros.nodes import parameters, reward_requests
from diffusion_mpc_ros.nodes.conversions.fields import stamp_ns
from diffusion_mpc_ros.nodes.conversions.gamepads import read_gamepad, read_xbox
from diffusion_mpc_ros.nodes.conversions.inputs import read_push_force, read_velocity
from diffusion_mpc_ros.nodes.conversions.joint_commands import MODES, read_joint_command
from diffusion_mpc_ros.nodes.conversions.rewards import reward_weights_message
from diffusion_mpc_ros.nodes.conversions.robot_states import read_robot_state
from diffusion_mpc_ros.nodes.executor import TolerantExecutor
from diffusion_mpc_ros.nodes.intake import TOLD_EVERY, Intake, read_message
from diffusion_mpc_ros.nodes.qos import LATEST, RELIABLE, SETTINGS, STREAM
from diffusion_mpc_ros.nodes.settings_lookup import declarations_of_node
from diffusion_mpc_ros.rewards.composition import RewardComposer

# Every place that refuses a message has done so by number 951, those of reward_composer by 14,445.
MESSAGES = {"reward_composer": 15_000}
MESSAGES_OF_OTHERS = 2_000
REFUSALS = (MessageError, PlanError, RewardError)
COMPOSER = RewardComposer({}, CONSTRAINTS, check=check_feasible)
NUMBERS = (0.0, 1.0, -1.0, 0.5, 1e-300, 1e30, -1e300, np.nan, np.inf, -np.inf, 12345.678)
TEXTS = ("", "energy", "align", "joint_range", "a" * 500, "Ø\u202e\n\x1b[2J", "%s %n {0}", "😀", "energy+align", "..")
INTEGERS = (0, 1, 5, 11, 12, 42, 255, -1, 2**31, 2**63 - 1, -(2**63))
BITS = {"uint8": (0, 255), "octet": (0, 255), "uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1)}
BITS |= {"int8": (-128, 127), "uint16": (0, 2**16 - 1), "int16": (-(2**15), 2**15 - 1), "uint64": (0, 2**64 - 1)}
BITS |= {"int64": (-(2**63), 2**63 - 1)}
LENGTHS = (0, 1, 2, 3, 12, 132)


def spoil(message: Any, rng: random.Random, share: float = 0.3) -> Any:
    """Fill about ``share`` of the fields of ``message``, at any depth, with odd values; returns ``message``."""
    for name, kind in zip(message.get_fields_and_field_types(), message.SLOT_TYPES):
        if isinstance(kind, NamespacedType):
            spoil(getattr(message, name), rng, share)
        elif rng.random() < share:
            setattr(message, name, _value(kind, rng, share))
    return message


def _value(kind: Any, rng: random.Random, share: float) -> Any:
    if isinstance(kind, Array):
        values = [_value(kind.value_type, rng, share) for _ in range(kind.size)]
        return np.array(values) if _is_double(kind.value_type) else values
    if isinstance(kind, AbstractSequence):
        longest = getattr(kind, "maximum_size", max(LENGTHS))
        length = min(rng.choice(LENGTHS), longest)
        values = [_value(kind.value_type, rng, share) for _ in range(length)]
        return array.array("d", values) if _is_double(kind.value_type) else values
    if isinstance(kind, NamespacedType):
        return spoil(_message_class(kind)(), rng, share)
    if not isinstance(kind, BasicType):
        return rng.choice(TEXTS)
    if kind.typename == "boolean":
        return rng.random() < 0.5
    if kind.typename in ("double", "float"):
        value = rng.choice(NUMBERS) if rng.random() < 0.7 else rng.gauss(0.0, 1.0)
        return value if kind.typename == "double" or not 3.4e38 < abs(value) < np.inf else 3e38
    low, high = BITS[kind.typename]
    value = min(max(rng.choice(INTEGERS), low), high)
    return bytes([value]) if kind.typename == "octet" else value


def _is_double(kind: Any) -> bool:
    return isinstance(kind, BasicType) and kind.typename == "double"


def _message_class(kind: NamespacedType) -> type:
    module = __import__(".".join(kind.namespaces), fromlist=[kind.name])
    return getattr(module, kind.name)


def valid_state() -> messages.RobotState:
    message = messages.RobotState(tick=5, joint_pos=DEFAULT_JOINT_POS, previous_action=DEFAULT_JOINT_POS)
    message.orientation.w = 1.0
    return message


def valid_plan() -> messages.Plan:
    return messages.Plan(start_tick=3, horizon=11, joint_targets=[0.0] * 132)


def valid_rewards() -> messages.RewardWeights:
    settings = RewardSettings(1, {"energy": 0.5, "align": 1.0}, {"align.direction": np.array([0.0, 0.0, -1.0])})
    return reward_weights_message(settings, messages.RewardWeights().header.stamp)


def joy() -> Joy:
    return Joy(axes=[0.0] * 8, buttons=[0] * 11)


def plan_from(message: messages.RobotState) -> PlanRequest:
    state = read_robot_state(message)
    return PlanRequest(state.batched(), np.zeros((1, 3)), RewardSettings())


def validated_rewards(message: messages.RewardWeights) -> RewardSettings:
    settings = read_reward_settings(message)
    COMPOSER.validate(settings)
    return settings


def requested(request: SetRewardWeights.Request) -> RewardSettings:
    return reward_requests.apply(COMPOSER, request, 0.0)


def set_parameters(request: SetParameters.Request) -> None:
    if reason := parameters.describe_unusable(request.parameters, declarations_of_node("reward_composer")):
        raise MessageError(reason)


# Node -> what it decodes: a valid message to begin with, and the decoder with all that follows from it.
DECODED = {
    "planner": [
        (valid_state, plan_from),
        (valid_rewards, validated_rewards),
        (messages.JointCommand, read_joint_command),
    ],
    "command_publisher": [
        (valid_plan, read_plan),
        (Twist, read_velocity),
        (lambda: TwistStamped(), lambda message: read_velocity(message.twist)),
        (joy, read_gamepad),
    ],
    "go2_simulator": [(WrenchStamped, read_push_force), (joy, read_xbox)],
    "reward_composer": [(SetRewardWeights.Request, requested), (SetParameters.Request, set_parameters)],
    "operator": [
        (messages.JointCommand, lambda message: MODES[read_joint_command(message).mode]),
        (messages.JointCommand, lambda message: stamp_ns(message.header.stamp)),
        (valid_plan, read_plan),
        (valid_state, read_robot_state),
    ],
}


@pytest.mark.parametrize("node", DECODED)
def test_no_message_raises_anything_but_a_refusal(node):
    rng = random.Random(7)
    refused, count = 0, MESSAGES.get(node, MESSAGES_OF_OTHERS)
    for number in range(count):
        make, decode = DECODED[node][number % len(DECODED[node])]
        message = spoil(make(), rng, share=rng.choice([0.02, 0.1, 0.5]))
        try:
            decode(message)
        except REFUSALS:
            refused += 1
    assert 0 < refused < count


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"names": ["energy", "align"], "weights": [1.0]}, "2 names"),
        ({"names": ["energy", "energy"], "weights": [1.0, 2.0]}, "twice"),
        ({"weights": [np.nan, 1.0]}, "finite"),
        ({"weights": [1e9, 1.0]}, "energy"),
        ({"constraints": ["tail"]}, "tail"),
    ],
)
def test_reward_weights_that_no_plan_can_follow(change, says):
    message = valid_rewards()
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(RewardError, match=says):
        validated_rewards(message)


def test_a_plan_before_the_first_tick_and_a_state_of_no_robot():
    plan = valid_plan()
    plan.start_tick = -1
    with pytest.raises(PlanError, match="-1"):
        read_plan(plan)
    state = valid_state()
    state.orientation.w = 0.0
    with pytest.raises(MessageError, match="unit quaternion"):
        read_robot_state(state)


def test_bytes_that_are_no_message():
    data = serialize_message(valid_rewards())
    for length in range(len(data)):
        try:
            read_reward_settings(read_message(data[:length], messages.RewardWeights))
        except REFUSALS:
            continue
    with pytest.raises(MessageError, match="diffusion_mpc_msgs/msg/RewardWeights"):
        read_message(data[:20], messages.RewardWeights)
    assert deserialize_message(data, messages.RewardWeights) == valid_rewards()


def test_a_refused_message_is_counted_told_of_once_and_the_next_one_handled(probe):
    intake, handled = Intake(probe), []
    intake.subscribe(messages.RobotState, "robot_state", read_robot_state, handled.append, RELIABLE)
    publisher = probe.create_publisher(messages.RobotState, "robot_state", RELIABLE)
    probe.until(lambda: publisher.get_subscription_count() > 0)
    begun = time.monotonic()
    for _ in range(20):
        publisher.publish(serialize_message(valid_state())[:40])
    odd = valid_state()
    odd.base_height = np.nan
    publisher.publish(odd)
    publisher.publish(valid_state())
    probe.until(lambda: handled)
    assert handled[0].tick == 5
    # The reader keeps the newest ten.
    assert 9 <= intake.rejected["robot_state"] <= 21
    assert len(list(intake.take_lines())) <= 1 + (time.monotonic() - begun) / TOLD_EVERY


def test_publishers_that_cannot_be_heard_are_named(probe, make_node):
    intake = Intake(probe)
    intake.expect("robot_state", messages.RobotState, LATEST)
    intake.expect("reward_weights", messages.RewardWeights, SETTINGS)
    other = make_node("other")
    other.create_publisher(Bool, "robot_state", RELIABLE)
    other.create_publisher(messages.RewardWeights, "reward_weights", STREAM)
    # The graph knows a publisher a moment before it knows whose it is.
    probe.until(lambda: sum("/other " in line for line in intake.mismatched()) == 2)
    wrong_type, wrong_qos = intake.mismatched()
    assert wrong_type == (
        "robot_state: /other publishes std_msgs/msg/Bool, expected is diffusion_mpc_msgs/msg/RobotState"
    )
    assert wrong_qos.startswith("reward_weights: /other publishes with another quality of service")
    assert "RELIABLE, TRANSIENT_LOCAL" in wrong_qos
    intake.expect("robot_state", Bool, STREAM)
    intake.expect("reward_weights", messages.RewardWeights, STREAM)
    assert intake.mismatched() == []


@pytest.mark.parametrize("namespace", ["robot1", "robot2"])
def test_diagnostics_say_which_robot_and_what_was_refused(start_node, probe, namespace):
    statuses = {}
    probe.create_subscription(
        DiagnosticArray, "/diagnostics", lambda array: statuses.update({s.name: s for s in array.status}), RELIABLE
    )
    node = start_node("reward_composer", use_sim_time=True, remap={"__ns": f"/{namespace}"})
    client = probe.create_client(SetParameters, f"/{namespace}/reward_composer/set_parameters")
    probe.until(client.service_is_ready)
    request = SetParameters.Request()
    request.parameters = [parameters.ParameterMessage(name="weights.energy")]
    request.parameters[0].value.type = 42
    answer = client.call_async(request)
    probe.until(answer.done)
    assert "42" in answer.result().results[0].reason
    name = f"/{namespace}/reward_composer: inputs"

    def values() -> dict[str, str]:
        return {value.key: value.value for value in statuses[name].values} if name in statuses else {}

    probe.until(lambda: values().get("rejected_parameters") == "1")
    assert statuses[name].hardware_id == namespace and statuses[name].level == DiagnosticStatus.OK
    assert node.terminate() == 0 and "use_sim_time is ignored" in node.output and "Traceback" not in node.output


def test_a_request_that_cannot_be_read_ends_nothing(ros_domain, monkeypatch):
    refused, unreadable = [], [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"), RuntimeError("no request")]
    take = SingleThreadedExecutor._take_service

    def take_or_raise(executor, service):
        if unreadable:
            raise unreadable.pop(0)
        return take(executor, service)

    monkeypatch.setattr(SingleThreadedExecutor, "_take_service", take_or_raise)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    node = rclpy.create_node("served", context=context)
    executor = TolerantExecutor(lambda *words: refused.append(words), context=context)
    executor.add_node(node)
    node.create_service(SetRewardWeights, "set_reward_weights", lambda request, response: response)
    client = node.create_client(SetRewardWeights, "set_reward_weights")
    assert client.wait_for_service(60.0)
    for number in range(3):
        answer = client.call_async(SetRewardWeights.Request())
        deadline = time.monotonic() + 60.0
        while not (answer.done() or len(refused) == number + 1) and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
    assert answer.done() and answer.exception() is None
    assert [name for name, _ in refused] == ["set_reward_weights"] * 2
    assert refused[1][1] == "what came is no SetRewardWeights: no request"
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_what_another_thread_destroys_does_not_end_the_executor(ros_domain, monkeypatch):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    node = rclpy.create_node("busy", context=context)
    executor = TolerantExecutor(lambda *_: None, context=context)
    executor.add_node(node)
    failures = [InvalidHandle("destruction was requested")]
    add = EventHandler.add_to_wait_set

    def add_or_raise(handler, wait_set):
        if failures:
            raise failures.pop()
        add(handler, wait_set)

    monkeypatch.setattr(EventHandler, "add_to_wait_set", add_or_raise)
    node.create_publisher(Bool, "e_stop", RELIABLE)
    called = []
    node.create_timer(0.01, lambda: called.append(True))
    deadline = time.monotonic() + 10.0
    while not called and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
    assert called and not failures
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


# The frame that marks the test's own joint_command.
OURS = "ours"
# Topic -> a valid message to begin with.
TOPICS = {
    "plan": valid_plan,
    "robot_state": valid_state,
    "reward_weights": valid_rewards,
    "joint_command": messages.JointCommand,
    "cmd_vel": Twist,
    "joy": joy,
    "remote_input": joy,
    "external_wrench": WrenchStamped,
}


def test_the_five_nodes_live_through_whatever_is_sent(start_node, probe, free_domain, random_artefact):
    link = {"network_interface": "lo", "domain_id": free_domain()}
    nodes = [start_node(name, **link) for name in ("go2_simulator", "state_estimator", "command_publisher")]
    nodes.append(start_node("reward_composer"))
    nodes.append(start_node("planner", artefact=random_artefact, candidates=1, steps=2, time_budget_ms=0.0))
    ticks = []
    probe.create_subscription(
        messages.JointCommand,
        "joint_command",
        lambda message: ticks.append(message.tick) if message.header.frame_id != OURS else None,
        STREAM,
    )
    publishers = {topic: probe.create_publisher(type(make()), topic, SETTINGS) for topic, make in TOPICS.items()}
    rewards = probe.create_client(SetRewardWeights, "set_reward_weights")
    names = ("go2_simulator", "state_estimator", "command_publisher", "reward_composer", "planner")
    settings = [probe.create_client(SetParameters, f"{name}/set_parameters") for name in names]
    for client in (rewards, *settings):
        probe.until(client.service_is_ready)
    probe.until(lambda: len(ticks) > 10)
    rng = random.Random(3)
    for number in range(300):
        for topic, make in TOPICS.items():
            odd = spoil(make(), rng, rng.choice([0.02, 0.5]))
            if topic == "joint_command":
                odd.header.frame_id = OURS
            publishers[topic].publish(odd)
            publishers[topic].publish(serialize_message(make())[: rng.randrange(4, 40)])
        if number % 10 == 0:
            answers = [rewards.call_async(spoil(SetRewardWeights.Request(), rng))]
            answers += [client.call_async(spoil(SetParameters.Request(), rng)) for client in settings]
            probe.until(lambda answers=answers: all(answer.done() for answer in answers))
    before = len(ticks)
    probe.until(lambda: len(ticks) > before + 100)
    # Ticks are the robot's clock: it stands for a moment where the simulator is behind, and never runs backwards.
    assert ticks == sorted(ticks)
    for node in nodes:
        assert node.process.poll() is None, node.output
        assert "Traceback" not in node.output
