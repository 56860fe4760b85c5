"""How the control loop ends: in order, or because it has failed. The last LowCmd on the wire is damping."""

from __future__ import annotations

import time

import numpy as np
import pytest
from control_loops import WAIT, Controller

from diffusion_mpc_ros.control import ending
from diffusion_mpc_ros.control.modes import Event, Mode
from diffusion_mpc_ros.go2 import motion_switcher
from diffusion_mpc_ros.go2.channels import LOWCMD, Subscriber
from diffusion_mpc_ros.go2.motion_switcher import RELEASE_MODE, STAND_DOWN, MotionSwitcher, MotionSwitcherServer
from diffusion_mpc_ros.nodes import control_loop
from diffusion_mpc_ros.nodes.simulation_loop import SimulationLoop
from diffusion_mpc_ros.simulation.robot import Go2Simulation


def wait_for(condition) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


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


@pytest.mark.parametrize("lies", [True, False])
def test_the_released_controller_gets_the_motors_of_a_lying_robot_back(domain, domain_id, lies, monkeypatch):
    monkeypatch.setattr(motion_switcher, "_STAND_DOWN_TIME", 0.1)
    failures = []
    simulation = SimulationLoop(domain, Go2Simulation(), None, failures.append, "normal", releases_needed=2)
    robot = Controller(domain, domain_id, release=True, restore=True)
    robot.stand()
    with MotionSwitcher(domain) as switcher:
        assert switcher.active_mode() == ""
        if lies:
            robot.loop.end()
            robot.until(lambda step: robot.loop.ended)
        else:  # it stands, or falls: nobody else may have it in mid-fall
            robot.loop.hurry()
            robot.loop.end()
            robot.until(lambda step: step.output.mode is Mode.DAMPING)
        robot.close()
        assert switcher.active_mode() == ("normal" if lies else "")
    simulation.close()
    assert not failures


@pytest.mark.parametrize("begin", ["stand", "walk"])
def test_an_orderly_end_sits_down_damps_and_is_over_when_the_robot_lies(robot, simulation, begin):
    getattr(robot, begin)()
    robot.loop.end()
    modes = []
    while not robot.loop.ended:
        modes.append(robot.until(lambda step: True).output.mode)
    changes = [mode for mode, before in zip(modes, [None, *modes]) if mode is not before]
    assert changes[-2:] == [Mode.SITTING_DOWN, Mode.DAMPING]
    assert "let" in robot.loop.request(Event.STAND_UP, WAIT)[1]
    truth = simulation._simulation.truth()
    assert truth.height < 0.15 and np.abs(truth.lin_vel_w).max() < 0.1


def test_an_end_of_a_robot_that_cannot_be_trusted_damps_for_a_bounded_time(robot, simulation, monkeypatch):
    monkeypatch.setattr(ending, "RESTS_WITHIN", 1.0)
    robot.stand()
    simulation.close()
    robot.loop.end()
    step = robot.until(lambda step: robot.loop.ended)
    assert step.output.mode is Mode.FAULT


def test_a_loop_that_fails_damps_until_the_robot_lies(domain, domain_id, simulation, monkeypatch):
    robot = Controller(domain, domain_id)
    robot.stand()
    wire = Subscriber(domain, LOWCMD)

    def fail(inputs):
        raise RuntimeError("a defect")

    monkeypatch.setattr(robot.loop.turns.supervisor, "step", fail)
    wire.wait(WAIT, 20)
    assert wire.latest().kp.max() == 0.0
    robot.loop._thread.join(WAIT)
    assert [str(failure) for failure in robot.failures] == ["a defect"]
    truth = simulation._simulation.truth()
    assert truth.height < 0.15 and robot.loop.ended
    robot.loop.close()
    wire.close()


def fail(*_):
    raise RuntimeError("a defect")


def test_a_loop_that_fails_while_it_waits_leaves_the_motors_to_the_robots_own_controller(domain, domain_id):
    server = MotionSwitcherServer(domain, mode="mcf")
    wire = Subscriber(domain, LOWCMD)
    robot = Controller(domain, domain_id)
    wait_for(lambda: "mcf" in robot.loop.waiting_for)
    robot.loop.turns.read_plans = fail
    robot.loop._thread.join(WAIT)
    assert [str(failure) for failure in robot.failures] == ["a defect"] and robot.loop.ended
    robot.loop.close()
    assert not robot.link._commanded and wire.received == 0
    wire.close()
    server.close()


def test_a_loop_that_fails_together_with_the_robots_link_takes_no_old_state_for_rest(
    domain, domain_id, simulation, monkeypatch
):
    """The robot stood still when it was heard last; nobody knows whether it lies."""
    monkeypatch.setattr(control_loop, "RESTS_WITHIN", 1.0)
    wire = Subscriber(domain, LOWCMD)
    robot = Controller(domain, domain_id)
    robot.stand()
    simulation.close()
    robot.until(lambda step: step.output.mode is Mode.FAULT)
    received = wire.received
    monkeypatch.setattr(robot.loop.turns.supervisor, "step", fail)
    wait_for(lambda: robot.failures)
    # Somebody closes it meanwhile: it goes on at its rate, 50 commands, and the watchdog after it.
    robot.loop.close()
    assert not robot.loop.turns.rest.reached
    assert wire.received - received < 100
    assert wire.wait(WAIT, wire.received + 25).kp.max() == 0.0
    wire.close()


def test_an_end_cuts_a_release_short(domain, domain_id):
    server = MotionSwitcherServer(domain, mode="mcf", releases_needed=100)
    robot = Controller(domain, domain_id, release=True)
    wait_for(lambda: STAND_DOWN in server.requests)
    robot.close()  # no failure
    assert not robot.link._thread.is_alive() and RELEASE_MODE not in server.requests
    server.close()
