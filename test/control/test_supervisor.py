"""The supervisor's state machine: its modes, how it gets from one to another, what it commands meanwhile."""

import numpy as np
import pytest
from supervisors import ENTRY_TICKS, SETTINGS, STAND_UP_TICKS, follow, is_damping, make_input, standing, walking

from diffusion_mpc_ros.control.modes import TRANSITIONS, Event, Mode, next_mode
from diffusion_mpc_ros.control.supervisor import Supervisor
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS, JOINT_POS_MAX, JOINT_POS_MIN, LYING_JOINT_POS

PLAN_TIMEOUT_TICKS = round(SETTINGS.plan_timeout / CONTROL_DT)


def test_the_transition_table():
    assert set(TRANSITIONS) == set(Mode)
    assert all(next_mode(mode, Event.FAULT) is Mode.FAULT for mode in Mode if mode is not Mode.FAULT)
    assert all(next_mode(mode, Event.DAMP) in (Mode.DAMPING, Mode.FAULT) for mode in Mode)
    # Only standing leads to walking, and only clearing leads out of a fault.
    assert [mode for mode in Mode if next_mode(mode, Event.WALK) and mode is not Mode.WALKING] == [Mode.STANDING]
    assert {event for event in Event if next_mode(Mode.FAULT, event) not in (None, Mode.FAULT)} == {Event.CLEAR_FAULT}


def test_starts_in_damping_and_stays_there():
    outputs = follow(Supervisor(SETTINGS), 5)
    assert all(output.mode is Mode.DAMPING and is_damping(output.command) for output in outputs)


def test_stands_up_from_the_measured_pose_with_ramped_gains():
    start = LYING_JOINT_POS + 0.05
    outputs = follow(Supervisor(SETTINGS), STAND_UP_TICKS + 20, request=Event.STAND_UP, joint_pos=start)
    # kp_rate 200 N m/rad/s * 0.02 s = 4 a tick from 0: 4, 8, ..., 60 at the 15th tick; kd is 5 from damping on.
    assert [output.command.kp[0] for output in outputs[:16]] == [min(4.0 * n, 60.0) for n in range(1, 17)]
    assert all((output.command.kd == 5.0).all() for output in outputs)
    assert np.abs(outputs[0].command.joint_pos - start).max() < 0.01
    steps = np.abs(np.diff([output.command.joint_pos for output in outputs], axis=0))
    # Smoothstep peaks at 1.5 times the mean speed: 1.5 * 1.15 rad / 1.5 s * 0.02 s = 0.023 rad a tick.
    assert steps.max() < 0.024
    assert outputs[STAND_UP_TICKS - 2].mode is Mode.STANDING_UP
    assert outputs[-1].mode is Mode.STANDING
    assert outputs[-1].command.joint_pos == pytest.approx(DEFAULT_JOINT_POS)


def test_walking_follows_the_rows_untouched_at_the_walking_gains():
    supervisor = walking()
    rng, joint_pos = np.random.default_rng(0), DEFAULT_JOINT_POS.copy()
    for tick in range(10):
        # Leads of up to 0.45 rad and jumps of up to 0.5 rad, as a trot's: 40 * 0.45 = 18 N m < 23.7.
        target = np.clip(joint_pos + rng.uniform(-0.45, 0.45, 12), JOINT_POS_MIN, JOINT_POS_MAX)
        output = supervisor.step(make_input(tick, joint_pos=joint_pos, joint_targets=target))
        joint_pos = joint_pos + np.clip(target - joint_pos, -0.05, 0.05)
        if tick >= 4:  # kp 60 -> 40 in 5 ticks, kd 5 -> 1 in 5 ticks
            assert (output.command.kp == 40.0).all() and output.command.kd == pytest.approx(1.0)
            assert (output.command.joint_pos == target).all() and output.clamped == 0


def test_losing_the_plan_settles_then_stands():
    supervisor = walking()
    row = DEFAULT_JOINT_POS + 0.3
    supervisor.step(make_input(joint_targets=row))
    outputs = [supervisor.step(make_input(tick)) for tick in range(PLAN_TIMEOUT_TICKS + 1)]
    assert not any(output.following_plan for output in outputs)
    assert all(output.mode is Mode.WALKING for output in outputs[:-1])
    assert outputs[-1].mode is Mode.STANDING and "no plan" in outputs[-1].message
    assert np.abs(outputs[0].command.joint_pos - row).max() < 0.02  # begins where the plan ended
    assert outputs[round(0.3 / CONTROL_DT)].command.joint_pos == pytest.approx(DEFAULT_JOINT_POS)
    # A plan that comes back does not set a standing robot walking.
    assert not supervisor.step(make_input(joint_targets=row)).following_plan


def test_a_short_gap_is_bridged():
    supervisor = walking()
    assert supervisor.step(make_input()).mode is Mode.WALKING
    assert supervisor.step(make_input(joint_targets=DEFAULT_JOINT_POS)).following_plan


@pytest.mark.parametrize("row", [np.full(12, np.nan), np.full(12, np.inf), np.zeros(11), np.zeros((1, 12))])
def test_an_unusable_row_is_no_row(row):
    output = walking().step(make_input(joint_targets=row))
    assert not output.following_plan and np.isfinite(output.command.joint_pos).all()


def test_sits_down_by_way_of_the_standing_pose_then_damps():
    supervisor = walking()
    ticks = round((SETTINGS.settle_time + SETTINGS.sit_down_time) / CONTROL_DT)
    outputs = follow(supervisor, ticks + 2, request=Event.SIT_DOWN, joint_pos=DEFAULT_JOINT_POS)
    assert outputs[0].mode is Mode.SITTING_DOWN
    moving = [output for output in outputs if output.mode is Mode.SITTING_DOWN]
    assert moving[-1].command.joint_pos == pytest.approx(LYING_JOINT_POS)
    assert outputs[-1].mode is Mode.DAMPING and is_damping(outputs[-1].command)


def test_refusals_name_the_possible_requests():
    output = Supervisor(SETTINGS).step(make_input(request=Event.WALK))
    assert output.mode is Mode.DAMPING
    assert output.message == "walk refused in mode damping; possible: ['stand_up', 'damp']"
    assert "refused" in Supervisor(SETTINGS).step(make_input(request="fly")).message
    assert "tilt" in Supervisor(SETTINGS).step(make_input(request=Event.STAND_UP, roll=1.0)).message


def test_internal_events_cannot_be_requested():
    supervisor = standing()
    assert supervisor.step(make_input(request=Event.PLAN_LOST)).mode is Mode.STANDING


def test_entering_a_walk_fades_into_the_rows():
    supervisor, row = standing(), DEFAULT_JOINT_POS + 0.3 * np.eye(12)[4]
    request, targets = Event.WALK, [DEFAULT_JOINT_POS]
    for _ in range(ENTRY_TICKS + 2):
        targets.append(supervisor.step(make_input(request=request, joint_targets=row)).command.joint_pos)
        request = None
    # 0.3 rad in 10 ticks: 0.03 rad a tick.
    assert np.abs(np.diff(targets, axis=0)).max() == pytest.approx(0.03)
    assert (targets[-1] == row).all()


def test_a_robot_that_nobody_holds_stands_still_while_walking_and_goes_on_when_somebody_does():
    supervisor, row = walking(), DEFAULT_JOINT_POS + 0.3
    ticks = round(SETTINGS.unheld_time / CONTROL_DT)
    outputs = [supervisor.step(make_input(joint_targets=row, held=False)) for _ in range(ticks + 100)]
    assert [output.following_plan for output in outputs[: ticks - 1]] == [True] * (ticks - 1)
    assert not any(output.following_plan for output in outputs[ticks:])
    assert outputs[-1].mode is Mode.WALKING and outputs[-1].command.joint_pos == pytest.approx(DEFAULT_JOINT_POS)
    assert supervisor.step(make_input(joint_targets=row)).following_plan


def test_walking_is_refused_without_a_plan():
    output = standing().step(make_input(request=Event.WALK))
    assert output.mode is Mode.STANDING and "no plan" in output.message
