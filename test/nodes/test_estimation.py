"""One robot state per tick, with the joint target that was in force until it."""

from __future__ import annotations

import dataclasses
import sys
import threading

import numpy as np
from lowstates import STANDING

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.nodes.estimation import StateSampler, describe_foot_sensors

START = 100.0


def lowstate(tick_ms: int, receive_time: float | None = None) -> LowState:
    return dataclasses.replace(
        STANDING,
        tick_ms=tick_ms,
        receive_time=START + tick_ms * 1e-3 if receive_time is None else receive_time,
        battery_soc=90.0,
    )


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


def test_feet_without_a_sensor_are_named():
    assert describe_foot_sensors(np.ones(4, dtype=bool)) == ""
    assert "force sensors: FL, RR (dead" in describe_foot_sensors(np.array([True, False, False, True]))


def target(value: float) -> JointCommand:
    return JointCommand.position(np.full(12, value), 40.0, 1.0)


def test_one_state_at_the_first_lowstate_of_each_tick():
    sampler = StateSampler(Clock())
    snapshots = [sampler.update(lowstate(tick_ms)) for tick_ms in range(0, 62, 2)]
    assert [index * 2 for index, snapshot in enumerate(snapshots) if snapshot] == [0, 20, 40, 60]
    assert [snapshot.state.tick for snapshot in snapshots if snapshot] == [0, 1, 2, 3]


def test_lost_and_repeated_lowstates_renumber_nothing():
    sampler = StateSampler(Clock())
    ticks = [sampler.update(lowstate(tick_ms)) for tick_ms in (0, 20, 20, 18, 64, 66)]
    assert [snapshot.state.tick if snapshot else None for snapshot in ticks] == [0, 1, None, None, 3, None]


def test_the_previous_action_is_the_newest_target_before_the_tick():
    clock = Clock()
    sampler = StateSampler(clock)
    sampler.update(lowstate(0))
    for time, value in ((START + 0.001, 0.1), (START + 0.0212, 0.2)):
        clock.now = time
        sampler.note_command(target(value))
    # Tick 1 begins at 20 ms; its own command, sent 1.2 ms later, was seen before its late LowState.
    snapshot = sampler.update(lowstate(20, START + 0.0215))
    assert snapshot.state.previous_action.tolist() == [0.1] * 12
    assert sampler.update(lowstate(40)).state.previous_action.tolist() == [0.2] * 12


def test_without_a_target_the_previous_action_is_the_measured_position():
    clock = Clock()
    sampler = StateSampler(clock)
    assert sampler.update(lowstate(0)).state.previous_action.tolist() == DEFAULT_JOINT_POS.tolist()
    sampler.note_command(JointCommand.damping(5.0))
    assert sampler.update(lowstate(20)).state.previous_action.tolist() == DEFAULT_JOINT_POS.tolist()


def test_a_restarted_robot_is_numbered_anew():
    sampler = StateSampler(Clock())
    sampler.update(lowstate(10_000))
    snapshots = [sampler.update(lowstate(tick_ms, START + 10.0 + tick_ms * 1e-3)) for tick_ms in range(0, 400, 2)]
    ticks = [snapshot.state.tick for snapshot in snapshots if snapshot]
    # The clock believes in a restart once the lag has lasted 0.2 s, ten ticks.
    assert ticks == list(range(10, 20))


def test_commands_may_come_while_a_state_is_made():
    # LowCmd and LowState are received in two threads. Commands that came too late for a tick are all looked at.
    sampler, done = StateSampler(lambda: np.inf), threading.Event()

    def command() -> None:
        while not done.is_set():
            sampler.note_command(target(0.5))

    thread, interval = threading.Thread(target=command), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        states = [sampler.update(lowstate(20 * tick)) for tick in range(1, 60)]
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert [snapshot.state.tick for snapshot in states] == list(range(1, 60))
