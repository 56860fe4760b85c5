"""The control loop on real DDS topics with a simulated robot: standing, walking from plans, fall-back, last word."""

from __future__ import annotations

import dataclasses
import queue
import threading

import numpy as np
import pytest

from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import Plan, Timing
from diffusion_mpc_ros.go2.channels import LOWCMD, Publisher, Subscriber, open_domain
from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcherServer
from diffusion_mpc_ros.nodes.control_loop import ControlLoop
from diffusion_mpc_ros.nodes.simulation_loop import SimulationLoop
from diffusion_mpc_ros.simulation.robot import Go2Simulation

WAIT = 30.0
TIMING = Timing(horizon=11, replan_margin=3, replan_interval=1)
# Wide enough for a busy machine, and motions as quick as the settings' bounds allow.
QUICK = {"lowstate_age_max": 0.5, "fold_time": 0.3, "stand_up_time": 0.5, "sit_down_time": 0.5, "settle_time": 0.1}


class Robot:
    """A simulated robot, the loop that controls it and everything the loop reported."""

    def __init__(self, domain) -> None:
        self.failures = []
        settings = dataclasses.replace(load_safety_settings(config_file("safety.yaml")), **QUICK)
        self.steps = queue.Queue()
        self.plans = threading.Event()
        self.simulation = SimulationLoop(domain, Go2Simulation(), None, self.failures.append)
        self.loop = ControlLoop(domain, settings, TIMING, self._on_step, self.failures.append)

    def _on_step(self, step) -> None:
        if self.plans.is_set():
            # Rows of the standing pose, each moved by a mark of its own.
            targets = np.repeat(DEFAULT_JOINT_POS[None], TIMING.horizon, axis=0)
            self.loop.buffer.add(Plan(step.tick, targets + 0.001 * np.arange(TIMING.horizon)[:, None]))
        self.steps.put(step)

    def until(self, condition):
        """The first step from now on for which ``condition`` holds."""
        while True:
            step = self.steps.get(timeout=WAIT)
            if condition(step):
                return step

    def stand(self) -> None:
        self.until(lambda step: step.lowstate is not None)
        assert self.loop.request(Event.STAND_UP, WAIT) == (True, "damping -> standing_up")
        self.until(lambda step: step.output.mode is Mode.STANDING)


@pytest.fixture
def domain(free_domain):
    with open_domain("lo", free_domain()) as opened:
        yield opened


@pytest.fixture
def robot(domain):
    robot = Robot(domain)
    yield robot
    robot.loop.close()
    robot.simulation.close()
    assert not robot.failures


def test_it_walks_from_plans_and_stands_when_they_stop(robot):
    robot.stand()
    robot.plans.set()
    accepted, message = robot.loop.request(Event.WALK, WAIT)
    assert accepted, message
    step = robot.until(lambda step: step.row is not None)
    assert TIMING.replan_margin <= step.row.index < TIMING.horizon
    assert step.tick == step.row.plan.start_tick + step.row.index
    robot.plans.clear()
    step = robot.until(lambda step: step.output.mode is not Mode.WALKING)
    assert step.output.mode is Mode.STANDING
    assert "no plan" in step.output.message


def test_requests_that_do_not_fit_are_refused(robot):
    robot.until(lambda step: step.lowstate is not None)
    accepted, message = robot.loop.request(Event.WALK, WAIT)
    assert not accepted and "stand_up" in message
    assert robot.loop.request(Event.DAMP, WAIT)[0]


def test_a_second_controller_forbids_standing_up(robot, domain):
    robot.until(lambda step: step.lowstate is not None)
    foreign = Publisher(domain, LOWCMD)
    robot.until(lambda step: robot.loop._lowcmds.num_publishers() > 1)
    accepted, message = robot.loop.request(Event.STAND_UP, WAIT)
    assert not accepted and "rt/lowcmd" in message
    foreign.close()


def test_the_last_command_on_the_wire_is_damping(robot, domain):
    wire = Subscriber(domain, LOWCMD)
    robot.stand()
    assert wire.latest().kp.min() > 0.0
    received = wire.received
    robot.loop.close()
    assert wire.wait(WAIT, received + 1)
    assert wire.latest().kp.max() == 0.0
    assert wire.latest().kd.min() > 0.0
    wire.close()


def test_a_lost_robot_is_damped(robot):
    robot.stand()
    robot.simulation.close()
    step = robot.until(lambda step: step.output.mode is Mode.FAULT)
    assert "lowstate" in str(step.output.fault).lower()
    assert step.output.command.kp.max() == 0.0


def test_nothing_is_sent_while_the_robots_own_controller_is_active(domain):
    server = MotionSwitcherServer(domain, mode="mcf")
    wire = Subscriber(domain, LOWCMD)
    failures = queue.Queue()
    settings = load_safety_settings(config_file("safety.yaml"))
    loop = ControlLoop(domain, settings, TIMING, lambda step: None, failures.put)
    failure = failures.get(timeout=WAIT)
    assert isinstance(failure, InterfaceError) and "mcf" in str(failure) and "release" in str(failure)
    loop.close()
    assert wire.received == 0
    wire.close()
    server.close()


def test_nothing_is_sent_to_a_robot_that_does_not_answer(domain):
    wire = Subscriber(domain, LOWCMD)
    settings = load_safety_settings(config_file("safety.yaml"))
    loop = ControlLoop(domain, settings, TIMING, lambda step: None, lambda failure: None)
    accepted, message = loop.request(Event.STAND_UP)
    assert not accepted and "waiting" in message
    loop.close()
    assert wire.received == 0
    wire.close()
