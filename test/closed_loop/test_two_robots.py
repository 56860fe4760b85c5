"""Two simulated robots on one machine, each in a namespace and a domain of its own: neither disturbs the other."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from diffusion_mpc_msgs.msg import JointCommand
from nav_msgs.msg import Odometry

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.processes import RobotProcesses
from diffusion_mpc_ros.nodes.graph_client import OperatorError
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import RELIABLE, STREAM

STARTED, WAIT = 60.0, 30.0
NAMES = ("dog1", "dog2")


class Robot:
    """One robot's processes, all but its planner, and its operator."""

    def __init__(self, name: str, domain_id: int, folder) -> None:
        options = bringup.BringupOptions(namespace=name, domain_id=domain_id)
        folder.mkdir()
        environment = {**os.environ, **bringup.environment(sim=True)}
        self.processes = RobotProcesses(bringup.processes(options), environment, folder)
        self.holders: set[str] = set()
        self.operator = Operator(name)
        self.operator.follow()
        self.operator.node.create_subscription(
            JointCommand, "joint_command", lambda message: self.holders.add(message.holder), STREAM
        )

    def stand_up(self) -> None:
        """Ask again and again: what standing up needs may still be starting, and two cores are few for two robots.

        That a machine is too slow is a fault, as it must be, but not what is tested here.
        """
        deadline, refusal = time.monotonic() + STARTED, ""
        while self.operator.mode is not Mode.STANDING:
            assert time.monotonic() < deadline, (self.operator.fault, refusal)
            try:
                self.operator.request("clear_fault" if self.operator.mode is Mode.FAULT else "stand_up")
                self.operator.wait(lambda: self.operator.mode is Mode.STANDING, 5.0)
            except OperatorError as error:
                refusal = str(error)
                time.sleep(0.2)

    def close(self) -> None:
        self.operator.close()
        self.processes.stop()


@pytest.fixture
def robots(ros_domain, free_domain, tmp_path):
    robots = []
    try:
        for name in NAMES:
            robots.append(Robot(name, free_domain(), tmp_path / name))
        yield robots
    finally:
        for robot in robots:
            robot.close()


def until(condition) -> None:
    deadline = time.monotonic() + WAIT
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def test_two_robots_beside_each_other(robots):
    first, second = robots
    frames, said = set(), set()

    def on_odometry(message: Odometry) -> None:
        frames.add((message.header.frame_id, message.child_frame_id))

    def on_diagnostics(message: DiagnosticArray) -> None:
        said.update((status.hardware_id, status.name.split(":")[0]) for status in message.status)

    node = first.operator.node
    node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, RELIABLE)
    for name in NAMES:
        node.create_subscription(Odometry, f"/{name}/odom", on_odometry, RELIABLE)
    for robot in robots:
        robot.processes.start("go2_simulator")
        robot.processes.start("state_estimator")
    until(lambda: frames == {(f"{name}/odom", f"{name}/base") for name in NAMES})
    # Six of these processes at once are more than two cores bear.
    for robot in robots:
        robot.processes.stop(["state_estimator"])
        robot.processes.start("command_publisher")
    for robot in robots:
        robot.stand_up()
    until(lambda: {(name, f"/{name}/command_publisher") for name in NAMES} <= said)
    assert {hardware for hardware, _ in said} == set(NAMES)

    # Who drives one robot holds that one alone.
    second.operator.drive()
    second.operator.command(np.array([0.4, 0.0, 0.0]))
    until(lambda: any("cmd_vel" in holder for holder in second.holders))
    assert first.holders == {""}

    # So with an emergency stop.
    first.operator.emergency_stop()
    until(lambda: first.operator.mode is Mode.FAULT)
    assert "emergency stop" in first.operator.fault
    second.operator.wait(lambda: second.operator.mode is not Mode.STANDING, 2.0)
    assert "emergency stop" not in second.operator.fault
    second.stand_up()
