"""What is added to a command by the integral of the velocity error, in numbers worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.realtime.velocity_feedback import LARGEST_ADDED, LONGEST_GAP, VelocityFeedback

FORWARD = np.array([[0.5, 0.0, 0.0]])


def walking(tick: int, velocity=(0.5, 0.0, 0.0)) -> RobotState:
    vx, vy, yaw_rate = velocity
    moving = {"base_lin_vel": np.array([[vx, vy, 0.0]]), "base_ang_vel": np.array([[0.0, 0.0, yaw_rate]])}
    return replace(RobotState.standing(tick), **moving)


def walked(feedback, ticks, velocity, command=FORWARD) -> np.ndarray:
    return [feedback(walking(tick, velocity), command) for tick in ticks][-1]


def test_an_error_is_integrated():
    feedback = VelocityFeedback(0.4)
    feedback(walking(0), FORWARD)
    # 0.1 m/s too slow for half a second: 0.4 / s x 0.1 m/s x 0.5 s. It would turn, by 0.05 rad/s; sideways all is well.
    added = walked(feedback, range(1, 26), (0.4, 0.0, 0.05))
    assert added == pytest.approx(np.array([[0.02, 0.0, -0.01]]))


def test_a_robot_that_takes_up_a_command_lacks_nothing():
    feedback = VelocityFeedback(0.4)
    velocity = 0.0
    feedback(walking(0, (0.0, 0.0, 0.0)), FORWARD)
    for tick in range(1, 100):  # with a time constant of 0.3 s, 15 ticks
        velocity += (0.5 - velocity) / 15
        assert feedback(walking(tick, (velocity, 0.0, 0.0)), FORWARD) == pytest.approx(0.0, abs=1e-12)


def test_a_push_counts_for_no_more_than_the_largest_error():
    feedback = VelocityFeedback(0.4)
    feedback(walking(0), FORWARD)
    assert feedback(walking(1, (-1.0, 1.5, 0.0)), FORWARD)[0, :2] == pytest.approx([0.0024, -0.0024])


@given(st.lists(st.tuples(*[st.floats(-3.0, 3.0)] * 6), min_size=1, max_size=60), st.floats(0.0, 1.0))
def test_what_is_added_stays_bounded(told, gain):
    feedback = VelocityFeedback(gain)
    for tick, numbers in enumerate(told):
        added = feedback(walking(10 * tick, numbers[:3]), np.array([numbers[3:]]))
        assert (np.abs(added) <= LARGEST_ADDED).all()


def test_no_command_gets_further_than_planners_were_trained_for():
    feedback = VelocityFeedback(1.0)
    fast = np.array([[1.0, 0.0, 0.0]])
    feedback(walking(0, (1.0, 0.0, 0.0)), fast)
    assert walked(feedback, range(1, 200), (0.0, 0.0, 0.0), fast)[0] == pytest.approx([0.2, 0.0, 0.0])
    faster = np.array([[1.5, 0.0, 0.0]])
    assert feedback(walking(200, (0.0, 0.0, 0.0)), faster)[0] == pytest.approx([0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("command", "kept"), [((-0.5, 0.0, 0.0), False), ((0.0, 0.0, 0.0), False), ((0.3, 0.0, 0.0), True)]
)
def test_another_direction_is_another_walk(command, kept):
    feedback = VelocityFeedback(0.4)
    feedback(walking(0), FORWARD)
    before = walked(feedback, range(1, 50), (0.3, 0.0, 0.0))
    after = feedback(walking(50, (0.3, 0.0, 0.0)), np.array([command]))
    assert before[0, 0] > 0.05 and (after[0, 0] > 0.05) == kept


@pytest.mark.parametrize(
    "begin_anew",
    [
        lambda feedback: feedback(walking(50), FORWARD, followed=False),
        lambda feedback: feedback(walking(49 + LONGEST_GAP + 1), FORWARD),
        lambda feedback: feedback(walking(3), FORWARD),
        lambda feedback: feedback(walking(50, (np.nan, 0.0, 0.0)), FORWARD),
        lambda feedback: feedback(walking(50), np.full((1, 3), np.nan)),
    ],
    ids=["not followed", "gap", "clock went back", "no velocity", "no command"],
)
def test_a_walk_that_does_not_go_on_is_forgotten(begin_anew):
    feedback = VelocityFeedback(0.4)
    feedback(walking(0), FORWARD)
    assert walked(feedback, range(1, 50), (0.3, 0.0, 0.0))[0, 0] > 0.05
    assert (begin_anew(feedback) == 0.0).all()
    assert np.isfinite(feedback(walking(100), FORWARD)).all()


def test_robots_of_a_batch_have_each_their_own():
    feedback = VelocityFeedback(0.4)
    command = np.array([[0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    for tick in range(51):
        moving = np.array([[0.5, 0.0, 0.0], [0.4, 0.0, 0.0], [0.1, 0.0, 0.0]]) if tick else command
        added = feedback(replace(RobotState.standing(tick, 3), base_lin_vel=moving), command)
    assert added == pytest.approx(np.array([[0.0, 0.0, 0.0], [0.04, 0.0, 0.0], [0.0, 0.0, 0.0]]))


def test_without_a_gain_nothing_is_added():
    feedback = VelocityFeedback(0.0)
    feedback(walking(0), FORWARD)
    assert (walked(feedback, range(1, 50), (0.0, 0.5, 0.5)) == 0.0).all()
