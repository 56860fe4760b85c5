"""The supervisor's state machine, its checks, and its output under any input."""

import copy
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import REQUESTS, TRANSITIONS, Event, Mode, next_mode
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.control.supervisor import Supervisor, SupervisorInput
from diffusion_mpc_ros.core.go2 import (
    CONTROL_DT,
    DAMPING_KD,
    DEFAULT_JOINT_POS,
    JOINT_POS_MAX,
    JOINT_POS_MIN,
    JOINT_TORQUE_MAX,
    LYING_JOINT_POS,
)
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import LowState

SETTINGS = load_safety_settings(config_file("safety.yaml"))
STAND_UP_TICKS = round((SETTINGS.fold_time + SETTINGS.stand_up_time) / CONTROL_DT)
SOUND = LinkStatus(robot_controller="", watchdog_ready=True)
ENTRY_TICKS = round(SETTINGS.entry_time / CONTROL_DT)
PLAN_TIMEOUT_TICKS = round(SETTINGS.plan_timeout / CONTROL_DT)


def make_lowstate(**changes):
    """A healthy robot at rest in the standing pose; ``roll`` [rad] tilts it."""
    roll = changes.pop("roll", 0.0)
    values = {
        "tick_ms": 0,
        "receive_time": 0.0,
        "base_quat_wxyz": np.array([np.cos(roll / 2), np.sin(roll / 2), 0.0, 0.0]),
        "base_ang_vel": np.zeros(3),
        "base_lin_acc": np.array([0.0, 0.0, 9.81]),
        "joint_pos": DEFAULT_JOINT_POS.copy(),
        "joint_vel": np.zeros(12),
        "joint_torque": np.zeros(12),
        "foot_force": np.full(4, 40.0),
        "motor_temperature": np.full(12, 40.0),
        "battery_soc": 80.0,
    }
    return LowState(**{**values, **changes})


def make_input(
    tick=0,
    *,
    request=None,
    joint_targets=None,
    age=0.002,
    lowstate=...,
    e_stop="",
    link=SOUND,
    stall=CONTROL_DT,
    took_over=False,
    held=True,
    jump=0.0,
    **changes,
):
    """A supervisor input; keyword ``changes`` go to the LowState."""
    lowstate = make_lowstate(**changes) if lowstate is ... else lowstate
    return SupervisorInput(tick, lowstate, age, joint_targets, request, e_stop, link, held, jump, stall, took_over)


def follow(supervisor, ticks, **options):
    """Step ``ticks`` times with joints that follow their targets at once; returns the outputs."""
    outputs, joint_pos = [], options.pop("joint_pos", LYING_JOINT_POS.copy())
    for tick in range(ticks):
        outputs.append(supervisor.step(make_input(tick, joint_pos=joint_pos, **options)))
        options.pop("request", None)
        if outputs[-1].mode not in (Mode.DAMPING, Mode.FAULT):
            joint_pos = outputs[-1].command.joint_pos
    return outputs


def standing():
    supervisor = Supervisor(SETTINGS)
    follow(supervisor, STAND_UP_TICKS + 2, request=Event.STAND_UP)
    assert supervisor.mode is Mode.STANDING
    return supervisor


def walking():
    supervisor = standing()
    output = supervisor.step(make_input(request=Event.WALK, joint_targets=DEFAULT_JOINT_POS))
    assert output.mode is Mode.WALKING and output.following_plan
    for _ in range(ENTRY_TICKS):
        supervisor.step(make_input(joint_targets=DEFAULT_JOINT_POS))
    return supervisor


def is_damping(command):
    return (
        not command.kp.any()
        and not command.torque.any()
        and not command.joint_vel.any()
        and (command.kd == DAMPING_KD).all()
        and np.isfinite(command.joint_pos).all()
    )


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


AT_ONCE = {
    "no LowState": {"lowstate": None},
    "LowState age": {"age": 0.11},
    "LowState age [s] nan": {"age": float("nan")},
    "joint position numbers": {"joint_pos": np.full(12, np.nan)},
    "joint velocity numbers": {"joint_vel": np.full(12, np.inf)},
    "base angular velocity numbers": {"base_ang_vel": np.array([0.0, np.nan, 0.0])},
    "motor temperature numbers": {"motor_temperature": np.full(12, np.nan)},
    "battery numbers": {"battery_soc": float("nan")},
    "quaternion": {"base_quat_wxyz": np.zeros(4)},
    "implausible joint position": {"joint_pos": np.full(12, 1e6)},
    "implausible joint velocity": {"joint_vel": np.full(12, 1e9)},
}


@pytest.mark.parametrize("cause", AT_ONCE)
@pytest.mark.parametrize("make", [standing, walking])
def test_untrusted_state_is_a_fault_at_once(make, cause):
    output = make().step(make_input(7, joint_targets=DEFAULT_JOINT_POS, **AT_ONCE[cause]))
    assert output.mode is Mode.FAULT and is_damping(output.command)
    assert output.fault.cause in cause or cause in output.fault.cause or "quaternion" in output.fault.cause
    assert output.fault.tick == 7 and output.fault.cause in output.message


@pytest.mark.parametrize(
    ("cause", "change", "value"),
    [
        ("tilt", {"roll": 1.2}, 1.2),
        ("FR_calf_joint beyond", {"joint_pos": DEFAULT_JOINT_POS + np.eye(12)[2] * 1.0}, -1.5 + 1.0 + 0.83776),
        ("RL_hip_joint speed", {"joint_vel": np.eye(12)[9] * 60.2}, 2.0),
        ("RR_thigh_joint motor is not in servo mode", {"motor_mode": np.where(np.arange(12) == 7, 9, 1)}, 9.0),
    ],
)
def test_motion_violations_are_a_fault_after_three_ticks(cause, change, value):
    supervisor = walking()
    modes = [supervisor.step(make_input(tick, joint_targets=DEFAULT_JOINT_POS, **change)).mode for tick in range(2)]
    assert modes == [Mode.WALKING] * 2
    supervisor.step(make_input(2, joint_targets=DEFAULT_JOINT_POS))  # one good sample starts the count anew
    outputs = [supervisor.step(make_input(tick, joint_targets=DEFAULT_JOINT_POS, **change)) for tick in (3, 4, 5)]
    assert [output.mode for output in outputs] == [Mode.WALKING, Mode.WALKING, Mode.FAULT]
    fault = outputs[-1].fault
    assert fault.cause.startswith(cause) and fault.value == pytest.approx(value) and fault.tick == 5


def test_a_fault_stays_until_cleared_and_clearing_needs_a_sound_robot():
    supervisor = walking()
    fault = supervisor.step(make_input(9, age=5.0)).fault
    for request in (None, Event.STAND_UP, Event.WALK, Event.SIT_DOWN, Event.DAMP):
        output = supervisor.step(make_input(20, request=request, joint_targets=DEFAULT_JOINT_POS))
        assert output.mode is Mode.FAULT and output.fault == fault and is_damping(output.command)
    refused = supervisor.step(make_input(21, request=Event.CLEAR_FAULT, roll=1.5))
    assert refused.mode is Mode.FAULT and "tilt" in refused.message
    cleared = supervisor.step(make_input(22, request=Event.CLEAR_FAULT))
    assert cleared.mode is Mode.DAMPING and cleared.fault is None


NOT_ALONE = {
    "other publishers of rt/lowcmd": {"link": dataclasses.replace(SOUND, foreign_publishers=2)},
    "the robot's own controller 'normal' is active": {"link": dataclasses.replace(SOUND, robot_controller="normal")},
    "a second source of LowState": {"link": dataclasses.replace(SOUND, foreign_lowstate="a bag (pid 3 on host)")},
    "commands cannot be sent": {"link": dataclasses.replace(SOUND, write_error="out of memory")},
    "the robot's clock ran on without this computer [s]": {"jump": 0.4},
    "the robot's clock went back [s]": {"jump": -3.0},
    "control loop stalled": {"stall": 0.12},
    "control loop stalled [s]": {"stall": float("nan")},
    "the watchdog took over": {"took_over": True},
    "emergency stop (remote)": {"e_stop": "remote"},
}


@pytest.mark.parametrize("cause", NOT_ALONE)
@pytest.mark.parametrize("make", [standing, walking])
def test_whoever_does_not_command_alone_and_steadily_faults_at_once(make, cause):
    output = make().step(make_input(5, joint_targets=DEFAULT_JOINT_POS, **NOT_ALONE[cause]))
    assert output.mode is Mode.FAULT and is_damping(output.command)
    assert output.fault.cause.startswith(cause) and output.fault.tick == 5


def test_a_link_that_is_lost_while_moving_is_no_fault():
    # The motion switcher may be slow to answer and the watchdog may have to be started anew.
    link = LinkStatus(robot_controller=None, watchdog_ready=False)
    assert walking().step(make_input(link=link, joint_targets=DEFAULT_JOINT_POS)).mode is Mode.WALKING


def test_only_an_emergency_stop_is_a_fault_in_damping():
    for change in (*AT_ONCE.values(), *NOT_ALONE.values()):
        output = Supervisor(SETTINGS).step(make_input(**change))
        assert output.mode is (Mode.FAULT if "e_stop" in change else Mode.DAMPING)


def test_an_emergency_stop_wins_against_every_request_and_holds_while_asserted():
    for request in REQUESTS:
        assert walking().step(make_input(request=request, e_stop="topic")).mode is Mode.FAULT
    supervisor = walking()
    supervisor.step(make_input(3, e_stop="topic"))
    refused = supervisor.step(make_input(4, e_stop="topic", request=Event.CLEAR_FAULT))
    assert refused.mode is Mode.FAULT and "emergency stop (topic)" in refused.message
    # Another cause meanwhile changes nothing: the first one is the one to look at.
    assert supervisor.step(make_input(5, e_stop="remote")).fault.tick == 3
    assert supervisor.step(make_input(6)).mode is Mode.FAULT
    assert supervisor.step(make_input(7, request=Event.CLEAR_FAULT)).mode is Mode.DAMPING


ARMING = {
    "state of charge is not known": {"battery_soc": None},
    "FL_calf_joint motor is not in servo mode": {"motor_mode": np.where(np.arange(12) == 5, 0, 1)},
    "a second source of LowState: a bag": {"link": dataclasses.replace(SOUND, foreign_lowstate="a bag")},
    "commands cannot be sent: no buffer": {"link": dataclasses.replace(SOUND, write_error="no buffer")},
    "LowState age": {"age": 0.06},
    "no LowState": {"lowstate": None},
    "last refused LowState: CRC": {"lowstate": None, "link": dataclasses.replace(SOUND, rejected="CRC")},
    "battery [%]: 19 (limit 20)": {"battery_soc": 19.0},
    "motor temperature": {"motor_temperature": np.full(12, 86.0)},
    "beyond its position limit": {"joint_pos": JOINT_POS_MAX + 0.16},
    "tilt": {"roll": 1.0},
    "motion switcher": {"link": dataclasses.replace(SOUND, robot_controller=None)},
    "'ai' commands the motors: diffusion-mpc release": {"link": dataclasses.replace(SOUND, robot_controller="ai")},
    "1 other program(s) publish rt/lowcmd": {"link": dataclasses.replace(SOUND, foreign_publishers=1)},
    "watchdog": {"link": dataclasses.replace(SOUND, watchdog_ready=False)},
    "SHA-256": {"link": dataclasses.replace(SOUND, artefact_error="the artefact's SHA-256 differs")},
    "milliseconds": {"link": dataclasses.replace(SOUND, clock_error="no milliseconds")},
}


def test_a_robot_that_never_tells_its_charge_stands_up_without():
    silent = dataclasses.replace(SOUND, tells_charge=False)
    started = Supervisor(SETTINGS).step(make_input(request=Event.STAND_UP, battery_soc=None, link=silent))
    assert started.mode is Mode.STANDING_UP
    # What it does tell counts.
    refused = Supervisor(SETTINGS).step(make_input(request=Event.STAND_UP, battery_soc=5.0, link=silent))
    assert refused.mode is Mode.DAMPING and "battery [%]: 5 (limit 20)" in refused.message


@pytest.mark.parametrize("words", ARMING)
def test_arming_refuses_in_words(words):
    supervisor = Supervisor(SETTINGS)
    output = supervisor.step(make_input(request=Event.STAND_UP, **ARMING[words]))
    assert output.mode is Mode.DAMPING and is_damping(output.command)
    assert output.message.startswith("stand_up refused: ") and words in output.message


def test_arming_names_every_obstacle_at_once_and_a_sound_robot_stands_up():
    supervisor = Supervisor(SETTINGS)
    refused = supervisor.step(make_input(request=Event.STAND_UP, battery_soc=5.0, link=LinkStatus())).message
    assert all(word in refused for word in ("battery", "motion switcher", "watchdog"))
    assert supervisor.step(make_input(request=Event.STAND_UP)).mode is Mode.STANDING_UP


def test_arming_is_asked_for_once_walking_may_go_on_with_less():
    supervisor = walking()
    weak = {"battery_soc": 15.0, "age": 0.08, "joint_targets": DEFAULT_JOINT_POS}
    assert supervisor.step(make_input(**weak)).mode is Mode.WALKING
    assert supervisor.step(make_input(request=Event.STAND_UP, **weak)).mode is Mode.STANDING


@pytest.mark.parametrize("change", [{"battery_soc": 9.0}, {"motor_temperature": np.full(12, 90.0)}])
def test_wear_sits_down_and_refuses_to_stand(change):
    supervisor = walking()
    ticks = round(SETTINGS.wear_time / CONTROL_DT)
    outputs = [supervisor.step(make_input(joint_targets=DEFAULT_JOINT_POS, **change)) for _ in range(ticks)]
    assert all(output.mode is Mode.WALKING for output in outputs[:-1])
    output = outputs[-1]
    assert output.mode is Mode.SITTING_DOWN and not is_damping(output.command) and output.message
    outputs = follow(supervisor, 200, joint_pos=DEFAULT_JOINT_POS, **change)
    assert outputs[-1].mode is Mode.DAMPING and outputs[-1].fault is None
    assert "refused" in supervisor.step(make_input(request=Event.STAND_UP, **change)).message


def test_refusals_name_the_possible_requests():
    output = Supervisor(SETTINGS).step(make_input(request=Event.WALK))
    assert output.mode is Mode.DAMPING
    assert output.message == "walk refused in mode damping; possible: ['stand_up', 'damp']"
    assert "refused" in Supervisor(SETTINGS).step(make_input(request="fly")).message
    assert "tilt" in Supervisor(SETTINGS).step(make_input(request=Event.STAND_UP, roll=1.0)).message


def test_internal_events_cannot_be_requested():
    supervisor = standing()
    assert supervisor.step(make_input(request=Event.PLAN_LOST)).mode is Mode.STANDING


def test_a_stop_during_another_fault_is_a_fault_of_its_own():
    supervisor = walking()
    supervisor.step(make_input(3, age=1.0))
    assert supervisor.step(make_input(4, e_stop="service")).fault.cause.startswith("LowState age")
    cleared = supervisor.step(make_input(5, request=Event.CLEAR_FAULT))
    assert cleared.mode is Mode.FAULT and cleared.fault.cause == "emergency stop (service)" and cleared.fault.tick == 4
    assert "LowState age" in cleared.message and is_damping(cleared.command)
    assert supervisor.step(make_input(6, request=Event.CLEAR_FAULT)).mode is Mode.DAMPING


def test_one_bad_reading_of_battery_or_heat_ends_no_walk():
    supervisor = walking()
    hot = np.where(np.arange(12) == 4, 120.0, 40.0)
    for tick in range(300):
        change = {"battery_soc": 0.0} if tick % 100 == 50 else {"motor_temperature": hot} if tick % 100 == 51 else {}
        assert supervisor.step(make_input(tick, joint_targets=DEFAULT_JOINT_POS, **change)).mode is Mode.WALKING
    unknown = [supervisor.step(make_input(joint_targets=DEFAULT_JOINT_POS, battery_soc=None)) for _ in range(300)]
    assert unknown[-1].mode is Mode.WALKING


def test_a_blocked_joint_is_a_fault_within_little_more_than_a_second():
    supervisor = standing()
    # The calf is held 0.8 rad from its target: 60 N m/rad * 0.8 = 48 N m, clamped to 45.43: the whole limit.
    # The mean 1 - (1 - 0.02 / 1)^n passes 0.6 at n = ln 0.4 / ln 0.98 = 45.4, and is looked at one tick later; a
    # little of the effort of standing up is still in it.
    blocked = DEFAULT_JOINT_POS - 0.8 * np.eye(12)[2]
    outputs = [supervisor.step(make_input(tick, joint_pos=blocked)) for tick in range(48)]
    assert [output.mode for output in outputs[:44]] == [Mode.STANDING] * 44
    assert outputs[-1].mode is Mode.FAULT and outputs[-1].fault.cause.startswith("FR_calf_joint is blocked")
    # Damped, nothing of it is left.
    supervisor.step(make_input(request=Event.CLEAR_FAULT))
    assert supervisor.step(make_input(request=Event.STAND_UP)).mode is Mode.STANDING_UP


def test_a_joint_that_moves_is_not_blocked_however_hard_it_works():
    supervisor = standing()
    lagging = DEFAULT_JOINT_POS - 0.8 * np.eye(12)[2]
    moving = 2.0 * np.eye(12)[2]
    # The mean speed reaches 1 rad/s, half of 2, before the mean torque reaches its limit: begin with joints that move.
    for _ in range(20):
        supervisor.step(make_input(joint_vel=moving))
    outputs = [supervisor.step(make_input(joint_pos=lagging, joint_vel=moving)) for _ in range(100)]
    assert outputs[-1].mode is Mode.STANDING


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


WILD = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def inputs(draw):
    """Mostly a sound robot, often a bad one, sometimes garbage."""
    seed, kind = draw(st.integers(0, 2**31)), draw(st.sampled_from(["sound", "sound", "sound", "fast", "wild"]))
    rng = np.random.default_rng(seed)
    changes = {"joint_pos": rng.uniform(JOINT_POS_MIN, JOINT_POS_MAX), "joint_vel": rng.normal(0.0, 3.0, 12)}
    targets = rng.uniform(JOINT_POS_MIN - 1.0, JOINT_POS_MAX + 1.0) if rng.random() < 0.7 else None
    if kind == "fast":
        changes["joint_vel"] = rng.normal(0.0, 40.0, 12)
        changes["roll"] = rng.uniform(-3.0, 3.0)
    if kind == "wild":
        name = draw(st.sampled_from(["joint_pos", "joint_vel", "base_quat_wxyz", "motor_temperature", "battery_soc"]))
        value = draw(WILD)
        changes[name] = value if name == "battery_soc" else np.full(4 if name == "base_quat_wxyz" else 12, value)
        targets = np.full(12, draw(WILD))
    request = draw(st.sampled_from([None, None, *REQUESTS]))
    age = draw(st.sampled_from([0.001, 0.001, 0.001, 0.05, 0.2]))
    lowstate = None if rng.random() < 0.02 else make_lowstate(**changes)
    return SupervisorInput(draw(st.integers(0, 10**9)), lowstate, age, targets, request, link=SOUND, held=True)


def assert_within_limits(output, previous_targets, lowstate):
    command = output.command
    assert all(np.isfinite(getattr(command, field.name)).all() for field in dataclasses.fields(command))
    assert (command.kp >= 0).all() and (command.kd >= 0).all()
    if output.mode in (Mode.DAMPING, Mode.FAULT):
        assert is_damping(command)
        return
    assert (command.joint_pos >= JOINT_POS_MIN).all() and (command.joint_pos <= JOINT_POS_MAX).all()
    reach = SETTINGS.joint_target_rate_max * CONTROL_DT
    assert (np.abs(command.joint_pos - previous_targets) <= reach + 1e-12).all()
    torque = command.kp * (command.joint_pos - lowstate.joint_pos) - command.kd * lowstate.joint_vel
    assert (np.abs(torque) <= JOINT_TORQUE_MAX * SETTINGS.torque_factor * (1 + 1e-12)).all()


STARTS = {"damping": Supervisor(SETTINGS), "standing": standing(), "walking": walking()}


@settings(max_examples=100, deadline=None)
@given(st.lists(inputs(), min_size=1, max_size=30), st.sampled_from(sorted(STARTS)))
def test_whatever_arrives_the_output_is_finite_and_within_limits(sequence, start):
    supervisor, twin = copy.deepcopy(STARTS[start]), copy.deepcopy(STARTS[start])
    previous_targets, faulted = None if start == "damping" else DEFAULT_JOINT_POS, False
    for item in sequence:
        output = supervisor.step(item)
        again = twin.step(item)
        assert output.mode is again.mode and (output.command.joint_pos == again.command.joint_pos).all()
        if previous_targets is None and item.lowstate is not None:
            previous_targets = np.clip(item.lowstate.joint_pos, JOINT_POS_MIN, JOINT_POS_MAX)
        assert_within_limits(output, previous_targets, item.lowstate)
        if faulted and item.request is not Event.CLEAR_FAULT:
            assert output.mode is Mode.FAULT
        faulted = output.mode is Mode.FAULT
        assert (output.fault is not None) == faulted
        passive = output.mode in (Mode.DAMPING, Mode.FAULT)
        previous_targets = None if passive else output.command.joint_pos


def test_a_thousand_ticks_of_noise_never_leave_the_limits():
    # Joints that are thrown about are no blocked ones: the mean torque never passes the whole limit.
    supervisor, rng = Supervisor(dataclasses.replace(SETTINGS, blocked_torque=1.0)), np.random.default_rng(3)
    follow(supervisor, STAND_UP_TICKS + 2, request=Event.STAND_UP)
    previous = DEFAULT_JOINT_POS
    for tick in range(1000):
        lowstate = make_lowstate(
            joint_pos=rng.uniform(JOINT_POS_MIN, JOINT_POS_MAX), joint_vel=rng.normal(0.0, 8.0, 12).clip(-20, 20)
        )
        request = Event.WALK if tick % 50 == 0 else None
        output = supervisor.step(SupervisorInput(tick, lowstate, 0.0, rng.normal(0.0, 3.0, 12), request, held=True))
        assert output.mode is Mode.WALKING
        assert_within_limits(output, previous, lowstate)
        previous = output.command.joint_pos


def test_a_state_too_old_to_go_on_with_is_too_old_to_stand_up_from():
    lax = dataclasses.replace(SETTINGS, lowstate_age_max=0.05, arming_lowstate_age_max=0.5)
    refused = Supervisor(lax).step(make_input(request=Event.STAND_UP, age=0.1))
    assert refused.mode is Mode.DAMPING and "LowState age [s]: 0.1 (limit 0.05)" in refused.message
