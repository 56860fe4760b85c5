"""Who holds the robot: taking, keeping, letting go, falling silent; what cannot be used moves nothing."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.control.authority import JOY, MAX_PROGRAMS, PEOPLE, REMOTE, VelocityAuthority
from diffusion_mpc_ros.control.command_ramp import MAX_ELAPSED, CommandRamp
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.gamepad import GamepadState

TIMEOUT = 0.5
MIDDLE, FORWARD = GamepadState(), GamepadState(left_y=1.0)
BROKEN = GamepadState(sticks_valid=False)
NAV, BAG = "cmd_vel nav", "cmd_vel bag"


def make_authority():
    return VelocityAuthority((1.0, 0.5, 1.0), 0.08, TIMEOUT)


class Robot:
    """An authority and a clock; every word is heard at the present time."""

    def __init__(self):
        self.authority, self.now, self.walking = make_authority(), 100.0, True

    def sticks(self, source, state, enabled=None):
        self.authority.hear_sticks(source, state, self.now, enabled)

    def program(self, source, vx=0.3):
        self.authority.hear_velocity(source, np.array([vx, 0.0, 0.0]), self.now)

    def holding(self, after=0.0):
        self.now += after
        return self.authority.update(self.now, self.walking)


def test_nobody_holds_the_robot_at_first():
    holding = Robot().holding()
    assert holding.holder == "" and not holding.alive and not holding.velocity.any()


def test_a_program_holds_it_by_publishing_and_lets_go_by_silence():
    robot = Robot()
    robot.program(NAV, 0.3)
    assert robot.holding().velocity.tolist() == [0.3, 0.0, 0.0]
    assert robot.holding(TIMEOUT).alive
    gone = robot.holding(0.01)
    assert gone.holder == "" and not gone.velocity.any()


def test_of_two_programs_the_first_keeps_it_until_it_is_silent():
    robot = Robot()
    for _ in range(20):
        robot.program(NAV, 0.3)
        robot.program(BAG, -0.9)
        assert robot.holding(0.05).holder == NAV
    for _ in range(9):
        robot.program(BAG, -0.9)
        assert robot.holding(0.05).velocity[0] in (0.3, 0.0)
    for _ in range(3):
        robot.program(BAG, -0.9)
        taken = robot.holding(0.05)
    assert taken.holder == BAG


@pytest.mark.parametrize(("source", "enabled"), [(REMOTE, None), (JOY, True)])
def test_sticks_count_once_they_were_in_the_middle(source, enabled):
    robot = Robot()
    for _ in range(10):
        robot.sticks(source, FORWARD, enabled)
        assert robot.holding(0.02).holder == ""
    robot.sticks(source, MIDDLE, enabled)
    robot.holding(0.02)
    robot.sticks(source, FORWARD, enabled)
    assert robot.holding(0.02).velocity.tolist() == [1.0, 0.0, 0.0]


def test_a_gamepad_moves_nothing_without_its_dead_man():
    robot = Robot()
    robot.sticks(JOY, MIDDLE, False)
    robot.sticks(JOY, FORWARD, False)
    assert robot.holding().holder == ""
    robot.sticks(JOY, FORWARD, True)
    assert robot.holding().velocity[0] == 1.0
    robot.program(NAV)
    robot.sticks(JOY, FORWARD, False)
    assert robot.holding().holder == NAV  # let go, on purpose


@pytest.mark.parametrize(("source", "enabled"), [(REMOTE, None), (JOY, True)])
def test_sticks_that_fall_silent_hand_over_to_nobody(source, enabled):
    robot = Robot()
    for state in (MIDDLE, FORWARD):
        robot.sticks(source, state, enabled)
    assert robot.holding().alive
    for _ in range(100):
        robot.program(NAV)
        silent = robot.holding(0.05)
    assert (silent.holder, silent.alive) == (source, False) and not silent.velocity.any()
    # Back with the stick still pushed: it was not seen in the middle since.
    robot.sticks(source, FORWARD, enabled)
    back = robot.holding()
    assert back.holder == source and not back.velocity.any()
    robot.sticks(source, MIDDLE, enabled)
    robot.sticks(source, FORWARD, enabled)
    assert robot.holding().velocity[0] == 1.0


def test_a_silent_person_keeps_it_only_while_it_walks():
    robot = Robot()
    robot.sticks(JOY, MIDDLE, True)
    robot.holding()
    robot.walking = False
    robot.program(NAV)
    assert robot.holding(0.1).holder == JOY
    robot.now += TIMEOUT
    robot.program(NAV)
    assert robot.holding().holder == NAV


def test_people_come_before_programs_and_the_remote_first():
    robot = Robot()
    robot.program(NAV)
    assert robot.holding().holder == NAV
    robot.sticks(JOY, MIDDLE, True)
    assert robot.holding().holder == JOY
    robot.sticks(REMOTE, MIDDLE)
    assert robot.holding().holder == JOY  # at rest it asks for nothing
    robot.sticks(REMOTE, FORWARD)
    assert robot.holding().holder == REMOTE
    robot.sticks(REMOTE, MIDDLE)
    assert robot.holding().holder == JOY


def test_sticks_that_cannot_be_read_move_nothing_and_change_no_hands():
    robot = Robot()
    robot.sticks(JOY, BROKEN, True)
    assert robot.holding().holder == ""
    for state in (MIDDLE, FORWARD, BROKEN):
        robot.sticks(JOY, state, True)
    robot.program(NAV)
    broken = robot.holding()
    assert broken.holder == JOY and not broken.velocity.any()
    assert robot.authority.rejected == {JOY: 2}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_velocity_that_is_not_finite_counts_as_zero(value):
    robot = Robot()
    robot.program(NAV, value)
    holding = robot.holding()
    assert holding.alive and not holding.velocity.any() and robot.authority.rejected == {NAV: 1}


def test_sticks_count_from_the_edge_of_the_deadband():
    robot = Robot()
    robot.sticks(REMOTE, MIDDLE)
    # (0.54 - 0.08) / 0.92 = 0.5 of (1, 0.5, 1); right is negative.
    robot.sticks(REMOTE, GamepadState(left_x=0.54, left_y=0.08, right_x=-0.54))
    assert robot.holding().velocity == pytest.approx([0.0, -0.25, 0.5])


def test_the_programs_that_are_remembered_are_bounded():
    robot = Robot()
    for number in range(10 * MAX_PROGRAMS):
        robot.program(f"cmd_vel {number}")
    assert len(robot.authority._sources) <= MAX_PROGRAMS + len(PEOPLE)


@pytest.mark.parametrize("change", [{"stick": (1.0, 1.0)}, {"stick": (1, -1, 1)}, {"deadband": 1.0}, {"timeout": 0.0}])
def test_settings_that_make_no_sense_are_refused(change):
    values = {"stick": (1.0, 0.5, 1.0), "deadband": 0.08, "timeout": TIMEOUT, **change}
    with pytest.raises(ConfigurationError):
        VelocityAuthority(values["stick"], values["deadband"], values["timeout"])


WORDS = st.one_of(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.builds(GamepadState, left_y=st.sampled_from([0.0, 1.0]), sticks_valid=st.booleans()),
        st.booleans(),
    ),
    st.tuples(st.sampled_from([NAV, BAG]), st.floats(allow_nan=True), st.none()),
)


@given(st.lists(st.tuples(WORDS, st.sampled_from([0.0, 0.02, 0.4, 0.6]), st.booleans()), max_size=40))
def test_whatever_is_said_the_robot_moves_only_for_a_living_holder(story):
    robot, heard = Robot(), {}
    for (source, word, enabled), pause, walking in story:
        robot.walking = walking
        if source in PEOPLE:
            state = word if word.sticks_valid else dataclasses.replace(word, left_y=0.0)
            robot.sticks(source, state, enabled if source == JOY else None)
        else:
            robot.program(source, word)
        heard[source] = robot.now
        holding = robot.holding(pause)
        assert np.isfinite(holding.velocity).all() and (np.abs(holding.velocity[1:]) <= 1.0).all()
        assert holding.alive == (holding.holder != "" and robot.now - heard[holding.holder] <= TIMEOUT)
        assert holding.alive or not holding.velocity.any()


def test_the_command_ramps_within_bound_and_rate():
    ramp = CommandRamp((1.0, 0.5, 1.0), (2.0, 2.0, 4.0))
    assert not ramp.get(np.ones(3), 0.0).any()
    # 2 m/s^2 * 0.02 s = 0.04 m/s a tick.
    assert ramp.get(np.ones(3), 0.02) == pytest.approx([0.04, 0.04, 0.08])
    # However long it was not asked: no more than MAX_ELAPSED allows.
    assert ramp.get(np.ones(3), 60.0) == pytest.approx([0.04 + 2 * MAX_ELAPSED, 0.04 + 2 * MAX_ELAPSED, 0.48])
    for time in itertools.islice(itertools.count(60.0, 0.1), 20):
        command = ramp.get(np.full(3, 9.0), time)
    assert command.tolist() == [1.0, 0.5, 1.0]
    assert ramp.get(np.ones(3), 10.0).tolist() == [1.0, 0.5, 1.0]  # a clock that goes back moves nothing


@pytest.mark.parametrize("bad", [(1.0, 1.0), (1.0, np.nan, 1.0), (1.0, -0.1, 1.0)])
def test_bounds_that_make_no_sense_are_refused(bad):
    with pytest.raises(ConfigurationError, match="three finite numbers >= 0"):
        CommandRamp(bad, (1.0, 1.0, 1.0))
    with pytest.raises(ConfigurationError, match="max_command_rate"):
        CommandRamp((1.0, 1.0, 1.0), bad)
