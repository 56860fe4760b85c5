"""Age counts from the measurement by the robot's clock: delay, repetition, jumps."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.control.freshness import JUMP, LAG_PERSISTENCE, Freshness
from diffusion_mpc_ros.core.types import LowState

ROBOT_STARTED = 1234.5  # local time [s] at which the robot's clock read zero


def measured(robot_time, delay=0.0, contents=None):
    """What the robot measured at ``robot_time`` [s], received ``delay`` [s] later."""
    value = robot_time if contents is None else contents
    return LowState(
        tick_ms=round(robot_time * 1e3),
        receive_time=ROBOT_STARTED + robot_time + delay,
        base_quat_wxyz=np.array([1.0, 0.0, 0.0, 0.0]),
        base_ang_vel=np.full(3, value),
        base_lin_acc=np.zeros(3),
        joint_pos=np.zeros(12),
        joint_vel=np.zeros(12),
        joint_torque=np.zeros(12),
        foot_force=np.zeros(4),
        motor_temperature=np.full(12, 30.0),
        battery_soc=90.0,
    )


def ages(delays, freshness=None, **changes):
    """The age at each receipt of LowStates 20 ms apart with these delays, the jumps that were seen, and the object."""
    freshness = freshness or Freshness()
    found, jumps = [], []
    for index, delay in enumerate(delays):
        lowstate = dataclasses.replace(measured(10.0 + 0.02 * index, delay), **changes)
        jumps.append(freshness.update(lowstate))
        found.append(freshness.age(lowstate.receive_time))
    return found, jumps, freshness


def test_nothing_was_measured_before_the_first_lowstate():
    assert Freshness().age(5.0) == math.inf


def test_the_age_is_the_delay_beyond_the_quickest_message():
    found, jumps, freshness = ages([0.003, 0.001, 0.031, 0.001])
    assert found == pytest.approx([0.0, 0.0, 0.03, 0.0], abs=2e-4) and not any(jumps)
    assert freshness.age(ROBOT_STARTED + 10.06 + 0.001 + 0.2) == pytest.approx(0.2, abs=2e-4)


@pytest.mark.parametrize("rate", [0.005, 0.05, 1.0])
def test_a_delay_that_grows_slowly_is_age(rate):
    """At ``rate`` [s/s] up to 440 ms, then constant for long: never believed to be the robot's clock."""
    steps = round(0.44 / (rate * 0.02))
    found, _, _ = ages([min(index * rate * 0.02, 0.44) for index in range(steps + 1000)])
    # The drift that is allowed for, 500 ppm, takes 0.01 ms a message.
    assert found[steps] == pytest.approx(0.44 - steps * 1e-5, abs=2e-3)
    assert found[-1] > 0.3


def test_clocks_that_drift_apart_are_followed():
    found, jumps, _ = ages([index * 0.02 * 400e-6 for index in range(20_000)])
    assert max(found) < 1e-6 and not any(jumps)


@given(st.lists(st.floats(0.0, 0.05), min_size=2, max_size=100))
def test_jitter_is_neither_a_jump_nor_older_than_itself(delays):
    found, jumps, _ = ages(delays)
    assert not any(jumps) and all(-1e-9 <= age <= max(delays) + 1e-9 for age in found)


def test_the_same_again_and_again_ages():
    freshness = Freshness()
    frozen = measured(10.0)
    for index in range(50):
        freshness.update(dataclasses.replace(frozen, receive_time=frozen.receive_time + 0.02 * index))
    assert freshness.age(frozen.receive_time + 1.0) == pytest.approx(1.0)


def test_the_same_measurement_with_a_clock_that_runs_on_ages():
    freshness = Freshness()
    for index in range(50):
        freshness.update(measured(10.0 + 0.02 * index, contents=3.0))
    assert freshness.age(ROBOT_STARTED + 11.0) == pytest.approx(1.0, abs=2e-3)


def test_a_simulated_robot_at_rest_may_say_the_same_again():
    freshness = Freshness(noisy=False)
    for index in range(51):
        freshness.update(measured(10.0 + 0.02 * index, contents=3.0))
    assert freshness.age(ROBOT_STARTED + 11.0) == pytest.approx(0.0, abs=2e-3)
    # Silence is as old as ever.
    assert freshness.age(ROBOT_STARTED + 11.5) == pytest.approx(0.5, abs=2e-3)


def test_a_robot_that_ran_on_without_this_computer_is_seen_at_once():
    _, _, freshness = ages([0.0] * 10)
    # The local clock stood still for 0.4 s.
    behind = dataclasses.replace(measured(10.6), receive_time=ROBOT_STARTED + 10.2)
    assert freshness.update(behind) == pytest.approx(0.4, abs=1e-3)
    assert freshness.update(dataclasses.replace(measured(10.62), receive_time=ROBOT_STARTED + 10.22)) == 0.0


def test_how_far_the_robots_clock_is_ahead_counts_from_the_quickest_message():
    freshness = Freshness()
    assert freshness.ahead(10_000, ROBOT_STARTED) == -math.inf
    ages([0.003, 0.001, 0.031], freshness)
    # At 10.05 s of the robot's clock by the quickest message's delay, 1 ms, it says 10.09 s; 500 ppm are allowed for.
    assert freshness.ahead(10_090, ROBOT_STARTED + 10.051) == pytest.approx(0.04, abs=1e-4)
    assert freshness.ahead(10_090, ROBOT_STARTED + 10.191) == pytest.approx(-0.1, abs=1e-4)


def test_a_clock_that_goes_back_is_a_jump_and_counts_from_there():
    _, _, freshness = ages([0.0] * 10)
    again = dataclasses.replace(measured(0.5), receive_time=ROBOT_STARTED + 10.2)
    assert freshness.update(again) == pytest.approx(-9.68)
    assert freshness.age(ROBOT_STARTED + 10.2) == 0.0


def test_a_message_that_was_overtaken_changes_nothing():
    _, _, freshness = ages([0.0] * 10)
    assert freshness.update(measured(10.12, delay=0.07)) == 0.0
    assert freshness.age(ROBOT_STARTED + 10.18) == pytest.approx(0.0, abs=1e-4)


def test_a_robot_clock_that_stood_still_is_believed_after_a_while():
    """A simulator that was held up for 2 s: its messages are late by 2 s from one to the next, and stay so."""
    freshness = ages([0.0] * 10)[2]
    late = round((LAG_PERSISTENCE + 0.1) / 0.02)
    jumps = [freshness.update(measured(10.2 + 0.02 * index, delay=2.0)) for index in range(late)]
    assert [jump for jump in jumps if jump] == [pytest.approx(-2.0, abs=0.01)]
    end = 10.2 + 0.02 * (late - 1)
    assert freshness.age(ROBOT_STARTED + end + 2.0) < JUMP
