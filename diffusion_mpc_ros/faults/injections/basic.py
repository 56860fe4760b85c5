"""Injections of faults of each process, of the link, of the plans and of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from geometry_msgs.msg import WrenchStamped
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Joy
from std_srvs.srv import Trigger

from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.faults import reward_service
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.injection import InjectionFailed, injection, suffering
from diffusion_mpc_ros.faults.lowstate_faults import LowStateFault
from diffusion_mpc_ros.faults.plan_faults import PlanFault, unchanged
from diffusion_mpc_ros.faults.processes import bound
from diffusion_mpc_ros.go2.channels import LOWCMD, Publisher
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.nodes.conversions.gamepads import joy_message
from diffusion_mpc_ros.realtime.scheduling import schedule_thread_realtime

# Whoever stops and continues a process must itself be in time; below every node with a deadline.
DUTY_PRIORITY = 8
PUSH_PERIOD = 0.05
JOY_PERIOD = 0.05
# How long the joystick drives the robot before it falls silent, and how fast it has to be by then [s], [m/s].
JOY_DRIVES, JOY_SPEED = 3.0, 0.2
DEAD_MAN = frozenset({"L1"})
# How long others may take to see a new publisher of a DDS topic [s].
DISCOVERY = 5.0


@injection
def nothing(harness: Harness) -> Iterator[float]:
    """The fault is in the way the processes were started."""
    yield time.monotonic()


@injection
def killed(harness: Harness, name: str) -> Iterator[float]:
    """SIGKILL; whoever recovers restarts it."""
    yield harness.processes.kill(name)


@injection
def child_killed(harness: Harness, name: str) -> Iterator[float]:
    """SIGKILL of every child of a process."""
    start = time.monotonic()
    for pid in harness.processes.children(name):
        os.kill(pid, signal.SIGKILL)
    yield start


@injection
def paused(harness: Harness, name: str, duration: float | None = None) -> Iterator[float]:
    """SIGSTOP, and SIGCONT after ``duration`` [s] or at the end."""
    with ExitStack() as stack:
        start = harness.processes.send(name, signal.SIGSTOP)
        stack.callback(harness.processes.send, name, signal.SIGCONT)
        if duration is not None:
            time.sleep(duration)
            stack.close()
        yield start


@injection
def duty_cycle(harness: Harness, name: str, works: float, rests: float) -> Iterator[float]:
    """SIGSTOP and SIGCONT in turn: it works for ``works`` [s], then not for ``rests`` [s]."""
    pid, done = harness.processes.pid(name), threading.Event()

    def run() -> None:
        schedule_thread_realtime(DUTY_PRIORITY)
        while not done.is_set():
            os.kill(pid, signal.SIGSTOP)
            done.wait(rests)
            os.kill(pid, signal.SIGCONT)
            done.wait(works)

    thread = threading.Thread(target=run, name="duty_cycle")
    start = time.monotonic()
    thread.start()
    try:
        yield start
    finally:
        done.set()
        thread.join()


@injection
def lowstate(harness: Harness, **fault: float | str) -> Iterator[float]:
    """LowStates suffer a :class:`LowStateFault`."""
    with suffering(harness, LowStateFault(**fault)) as start:
        yield start


@injection
def clock_jump(harness: Harness, milliseconds: int) -> Iterator[float]:
    """The robot's clock jumps and stays there."""
    yield harness.relay.shift_clock(milliseconds)


@injection
def plans(harness: Harness, fault: PlanFault) -> Iterator[float]:
    """Every plan is changed on its way; needs a setup whose plans pass through the harness."""
    harness.plan_fault = fault
    try:
        yield time.monotonic()
    finally:
        harness.plan_fault = unchanged


@injection
def reward_flood(harness: Harness, calls: int) -> Iterator[float]:
    """So many calls of the reward service, as fast as they are answered; valid ones that change nothing."""
    start = time.monotonic()
    reward_service.flood(harness, calls)
    yield start


@injection
def reward_garbage(harness: Harness) -> Iterator[float]:
    """Requests that no reward composer may accept."""
    start = time.monotonic()
    reward_service.send_garbage(harness)
    yield start


@injection
def busy_loops(harness: Harness, count: int) -> Iterator[float]:
    """Processes of ordinary priority that never rest."""
    start = time.monotonic()
    loops = [subprocess.Popen(bound([sys.executable, "-S", "-c", "while True: pass"])) for _ in range(count)]
    try:
        yield start
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@injection
def push(harness: Harness, force: tuple[float, float, float], duration: float) -> Iterator[float]:
    """A force on the base [N, world frame] for ``duration`` [s]."""
    with harness.publisher(WrenchStamped, "external_wrench") as publish:
        start = time.monotonic()
        message = WrenchStamped()
        message.wrench.force.x, message.wrench.force.y, message.wrench.force.z = map(float, force)
        while time.monotonic() < start + duration:
            publish(message)
            time.sleep(PUSH_PERIOD)
    yield start


@injection
def joystick_unplugged(harness: Harness) -> Iterator[float]:
    """A joystick drives the robot, then is silent with its stick still pushed forward."""
    with harness.publisher(Joy, "joy") as publish:
        start = drive_by_joystick(harness, publish, 0.5)
    yield start


def drive_by_joystick(harness: Harness, publish: Callable[[Joy], None], left_y: float) -> float:
    """Hold the dead-man button, push the stick forward by ``left_y``, then say no more; when [s] it was last heard."""
    state = GamepadState(DEAD_MAN)
    end = time.monotonic() + JOY_DRIVES
    while (last := time.monotonic()) < end:
        publish(joy_message(state, harness.operator.node.get_clock().now().to_msg()))
        time.sleep(JOY_PERIOD)
        state = GamepadState(DEAD_MAN, left_y=left_y)
    speed = harness.monitor.speed()[0]
    if speed < JOY_SPEED:
        raise InjectionFailed(f"the joystick does not drive the robot: {speed:.2f} m/s after {JOY_DRIVES:.0f} s")
    return last


@injection
def robot_controller(harness: Harness, name: str) -> Iterator[float]:
    """The robot's own controller ``name`` becomes active again."""

    start = time.monotonic()
    show_robot_controller(harness, name)
    try:
        yield start
    finally:
        show_robot_controller(harness, "")


def show_robot_controller(harness: Harness, name: str) -> None:
    """Let the robot say that its own controller ``name`` is active; "": none."""
    setting = Parameter("robot_controller", value=name).to_parameter_msg()
    request = SetParameters.Request(parameters=[setting])
    result = harness.operator.call(SetParameters, "go2_simulator/set_parameters", request).results[0]
    if not result.successful:
        raise InjectionFailed(f"robot_controller {name!r}: {result.reason}")


@injection
def stop_by_service(harness: Harness) -> Iterator[float]:
    """A call of ``command_publisher/e_stop``."""
    with harness.operator.service(Trigger, "command_publisher/e_stop") as call:
        start = time.monotonic()
        call(Trigger.Request())
        yield start


@injection
def foreign_publisher(harness: Harness) -> Iterator[float]:
    """Another program opens ``rt/lowcmd`` for writing; it sends nothing, so that all that is audited is ours."""
    with open_domain(harness.interface, harness.controller_domain) as domain:
        start = time.monotonic()
        publisher = Publisher(domain, LOWCMD)
        try:
            publisher.wait_for_subscriber(DISCOVERY)
            yield start
        finally:
            publisher.close()
