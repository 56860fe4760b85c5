"""Injections around the operator: stops that are short, hidden, early or lossy, and a terminal that is stuck."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.gamepad import REMOTE_BYTES, GamepadState
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.basic import lowstate, show_robot_controller
from diffusion_mpc_ros.faults.injections.injection import (
    Injection,
    InjectionFailed,
    asserting,
    injection,
    must_refuse,
    repeating,
)
from diffusion_mpc_ros.faults.lowstate_faults import LowStateFault
from diffusion_mpc_ros.faults.processes import bound
from diffusion_mpc_ros.go2.remote import encode_remote
from diffusion_mpc_ros.nodes.graph_client import OperatorError

TRUE, FALSE = Bool(data=True), Bool(data=False)
QOS = {
    "reliable": QoSProfile(depth=10),
    "best effort": QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT),
    "transient local": QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
}
# A panel that repeats itself does so this often [s].
REPEAT = 0.01
# How long command_publisher may take to start, and teleop [s].
STARTED, TELEOP_STARTED = 30.0, 6.0
# Bytes of a stick within the remote's: the left one's x.
LEFT_X = slice(4, 8)


@injection
def pulse(harness: Harness, pause: float, qos: str = "reliable") -> Iterator[float]:
    """True, and false after ``pause`` [s]."""
    with harness.publisher(Bool, "e_stop", QOS[qos]) as publish:
        start = time.monotonic()
        publish(TRUE)
        time.sleep(pause)
        publish(FALSE)
        yield start


@injection
def asserted(harness: Harness, qos: str) -> Iterator[float]:
    """True, until the end."""
    with harness.publisher(Bool, "e_stop", QOS[qos]) as publish:
        with asserting(publish) as start:
            yield start


@injection
def beside_a_repeating_panel(harness: Harness) -> Iterator[float]:
    """One panel says true, then false at once, while another repeats false all the time."""
    with harness.publisher(Bool, "e_stop") as publish, harness.publisher(Bool, "e_stop") as repeat:
        with repeating(lambda: repeat(FALSE), REPEAT):
            time.sleep(10 * REPEAT)
            start = time.monotonic()
            publish(TRUE)
            publish(FALSE)
            yield start


@injection
def cleared_by_another(harness: Harness) -> Iterator[float]:
    """One panel asserts; another person's clear key releases nothing of it."""
    with harness.publisher(Bool, "e_stop") as publish:
        with asserting(publish) as start:
            harness.monitor.wait(lambda: harness.monitor.mode() is Mode.FAULT, 1.0)
            harness.operator.release_emergency_stop()
            must_refuse(harness, "clear_fault")
            yield start


@injection
def before_the_start(harness: Harness) -> Iterator[float]:
    """A transient-local panel asserts while command_publisher is not there; it is then started, and asked to stand."""
    harness.processes.kill("command_publisher")
    with harness.publisher(Bool, "e_stop", QOS["transient local"], heard=False) as publish:
        with asserting(publish) as start:
            harness.monitor.forget()
            harness.processes.start_missing()
            if not harness.monitor.wait(lambda: harness.monitor.mode() is Mode.FAULT, STARTED):
                raise InjectionFailed("the stop that was said before the start was not seen")
            must_refuse(harness, "stand_up")
            yield start


@injection
def service_during_another_fault(harness: Harness) -> Iterator[float]:
    """The service is called while the robot is in FAULT because LowState was gone; that fault is then cleared."""
    start = harness.relay.set_fault(LowStateFault(gap=0.3))
    if not harness.monitor.wait(lambda: harness.monitor.mode() is Mode.FAULT, 2.0):
        raise InjectionFailed("no fault without LowState")
    harness.relay.set_fault(LowStateFault())
    time.sleep(0.5)
    _call_stop(harness)
    time.sleep(0.2)
    must_refuse(harness, "clear_fault")  # the fault before is cleared, the stop is not
    yield start


@injection
def service_while_waiting(harness: Harness) -> Iterator[float]:
    """The service is called while command_publisher waits for the robot's own controller to let go."""
    harness.processes.kill("command_publisher")
    show_robot_controller(harness, "normal")
    harness.monitor.forget()
    harness.processes.start_missing()
    try:
        _call_stop(harness)
        start = time.monotonic()
        time.sleep(0.5)
    finally:
        show_robot_controller(harness, "")
    if not harness.monitor.wait(lambda: harness.monitor.mode() is not None, STARTED):
        raise InjectionFailed("command_publisher sends nothing")
    yield start


def remote(stick: bytes = b"", duration: float = float("inf")) -> Injection:
    """B is pressed on the robot's remote for ``duration`` [s]; ``stick``: the bytes of the left stick's x."""
    data = bytearray(encode_remote(GamepadState(frozenset("B"))).ljust(REMOTE_BYTES, b"\0"))
    data[LEFT_X] = stick or data[LEFT_X]
    return lowstate(remote=data.hex(), remote_for=duration)


@injection
def teleop_with_its_output_blocked(harness: Harness) -> Iterator[float]:
    """Nobody reads what teleop draws; it drives the robot, then the space bar is pressed."""
    with _teleop(harness) as press:
        _drive(press, 2.0)
        start = time.monotonic()
        press(" ")
        yield start
        press("c")


@injection
def teleop_left_alone(harness: Harness) -> Iterator[float]:
    """It drives the robot, then nobody touches a key."""
    with _teleop(harness) as press:
        _drive(press, 2.0)
        start = time.monotonic()
        # For so long teleop goes on by itself: a key counts for a second, and zeros follow for half a second.
        gone = threading.Timer(1.6, lambda: harness.relay.hold(False))
        gone.start()
        yield start
        gone.join()


@contextmanager
def _teleop(harness: Harness):
    """Run teleop in a terminal whose output nobody reads, and give what presses keys; it holds the robot alone."""
    harness.let_go()
    harness.relay.hold(True)
    keys, terminal = pty.openpty()
    command = [sys.executable, "-m", "diffusion_mpc_ros.cli", "teleop"]
    process = subprocess.Popen(bound(command), stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
    os.close(terminal)
    try:
        time.sleep(TELEOP_STARTED)
        yield lambda text: os.write(keys, text.encode())
    finally:
        process.kill()
        process.wait()
        os.close(keys)


def _drive(press, duration: float) -> None:
    """Three steps of 0.1 m/s, kept alive."""
    for _ in range(3):
        press("w")
    end = time.monotonic() + duration
    while time.monotonic() < end:
        time.sleep(0.3)
        press("k")


def _call_stop(harness: Harness) -> None:
    """Call the service until it has answered: one that has just been started may not be known yet."""
    end = time.monotonic() + STARTED
    while True:
        try:
            harness.operator.request("e_stop")
            return
        except OperatorError as error:
            if time.monotonic() > end:
                raise InjectionFailed(f"the service e_stop does not answer: {error}") from None
