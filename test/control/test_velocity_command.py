"""Which source wins, deadband, bounds, slew limits: by hand, then for whatever is asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.control.velocity_command import CMD_VEL, JOY, MAX_ELAPSED, REMOTE, SOURCES, VelocityCommand
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.gamepad import GamepadState

BOUND, RATE, TIMEOUT, TICK = np.array([1.0, 0.5, 1.0]), np.array([2.0, 2.0, 4.0]), 0.5, 0.02
# The longest way to zero: 1.0 m/s at 2.0 m/s^2.
TIME_TO_STOP = 0.5


def command(rate=RATE, deadband: float = 0.08) -> VelocityCommand:
    return VelocityCommand(BOUND, rate, deadband, TIMEOUT)


def prompt() -> VelocityCommand:
    """Without a noticeable slew limit, asked once already."""
    velocity = command(rate=[1e6] * 3)
    assert velocity.get(0.0).tolist() == [0.0, 0.0, 0.0]
    return velocity


def sticks(**values: float) -> GamepadState:
    return GamepadState(**values)


def test_the_command_times_out():
    velocity = prompt()
    velocity.ask(CMD_VEL, np.array([0.5, 0.1, 0.0]), 10.0)
    assert velocity.get(10.5).tolist() == [0.5, 0.1, 0.0] and velocity.source == CMD_VEL
    assert velocity.get(10.51).tolist() == [0.0, 0.0, 0.0] and velocity.source == ""


def test_full_sticks_are_the_bounds_and_left_is_positive():
    velocity = prompt()
    velocity.ask_by_sticks(REMOTE, sticks(left_x=1.0, left_y=1.0, right_x=-1.0, right_y=1.0), 1.0)
    assert velocity.get(1.0).tolist() == [1.0, -0.5, 1.0]


def test_beyond_the_deadband_a_stick_is_linear():
    velocity = prompt()
    # (0.54 - 0.08) / (1 - 0.08) = 0.5.
    velocity.ask_by_sticks(JOY, sticks(left_y=-0.54, right_x=0.08), 1.0)
    assert velocity.get(1.0) == pytest.approx([-0.5, 0.0, 0.0])


def test_the_remote_wins_over_joy_and_joy_over_cmd_vel():
    velocity = prompt()
    velocity.ask(CMD_VEL, np.array([0.1, 0.0, 0.0]), 1.0)
    assert velocity.get(1.0)[0] == 0.1
    velocity.ask_by_sticks(JOY, sticks(left_y=-1.0), 1.1)
    assert velocity.get(1.1)[0] == -1.0 and velocity.source == JOY
    velocity.ask_by_sticks(REMOTE, sticks(left_y=1.0), 1.2)
    assert velocity.get(1.2)[0] == 1.0 and velocity.source == REMOTE
    # Unplugged one after the other.
    velocity.ask(CMD_VEL, np.array([0.2, 0.0, 0.0]), 1.65)
    assert velocity.get(1.65)[0] == 1.0
    assert velocity.get(1.75)[0] == 0.2 and velocity.source == CMD_VEL
    assert velocity.get(2.2)[0] == 0.0


def test_a_remote_whose_sticks_rest_does_not_win():
    velocity = prompt()
    # Lost (all bytes zero), or held in a hand that does not steer.
    for state in (GamepadState(), sticks(left_x=0.08, left_y=-0.05), sticks(right_y=1.0)):
        velocity.ask_by_sticks(REMOTE, state, 1.0)
        velocity.ask(CMD_VEL, np.array([0.3, 0.0, 0.0]), 1.0)
        assert velocity.get(1.0)[0] == 0.3 and velocity.source == CMD_VEL


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_velocity_that_is_not_finite_is_zero_and_counted(bad):
    velocity = prompt()
    velocity.ask(CMD_VEL, np.array([0.3, 0.0, 0.0]), 1.0)
    velocity.ask(CMD_VEL, np.array([0.3, bad, 0.0]), 1.1)
    assert velocity.get(1.1).tolist() == [0.0, 0.0, 0.0]
    assert velocity.rejected == {CMD_VEL: 1}


@pytest.mark.parametrize("unreadable", [None, GamepadState(sticks_valid=False)])
def test_a_gamepad_that_cannot_be_read_stops_winning_at_once(unreadable):
    velocity = prompt()
    velocity.ask_by_sticks(JOY, sticks(left_y=1.0), 1.0)
    velocity.ask_by_sticks(JOY, unreadable, 1.02)
    assert velocity.get(1.02).tolist() == [0.0, 0.0, 0.0]
    assert velocity.rejected == {JOY: 1}


def test_the_command_ramps():
    velocity = command()
    velocity.ask(CMD_VEL, np.array([9.0, -9.0, 9.0]), 0.0)
    assert velocity.get(0.0).tolist() == [0.0, 0.0, 0.0]
    # 20 ms at 2, 2 and 4 a second.
    assert velocity.get(0.02) == pytest.approx([0.04, -0.04, 0.08])
    assert velocity.get(0.04) == pytest.approx([0.08, -0.08, 0.16])
    # Held up for longer than 0.1 s: one step of 0.1 s.
    assert velocity.get(0.44) == pytest.approx([0.28, -0.28, 0.56])
    # A clock that went back moves nothing.
    assert velocity.get(0.3) == pytest.approx([0.28, -0.28, 0.56])


SMALL = st.floats(-1.0, 1.0)
VELOCITIES = st.lists(st.floats(), min_size=3, max_size=3).map(np.array)
ASKED = st.one_of(
    st.tuples(st.sampled_from(SOURCES), st.one_of(st.none(), VELOCITIES)),
    st.tuples(st.sampled_from(SOURCES), st.builds(GamepadState, st.just(frozenset()), SMALL, SMALL, SMALL, SMALL)),
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(ASKED, st.floats(0.0, 1.0)), max_size=30), st.floats(0.0, 0.9), st.floats(0.0, 1e6)
)
def test_bounds_and_slew_limits_hold_and_silence_stops_the_robot(asked, deadband, now):
    velocity = command(deadband=deadband)
    before = velocity.get(now)
    for (source, value), elapsed in asked:
        if isinstance(value, GamepadState):
            velocity.ask_by_sticks(source, value, now)
        else:
            velocity.ask(source, value, now)
        now += elapsed
        after = velocity.get(now)
        assert (np.abs(after) <= BOUND).all()
        assert (np.abs(after - before) <= RATE * min(elapsed, MAX_ELAPSED) + 1e-9).all()
        before = after
    start = now
    while now <= start + TIMEOUT + TIME_TO_STOP + 2 * TICK:
        now += TICK
        after = velocity.get(now)
        assert (np.abs(after - before) <= RATE * TICK + 1e-9).all()
        before = after
    assert after.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "values",
    [
        {"bound": [1.0, 0.5]},
        {"bound": [1.0, 0.5, math.nan]},
        {"rate": [2.0, -2.0, 4.0]},
        {"rate": [2.0, math.inf, 4.0]},
        {"deadband": 1.0},
        {"deadband": -0.1},
        {"timeout": 0.0},
        {"timeout": math.inf},
    ],
)
def test_limits_that_make_no_sense_are_refused(values):
    with pytest.raises(ConfigurationError):
        VelocityCommand(**{"bound": BOUND, "rate": RATE, "deadband": 0.08, "timeout": TIMEOUT, **values})
