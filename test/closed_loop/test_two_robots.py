"""Two simulated robots on one machine, each in a namespace and a domain of its own: neither disturbs the other."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.processes import RobotProcesses
from diffusion_mpc_ros.nodes.graph_client import OperatorError
from diffusion_mpc_ros.nodes.operator import Operator
from diffusion_mpc_ros.nodes.qos import RELIABLE

STARTED, WAIT = 60.0, 30.0
NAMES = ("dog1", "dog2")
# Planners that no busy machine is too slow for.
QUICK = {"planner": {"candidates": 1, "steps": 5, "sampler": "ddim"}}


class Robot:
    """The five processes of one robot and its operator."""

    def __init__(self, name: str, domain_id: int, folder) -> None:
        options = bringup.BringupOptions(namespace=name, domain_id=domain_id, parameters=QUICK)
        folder.mkdir()
        environment = {**os.environ, **bringup.environment(sim=True)}
        self.link = "lo", domain_id
        self.processes = RobotProcesses(bringup.processes(options), environment, folder)
        self.processes.start_missing()
        self.operator = Operator(name)
        self.operator.record()

    def become(self, request: str, mode: Mode) -> None:
        """Ask again and again, as what standing up or walking needs may still be starting."""
        deadline, refusal = time.monotonic() + STARTED, ""
        while self.operator.mode is not mode:
            assert not self.operator.fault and time.monotonic() < deadline, (self.operator.fault, refusal)
            try:
                self.operator.request(request)
                self.operator.wait(lambda: self.operator.mode is mode, 5.0)
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


def test_two_robots_beside_each_other(robots):
    first, second = robots
    frames, hardware = set(), set()
    node = first.operator.node

    def on_odometry(message: Odometry) -> None:
        frames.add((message.header.frame_id, message.child_frame_id))

    def on_diagnostics(message: DiagnosticArray) -> None:
        hardware.update((status.hardware_id, status.name.split(":")[0]) for status in message.status)

    for name in NAMES:
        node.create_subscription(Odometry, f"/{name}/odom", on_odometry, RELIABLE)
    node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, RELIABLE)
    for robot in robots:
        robot.become("stand_up", Mode.STANDING)
    assert frames == {(f"{name}/odom", f"{name}/base") for name in NAMES}
    assert {(name, f"/{name}/{node}") for name in NAMES for node in ("command_publisher", "planner")} <= hardware
    assert {name for name, _ in hardware} == set(NAMES)

    # Who drives one robot holds that one alone.
    second.operator.drive()
    second.operator.command(np.array([0.4, 0.0, 0.0]))
    second.become("walk", Mode.WALKING)
    with second.operator.record_truth(*second.link):
        truth = second.operator.recording.truth
        assert second.operator.wait(lambda: truth and truth[-1].lin_vel_b[0] > 0.2, WAIT)
    assert first.operator.mode is Mode.STANDING

    # So with an emergency stop.
    first.operator.emergency_stop()
    assert first.operator.wait(lambda: first.operator.mode is Mode.FAULT, WAIT)
    assert "emergency stop" in first.operator.fault
    second.operator.wait(lambda: second.operator.mode is not Mode.WALKING, 2.0)
    assert second.operator.mode is Mode.WALKING and not second.operator.fault
