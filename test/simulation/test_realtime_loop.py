"""The real-time loop: what reaches the robot and what leaves it, step by step; time itself is not tested."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.simulation.realtime_loop import RealtimeLoop
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

STAND = JointCommand.position(go2.DEFAULT_JOINT_POS, go2.STANDING_KP, go2.STANDING_KD)


@pytest.fixture(scope="module")
def simulation():
    return Go2Simulation()


@pytest.fixture
def published():
    return {"lowstate": [], "truth": [], "steps": 0}


@pytest.fixture
def loop(simulation, published):
    simulation.reset(Pose.STANDING)

    def after_step():
        published["steps"] += 1

    return RealtimeLoop(simulation, published["lowstate"].append, published["truth"].append, after_step)


def test_every_physics_step_is_published(loop, published):
    for _ in range(20):
        loop.step()
    assert [state.tick_ms for state in published["lowstate"]] == list(range(2, 42, 2))
    assert [truth.time for truth in published["truth"]] == pytest.approx([0.020, 0.040])
    assert published["steps"] == 20


def test_a_command_acts_from_the_next_step_and_stays(loop, published):
    loop.step()
    loop.command(JointCommand.damping(1.0))
    loop.command(STAND)
    for _ in range(20):
        loop.step()
    assert not published["lowstate"][0].joint_torque.any()
    assert np.abs(published["lowstate"][-1].joint_torque).max() > 1.0


def test_requests_run_between_steps_in_their_order(loop, simulation):
    seen = []
    loop.apply(lambda robot: seen.append(("first", robot.time)))
    loop.apply(lambda robot: robot.set_friction(0.3))
    assert seen == []
    loop.step()
    assert seen == [("first", 0.0)]
    assert simulation.model.geom("floor").friction[0] == 0.3


def test_run_ends_when_told(loop, published):
    stop = threading.Event()

    def end(robot):
        stop.set()

    loop.apply(lambda robot: loop.apply(end))
    loop.run(stop)
    assert 1 <= len(published["lowstate"]) <= 2


def test_a_failing_publisher_ends_the_loop(simulation):
    def publish(_):
        raise OSError("the network is gone")

    with pytest.raises(OSError, match="network is gone"):
        RealtimeLoop(simulation, publish, lambda _: None).run(threading.Event())
