"""The operator's topics as the control loop reads them, from real publishers of every kind."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from geometry_msgs.msg import Twist
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool

from diffusion_mpc_ros.control.authority import VelocityAuthority
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.nodes import operator_topics
from diffusion_mpc_ros.nodes.intake import Intake
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs
from diffusion_mpc_ros.nodes.operator_topics import OperatorTopics

QOS = {
    "lossy": QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT),
    "reliable": QoSProfile(depth=10),
    "latched": QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
}
TRUE, FALSE = Bool(data=True), Bool(data=False)


class Loop:
    """What the control loop does with the topics; ``probe`` is both the node that reads and the one that publishes."""

    def __init__(self, probe) -> None:
        self.probe, self.inputs = probe, OperatorInputs()
        self.intake = Intake(probe)
        self.authority = VelocityAuthority((1.0, 0.5, 1.0), 0.08, 0.5)
        self.topics = OperatorTopics(self.intake, self.inputs, self.authority, "auto")

    def stopped(self) -> str:
        self.topics.find_panels()
        self.topics.read_stops()
        return self.inputs.stops.take(clock.now())

    def until(self, condition) -> None:
        self.probe.until(condition)

    def panel(self, qos: str):
        """A publisher of e_stop that is heard."""
        publisher = self.probe.create_publisher(Bool, "e_stop", QOS[qos])
        self.until(lambda: publisher.get_subscription_count() > 0)
        self.topics.find_panels()
        return publisher


@pytest.fixture
def make_loop(probe):
    """A function that makes a :class:`Loop`; all are closed at the end."""
    loops = []

    def make() -> Loop:
        loops.append(Loop(probe))
        return loops[-1]

    yield make
    for loop in loops:
        loop.topics.close()


@pytest.fixture
def loop(make_loop):
    return make_loop()


@pytest.mark.parametrize("qos", QOS)
def test_a_stop_of_any_quality_of_service_is_heard_and_stands(loop, qos):
    panel = loop.panel(qos)
    assert loop.stopped() == ""
    panel.publish(TRUE)
    loop.until(lambda: loop.stopped() != "")
    assert loop.stopped() != ""
    assert loop.topics.asserting() == ["topic e_stop by /probe"]
    panel.publish(FALSE)
    loop.until(lambda: loop.stopped() == "")
    assert loop.topics.asserting() == []


def test_a_stop_said_before_anybody_listened_is_heard(probe, make_loop):
    early = probe.create_publisher(Bool, "e_stop", QOS["latched"])
    early.publish(TRUE)
    loop = make_loop()
    loop.until(lambda: loop.stopped() != "")


def test_pulses_of_any_length_in_any_mix_are_all_held(loop):
    """Each is true, then false; others repeat false all the time. None may be lost."""
    panels = [loop.panel(qos) for qos in ("lossy", "reliable", "latched", "reliable")]
    repeating = loop.panel("reliable")
    rng = random.Random(0)
    for _ in range(100):
        panel = rng.choice(panels)
        for _ in range(rng.randrange(10)):
            repeating.publish(FALSE)
        panel.publish(TRUE)
        panel.publish(FALSE)
        for _ in range(rng.randrange(10)):
            repeating.publish(FALSE)
        loop.until(lambda: loop.stopped() != "")
        loop.until(lambda: loop.stopped() == "")


def test_another_panel_neither_hides_nor_releases_a_stop(loop):
    first, second = loop.panel("reliable"), loop.panel("latched")
    first.publish(TRUE)
    loop.until(lambda: loop.stopped() != "")
    for _ in range(200):
        second.publish(FALSE)
        assert loop.stopped() != ""


def test_a_panel_that_left_holds_nothing(loop, monkeypatch):
    panel = loop.panel("reliable")
    panel.publish(TRUE)
    loop.until(lambda: loop.stopped() != "")
    loop.probe.destroy_publisher(panel)
    monkeypatch.setattr(operator_topics, "DISCOVERY", 0.0)
    loop.until(lambda: loop.topics.asserting() == [])


def holding(loop):
    return loop.topics.read(None, walking=True)


def test_a_pad_that_begins_with_its_sticks_at_the_stop_moves_nothing(loop):
    pad = loop.probe.create_publisher(Joy, "joy", QOS["reliable"])
    loop.until(lambda: pad.get_subscription_count() > 0)
    for _ in range(20):
        pad.publish(Joy(axes=[1.0] * 8, buttons=[0, 0, 0, 0, 1] + [0] * 6))
        assert holding(loop).holder == ""


def test_a_pad_of_twelve_buttons_is_understood_and_an_unknown_one_refused_in_words(loop):
    pad = loop.probe.create_publisher(Joy, "joy", QOS["reliable"])
    loop.until(lambda: pad.get_subscription_count() > 0)

    def says(text: str, message: Joy):
        def holds() -> bool:
            pad.publish(message)
            holding(loop)
            return any(text in told for told in loop.topics.messages)

        return holds

    loop.until(says("logitech_d", Joy(axes=[0.0] * 6, buttons=[0, 0, 1] + [0] * 9)))
    assert loop.inputs.stops.take(clock.now()) == "joy"  # its B is the third
    loop.until(says("3 buttons and 2 axes", Joy(axes=[0.0] * 2, buttons=[1] * 3)))


def test_one_program_at_a_time(probe, loop):
    programs = [probe.create_publisher(Twist, "cmd_vel", QOS["reliable"]) for _ in range(2)]
    twists = [Twist(), Twist()]
    twists[0].linear.x, twists[1].linear.x = 0.3, -0.9
    loop.until(lambda: all(program.get_subscription_count() > 0 for program in programs))

    def publish(*which: int):
        for index in which:
            programs[index].publish(twists[index])
        return holding(loop)

    loop.until(lambda: publish(0).velocity[0] == 0.3)
    assert all(publish(0, 1).velocity[0] == 0.3 for _ in range(50))
    loop.until(lambda: publish(1).velocity[0] == -0.9)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_velocity_that_is_not_finite_is_told_of_and_moves_nothing(loop, value):
    program = loop.probe.create_publisher(Twist, "cmd_vel", QOS["reliable"])
    twist = Twist()
    twist.angular.z = value
    loop.until(lambda: program.get_subscription_count() > 0)

    def held() -> bool:
        program.publish(twist)
        return holding(loop).holder != ""

    loop.until(held)
    assert not holding(loop).velocity.any() and "not finite" in loop.intake.lines[0]


def test_a_flood_is_read_in_bounded_portions(loop):
    panel = loop.panel("reliable")
    for _ in itertools.repeat(None, 500):
        panel.publish(FALSE)
    panel.publish(TRUE)
    loop.until(lambda: loop.stopped() != "")
