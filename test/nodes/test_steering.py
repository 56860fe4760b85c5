"""Gamepads and velocity commands on their way through the nodes, each a process of its own."""

from __future__ import annotations

import math
import time

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs.msg import JointCommand, Plan, RobotState
from sensor_msgs.msg import Joy

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.remote import decode_remote, remote_present
from diffusion_mpc_ros.nodes.conversions.gamepads import joy_message, read_gamepad
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM

WAIT = 60.0


def test_the_simulated_remote_reaches_lowstate_and_the_topic_remote(start_node, probe, free_domain):
    link = free_domain()
    simulator = start_node("go2_simulator", network_interface="lo", domain_id=link)
    estimator = start_node("state_estimator", network_interface="lo", domain_id=link)
    topic = []
    probe.create_subscription(Joy, "remote", topic.append, STREAM)
    hand = probe.create_publisher(Joy, "remote_input", RELIABLE)
    pressed = GamepadState(frozenset({"B", "L1"}), left_y=0.5)
    with open_domain("lo", link) as domain:
        wire = Subscriber(domain, LOWSTATE)

        def seen(state: GamepadState) -> bool:
            lowstate = wire.latest()
            on_wire = lowstate is not None and decode_remote(lowstate.wireless_remote) == state
            return on_wire and bool(topic) and read_gamepad(topic[-1]) == state

        def seen_while_pressed() -> bool:
            hand.publish(Joy(buttons=[1, 1]))  # not a gamepad: changes nothing
            hand.publish(joy_message(pressed, Time()))
            return seen(pressed)

        probe.until(seen_while_pressed)
        # Out of reach.
        probe.until(lambda: wire.latest() is not None and not remote_present(wire.latest().wireless_remote))
        wire.close()
    assert "remote_input refused" in simulator.output
    assert simulator.terminate() == estimator.terminate() == 0


def test_the_remote_moves_the_robot_and_stops_it(start_node, probe, free_domain):
    link = {"network_interface": "lo", "domain_id": free_domain()}
    start_node("go2_simulator", **link)
    node = start_node("command_publisher", **link)
    hand = probe.create_publisher(Joy, "remote_input", RELIABLE)

    def until(mode: Mode, *buttons: str) -> None:
        """Press and release ``buttons`` until the robot is in ``mode``: it may not be ready at the first press."""

        def holds() -> bool:
            assert node.process.poll() is None, node.output
            pressed = frozenset(buttons if time.monotonic() % 1.0 < 0.5 else ())
            hand.publish(joy_message(GamepadState(pressed), Time()))
            return operator.mode is mode

        probe.until(holds)

    with Operator() as operator, open_domain("lo", link["domain_id"]) as domain:
        operator.follow()
        wire = Subscriber(domain, LOWCMD)
        until(Mode.DAMPING)
        until(Mode.STANDING_UP, "L1", "A")
        probe.until(lambda: wire.latest().kp.max() > 0.0)
        until(Mode.FAULT, "B")
        assert "emergency stop (remote)" in operator.fault
        assert wire.wait(WAIT, received=wire.received + 2).kp.max() == 0.0
        until(Mode.DAMPING, "L1", "select")
        wire.close()
    assert node.terminate() == 0 and "Traceback" not in node.output


def test_the_planner_follows_what_command_publisher_says(start_node, probe, random_artefact):
    """The observation's velocity command is what the holder asks for, ramped, and zero when nobody says it any more."""
    states = probe.create_publisher(RobotState, "robot_state", STREAM)
    commands = probe.create_publisher(JointCommand, "joint_command", STREAM)
    plans = []
    probe.create_subscription(Plan, "plan", plans.append, RELIABLE)
    node = start_node("planner", artefact=random_artefact, candidates=1, steps=1, replan_margin=10, replan_interval=1)
    message = RobotState(joint_pos=DEFAULT_JOINT_POS, previous_action=DEFAULT_JOINT_POS)
    message.orientation.w = 1.0

    def plans_until(velocity: float | None, condition) -> None:
        def holds() -> bool:
            assert node.process.poll() is None, node.output
            message.tick += 1
            states.publish(message)
            if velocity is not None:
                commands.publish(JointCommand(velocity=[velocity, 0.0, 0.0]))
            return bool(plans) and condition(np.array(plans[-1].velocity))

        probe.until(holds)

    plans_until(0.5, lambda velocity: velocity.tolist() == [0.5, 0.0, 0.0])
    plans_until(9.0, lambda velocity: velocity.tolist() == [1.0, 0.0, 0.0])  # bounded by max_command
    plans_until(math.nan, lambda velocity: not velocity.any())  # not finite: nobody says anything
    plans_until(0.5, lambda velocity: velocity.any())
    plans_until(None, lambda velocity: not velocity.any())
    assert node.terminate() == 0 and "Traceback" not in node.output
