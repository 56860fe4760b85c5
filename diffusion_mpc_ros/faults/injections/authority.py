"""Injections around who moves the robot: gamepads, several programs, nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from geometry_msgs.msg import Twist, WrenchStamped
from sensor_msgs.msg import Joy

from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.basic import JOY_PERIOD, PUSH_PERIOD, drive_by_joystick
from diffusion_mpc_ros.faults.injections.injection import injection, repeating
from diffusion_mpc_ros.nodes.conversions.gamepads import joy_message


@injection
def joy(harness: Harness, message: Joy) -> Iterator[float]:
    """A gamepad says the same all the time, from its first message on."""
    with harness.publisher(Joy, "joy") as publish, repeating(lambda: publish(message), JOY_PERIOD):
        yield time.monotonic()


@injection
def stick_without_dead_man(harness: Harness) -> Iterator[float]:
    """A stick is pushed and nobody holds the dead-man button."""
    with harness.publisher(Joy, "joy") as publish:
        stamp = harness.operator.node.get_clock().now().to_msg()
        for _ in range(5):
            publish(joy_message(GamepadState(), stamp))
            time.sleep(JOY_PERIOD)
        with repeating(lambda: publish(joy_message(GamepadState(left_y=1.0), stamp)), JOY_PERIOD):
            yield time.monotonic()


@injection
def held_still_beside_a_program(harness: Harness) -> Iterator[float]:
    """A gamepad drives the robot and stops sending; a program goes on asking for a velocity of its own."""
    with harness.publisher(Joy, "joy") as publish:
        yield drive_by_joystick(harness, publish, 0.4)


@injection
def second_program(harness: Harness, velocity: tuple[float, float, float]) -> Iterator[float]:
    """A second publisher of cmd_vel asks for another ``velocity`` at 50 Hz."""
    twist = Twist()
    twist.linear.x, twist.linear.y, twist.angular.z = velocity
    with harness.publisher(Twist, "cmd_vel") as publish, repeating(lambda: publish(twist), 0.02):
        yield time.monotonic()


@injection
def nobody(harness: Harness) -> Iterator[float]:
    """Whoever held the robot publishes no more."""
    start = time.monotonic()
    harness.let_go()
    yield start


@injection
def held_down(harness: Harness, force: float) -> Iterator[float]:
    """Somebody leans on the robot with ``force`` [N] until it can do nothing."""
    message = WrenchStamped()
    message.wrench.force.z = -force
    with harness.publisher(WrenchStamped, "external_wrench") as publish:
        with repeating(lambda: publish(message), PUSH_PERIOD):
            yield time.monotonic()


def pad(buttons: int, axes: int, pressed: tuple[int, ...] = (), value: float = 0.0) -> Joy:
    """A message with so many buttons and axes, all axes at ``value``."""
    held = np.zeros(buttons, dtype=int)
    held[list(pressed)] = 1
    return Joy(buttons=held.tolist(), axes=[value] * axes)
