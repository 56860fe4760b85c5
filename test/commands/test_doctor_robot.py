"""What doctor says of LowStates and of the robot, from hand-made ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from lowstates import STANDING

from diffusion_mpc_ros.commands.doctor import hardware, lowstates, robot
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Status
from diffusion_mpc_ros.commands.doctor.listener import Observation
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, JOINT_POS_MAX
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.estimation import kinematics
from diffusion_mpc_ros.go2.participants import TopicPublisher
from diffusion_mpc_ros.go2.remote import encode_remote

SETTINGS = load_safety_settings(config_file("safety.yaml"))
PUBLISHER = "diffusion_mpc_ros command_publisher"
OWN, OWN_WATCHDOG = TopicPublisher(f"{PUBLISHER} 1f"), TopicPublisher(f"{PUBLISHER} 1f watchdog")
HERE, THERE = TopicPublisher("", "laptop", "go2_ctrl", "42"), TopicPublisher("another", "go2", "sport", "7")
STATE = dataclasses.replace(STANDING, motor_temperature=np.full(12, 40.0))


def observation(period: float = 0.002, duration: float = 1.5, refused: int = 0, clock: float = 1.0) -> Observation:
    """Samples every ``period`` [s] of a robot whose clock runs ``clock`` times as fast as the local one."""
    times = np.arange(0.0, duration, period)
    ticks = np.rint(times * 1e3 * clock).astype(int)
    return Observation(ticks.tolist(), (1000.0 + times).tolist(), duration, refused, "wrong CRC" if refused else "")


@pytest.mark.parametrize(
    ("heard", "refused", "real", "status", "text"),
    [
        (True, 0, False, Status.OK, "domain 7 on lo"),
        (False, 12, False, Status.BAD, "all 12 samples are refused, the last: wrong CRC"),
        (False, 0, False, Status.SKIPPED, "no robot and no simulator speaks in domain 7 on lo"),
        (False, 0, True, Status.BAD, "silent in domain 7 on lo"),
    ],
)
def test_lowstate(heard, refused, real, status, text):
    found = lowstates.judge_lowstate(heard, refused, "wrong CRC", Context("lo", 7, robot=real))
    assert found.status is status and text in found.text


def test_silence_names_the_likely_causes_in_order():
    remedy = lowstates.judge_lowstate(False, 0, "", Context("eth0", 0, robot=True)).remedy
    places = [remedy.index(word) for word in ("card", "domain", "robot on", "multicast")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("period", "status"),
    [
        (0.002, Status.OK),
        (1.0 / 450.0, Status.OK),
        (0.0025, Status.WARNING),
        (0.01, Status.WARNING),
        (0.0101, Status.BAD),
    ],
)
def test_rate(period, status):
    found = lowstates.judge_rate(observation(period), 500.0)
    assert found.status is status and bool(found.remedy) == (status is not Status.OK)


def test_refused_samples_count_towards_the_rate_and_not_as_lost():
    """500 samples a second of which every other one is refused."""
    half = observation(0.004, refused=375)
    assert half.samples == 750
    assert lowstates.judge_rate(half, 500.0).status is Status.OK and "500 Hz" in lowstates.judge_rate(half, 500.0).text
    assert lowstates.lost_share(half) == 0.0


def test_no_sample_at_all_is_bad():
    nothing = Observation([], [], 1.5)
    assert lowstates.judge_rate(nothing, 500.0).status is Status.BAD
    assert lowstates.judge_gaps(nothing, SETTINGS).status is Status.BAD
    assert lowstates.judge_clock(nothing).status is Status.BAD


def test_lost_share_by_hand():
    # 2 ms steps, and one of 8 ms: 3 are missing beside 5 that came.
    assert lowstates.lost_share(Observation([0, 2, 4, 12, 14], [0.0] * 5, 0.014)) == pytest.approx(3 / 8)
    # One of the three came and was refused: 2 are missing beside 6.
    assert lowstates.lost_share(Observation([0, 2, 4, 12, 14], [0.0] * 5, 0.014, refused=1)) == pytest.approx(2 / 8)
    assert lowstates.lost_share(Observation([5, 5, 5], [0.0, 0.1, 0.2], 0.2)) == 0.0


@pytest.mark.parametrize(("pause", "status"), [(0.0, Status.OK), (0.03, Status.WARNING), (0.12, Status.BAD)])
def test_gaps(pause, status):
    """A pause at the receiver: nothing is lost, half of the samples come later."""
    whole = observation()
    times = np.asarray(whole.times)
    times[len(times) // 2 :] += pause
    found = lowstates.judge_gaps(dataclasses.replace(whole, times=times.tolist()), SETTINGS)
    assert found.status is status and f"{2 + 1e3 * pause:.0f} ms" in found.text and "0.0 % lost" in found.text


def test_losing_every_tenth_sample_is_a_warning():
    whole = observation()
    kept = [index for index in range(len(whole.times)) if index % 10]
    thinned = Observation([whole.ticks_ms[i] for i in kept], [whole.times[i] for i in kept], whole.duration)
    found = lowstates.judge_gaps(thinned, SETTINGS)
    # The 74 in between: the first of all is not missed.
    assert found.status is Status.WARNING and "9.9 % lost" in found.text


@pytest.mark.parametrize(("refused", "status"), [(0, Status.OK), (1, Status.BAD), (75, Status.BAD)])
def test_integrity(refused, status):
    found = lowstates.judge_integrity(observation(refused=refused))
    assert found.status is status and ("the last: wrong CRC" in found.text) == (refused > 0)
    assert bool(found.remedy) == (refused > 0)


@pytest.mark.parametrize(
    ("clock", "status"),
    [(1.0, Status.OK), (1.04, Status.OK), (0.96, Status.OK), (1.06, Status.BAD), (0.5, Status.BAD), (0.0, Status.BAD)],
)
def test_clock_rate(clock, status):
    found = lowstates.judge_clock(observation(clock=clock))
    assert found.status is status and f"by {1000 * clock:.0f} ms" in found.text


def test_a_clock_that_jumps_shortly_before_the_end_is_bad():
    """The line through all samples hardly tilts; the jump is found all the same."""
    whole = observation()
    ticks = np.asarray(whole.ticks_ms)
    ticks[-5:] += 600
    found = lowstates.judge_clock(dataclasses.replace(whole, ticks_ms=ticks.tolist()))
    assert found.status is Status.BAD and "jumped 1 times" in found.text


@pytest.mark.parametrize(
    ("charge", "status"),
    [(80.0, Status.OK), (30.0, Status.OK), (29.0, Status.WARNING), (20.0, Status.WARNING), (19.0, Status.BAD)],
)
def test_battery(charge, status):
    found = robot.judge_battery(charge, SETTINGS)
    assert found.status is status and ("charge" in found.remedy) == (status is not Status.OK)


def test_an_unknown_charge_is_said_to_be_unknown():
    found = robot.judge_battery(None, SETTINGS)
    assert found.status is Status.WARNING and found.text.startswith("unknown") and found.remedy


def test_an_impossible_cold_is_a_warning_and_frost_is_none():
    # 130 degC in the IDL's unsigned byte.
    found = robot.judge_temperature(np.array([40.0] * 11 + [-126.0]), SETTINGS)
    assert found.status is Status.WARNING and "RL_calf_joint says -126 degC" in found.text
    assert robot.judge_temperature(np.full(12, -5.0), SETTINGS).status is Status.OK


LEG_LOAD = 37.0
LEGS_JACOBIAN = kinematics.leg_kinematics(DEFAULT_JOINT_POS).jacobian_b
# tau = -J^T f: every leg carries 37 N.
CARRYING = -np.einsum("lji,j->li", LEGS_JACOBIAN, np.array([0.0, 0.0, LEG_LOAD])).ravel()


def foot_finding(readings, *, standing: bool = True):
    """``readings (4,)`` or ``(N, 4)`` raw."""
    torque = CARRYING if standing else np.zeros(12)
    rows = np.atleast_2d(np.asarray(readings, dtype=np.float64))
    return hardware.judge_feet([dataclasses.replace(STATE, joint_torque=torque, foot_force=row) for row in rows])


@pytest.mark.parametrize(
    ("readings", "standing", "status", "text"),
    [
        ((37, 38, 36, 37), True, Status.OK, "FR 37, FL 38, RR 36, RL 37 (raw, sum 148)"),
        ((37, 0, 36, 37), True, Status.WARNING, "FL reads nothing under 37 N"),
        ((37, 38, 4, 37), True, Status.WARNING, "RR reads too little under 37 N"),
        ((37, 38, 36, -40), True, Status.WARNING, "RL reads less than nothing"),
        ((0, 0, 36, 37), True, Status.WARNING, "FR reads nothing under 37 N; FL reads nothing under 37 N"),
        ((0, 0, 0, 0), True, Status.WARNING, "none reads anything under a standing robot"),
        ((0, 0, 0, 0), False, Status.OK, "does not stand"),
        ((24, 24, 29, 29), False, Status.OK, "does not stand"),
        ((24, 200, 29, 29), False, Status.WARNING, "FL reads too much, its leg carries 0 N"),
        ((24, 24, -29, 29), False, Status.WARNING, "RR reads less than nothing"),
    ],
)
def test_feet(readings, standing, status, text):
    found = foot_finding(readings, standing=standing)
    assert found.status is status and text in found.text and bool(found.remedy) == (status is Status.WARNING)


def test_a_reading_that_stands_still_while_others_move_is_stuck():
    sway = 10.0 * np.sin(np.arange(200.0))[:, None] * [1.0, 1.0, 0.0, 1.0]
    found = foot_finding(37.0 + sway)
    assert found.status is Status.WARNING and "RR stands still while others move" in found.text
    # A simulated robot at rest: nothing moves.
    assert foot_finding(np.full((200, 4), 37.0)).status is Status.OK


def motor_finding(mode=None, lost=()):
    """``mode (12,)``; ``lost``: total counts of FL_hip_joint, one a sample."""
    modes = np.full(12, 1) if mode is None else np.asarray(mode)
    counts = [np.eye(12, dtype=int)[3] * count for count in lost or (0,)]
    return hardware.judge_motors([dataclasses.replace(STATE, motor_mode=modes, motor_lost=row) for row in counts])


@pytest.mark.parametrize(
    ("finding", "status", "text"),
    [
        (motor_finding(), Status.OK, "all in servo mode"),
        (motor_finding([0] * 12), Status.OK, "all idle"),
        (motor_finding([1] * 5 + [0] + [1] * 6), Status.BAD, "like the others: FL_calf_joint 0x00"),
        (motor_finding([10] * 12), Status.WARNING, "in modes 0x0A"),
        (motor_finding([0] * 11 + [2]), Status.WARNING, "in modes 0x00, 0x02"),
        (motor_finding(lost=(7, 7, 7)), Status.OK, "no packets lost in 3 samples, 7 since"),
        (motor_finding(lost=(7, 8, 12)), Status.WARNING, "FL_hip_joint +5"),
        (motor_finding(lost=(900, 0, 0)), Status.OK, "no packets lost"),
    ],
)
def test_motors(finding, status, text):
    assert finding.status is status and text in finding.text and bool(finding.remedy) == (status is not Status.OK)


@pytest.mark.parametrize(("hottest", "status"), [(75.0, Status.OK), (85.0, Status.WARNING), (86.0, Status.BAD)])
def test_motor_temperature(hottest, status):
    temperatures = np.full(12, 40.0)
    temperatures[5] = hottest
    found = robot.judge_temperature(temperatures, SETTINGS)
    assert found.status is status and f"FL_calf_joint is the hottest, {hottest:.0f} degC" in found.text


@pytest.mark.parametrize(
    ("beyond", "status", "text"),
    [
        (-0.1, Status.OK, "0.10 rad inside"),
        (0.1, Status.OK, "0.10 rad beyond"),
        (0.2, Status.BAD, "RL_calf_joint beyond its position limit [rad]: 0.2 (limit 0.15)"),
    ],
)
def test_joints(beyond, status, text):
    position = DEFAULT_JOINT_POS.copy()
    position[11] = JOINT_POS_MAX[11] + beyond
    found = robot.judge_joints(dataclasses.replace(STATE, joint_pos=position), SETTINGS)
    assert found.status is status and text in found.text and "RL_calf_joint" in found.text


def test_a_robot_on_its_side_is_bad():
    lying = dataclasses.replace(STATE, base_quat_wxyz=np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0]))
    found = robot.judge_joints(lying, SETTINGS)
    assert found.status is Status.BAD and "tilt [rad]: 1.571 (limit 0.9)" in found.text


def test_remote():
    assert "not heard" in robot.judge_remote(bytes(40)).text
    heard = robot.judge_remote(encode_remote(GamepadState(pressed=frozenset({"L1", "A"}))))
    assert heard.status is Status.OK and "pressed: A, L1" in heard.text
    assert "pressed: nothing" in robot.judge_remote(encode_remote(GamepadState(left_x=0.5))).text
    assert "pressed: nothing" in robot.judge_remote(encode_remote(GamepadState())).text
    worn = robot.judge_remote(encode_remote(GamepadState(frozenset("B"), sticks_valid=False)))
    assert worn.status is Status.WARNING and "pressed: B; a stick is out of range" in worn.text
    assert robot.judge_remote(b"\1" * 7).status is Status.WARNING


def test_sport_mode():
    assert robot.judge_controller("", "eth0", 0).status is Status.OK
    active = robot.judge_controller("mcf", "eth0", 0)
    assert active.status is Status.BAD and "'mcf'" in active.text
    assert active.remedy == "diffusion-mpc release --network-interface eth0 --domain-id 0"


@pytest.mark.parametrize(
    ("publishers", "status", "text", "remedy"),
    [
        ([], Status.OK, "nobody", ""),
        ([OWN, OWN_WATCHDOG], Status.OK, "one command_publisher", ""),
        ([OWN, OWN_WATCHDOG, HERE], Status.BAD, "by go2_ctrl (pid 42 on laptop), which is not", "end it (kill 42):"),
        ([TopicPublisher()], Status.BAD, "by a program that does not say its name", "end it: two programs"),
        (
            [HERE, THERE],
            Status.BAD,
            "by go2_ctrl (pid 42 on laptop), sport (pid 7 on go2), which are not",
            "end them (kill 42):",
        ),
        ([OWN, TopicPublisher(f"{PUBLISHER} 2e")], Status.BAD, "2 command_publishers", "pgrep -af"),
    ],
)
def test_publishers(publishers, status, text, remedy):
    found = robot.judge_publishers(publishers, "laptop")
    assert found.status is status and text in found.text and remedy in found.remedy
    assert bool(found.remedy) == (status is Status.BAD)
