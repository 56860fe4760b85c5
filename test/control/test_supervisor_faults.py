"""What the supervisor takes for a fault, at once or after a while, and what it bears."""

import dataclasses

import numpy as np
import pytest
from supervisors import SETTINGS, SOUND, follow, is_damping, make_input, standing, walking

from diffusion_mpc_ros.control.link_status import LinkStatus
from diffusion_mpc_ros.control.modes import REQUESTS, Event, Mode
from diffusion_mpc_ros.control.supervisor import Supervisor
from diffusion_mpc_ros.core.go2 import CONTROL_DT, DEFAULT_JOINT_POS

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
