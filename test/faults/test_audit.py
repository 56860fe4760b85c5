"""The audit finds every kind of unsafe command, and nothing in safe ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from diffusion_mpc_ros.control.feed_forward import NONE, FeedForward
from diffusion_mpc_ros.control.limits import limit_command
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.go2 import DAMPING_KD, DEFAULT_JOINT_POS, JOINT_POS_MAX
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.faults.audit import LowCmdAudit, Thresholds
from diffusion_mpc_ros.go2.crc import low_level_crc
from diffusion_mpc_ros.go2.messages import encode_lowcmd, encode_lowstate
from diffusion_mpc_ros.go2.wire import LOWCMD
from diffusion_mpc_ros.simulation.robot import Go2Simulation

DT = 0.02
ROBOT = Go2Simulation().lowstate(0.0)
THRESHOLDS = Thresholds(
    joint_target_rate_max=50.0, feed_forward_velocity_rate_max=500.0, feed_forward_torque_rate_max=500.0,
    torque_factor=1.0, lowstate_age_max=0.1,
)  # fmt: skip


def lowstate(tick_ms: int = 0, joint_pos: np.ndarray = DEFAULT_JOINT_POS, joint_vel: float = 0.0) -> bytes:
    """The simulated robot's, but for the joints' pose [rad] and speed [rad/s]."""
    state = dataclasses.replace(ROBOT, tick_ms=tick_ms, joint_pos=np.array(joint_pos), joint_vel=np.full(12, joint_vel))
    return encode_lowstate(state)


def lowcmd(joint_pos: np.ndarray = DEFAULT_JOINT_POS, kp: float = 40.0, kd: float = 1.0) -> bytes:
    """A position command with equal gains."""
    return encode_lowcmd(JointCommand.position(np.array(joint_pos), kp, kd))


def damping() -> bytes:
    return encode_lowcmd(JointCommand.damping(DAMPING_KD))


class Wire:
    """An audit fed with a LowState and a LowCmd every tick, from time 0 on."""

    def __init__(self) -> None:
        self.audit = LowCmdAudit(THRESHOLDS)
        self.time = 0.0

    def tick(self, command: bytes, state: bytes | None = None, dt: float = DT) -> list[str]:
        self.time += dt
        if state is not None:
            self.audit.lowstate(state, self.time - 0.001, 0)
        return self.audit.command(command, self.time)


@pytest.fixture
def walking() -> Wire:
    """Three ticks of holding the standing pose, asked for by the operator."""
    wire = Wire()
    wire.audit.permit(wire.time)
    for _ in range(3):
        assert wire.tick(lowcmd(), lowstate()) == []
    return wire


def edited(sample: bytes, mend: bool = True, **fields) -> bytes:
    """``sample`` with other values in its record; ``mend``: with the CRC that belongs to it."""
    record = LOWCMD.unpack(sample)
    for name, value in fields.items():
        if name in record.dtype.names:
            record[name] = value
        else:
            slot, field = name.split("_")
            record["motor_cmd"][field][int(slot[1:])] = value
    if mend:
        record["crc"] = low_level_crc(record)
    return LOWCMD.pack(record)


def moved(joint: int, by: float) -> np.ndarray:
    pose = np.array(DEFAULT_JOINT_POS)
    pose[joint] += by
    return pose


def test_thresholds_are_those_of_the_supervisor():
    settings = load_safety_settings(config_file("safety.yaml"))
    thresholds = Thresholds.of_project()
    for name, value in dataclasses.asdict(thresholds).items():
        assert value == getattr(settings, name)


def test_safe_commands_are_safe(walking):
    assert walking.tick(lowcmd(moved(0, 0.5)), lowstate()) == []  # 40 * 0.5 = 20 of 23.7 N m
    assert walking.tick(damping(), lowstate(joint_vel=20.0)) == []  # damping may dissipate what it likes
    assert not walking.audit.unsafe


@pytest.mark.parametrize("field", ["q", "dq", "tau", "kp", "kd"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(walking, field, value):
    assert walking.tick(edited(lowcmd(), **{f"m3_{field}": value}), lowstate()) == ["not finite: 1 numbers"]


@pytest.mark.parametrize(
    "bad",
    [
        edited(lowcmd(), mend=False, level_flag=0),
        edited(lowcmd(), level_flag=0),
        edited(lowcmd(), head=(0xFE, 0xEE)),
        edited(lowcmd(), m15_kp=1.0),
        lowcmd()[:100],
    ],
    ids=["CRC", "level flag", "head", "unused slot", "short"],
)
def test_format(walking, bad):
    assert [reason.split(":")[0] for reason in walking.tick(bad, lowstate())] == ["format"]


def test_position_outside_the_limits(walking):
    # The calf's upper limit is -0.83776 rad; half a radian below it the step is allowed, the position is not.
    state = lowstate(joint_pos=JOINT_POS_MAX)
    assert walking.tick(lowcmd(moved(2, 0.7)), state) == ["position: FR_calf_joint told -0.800 rad, outside its limits"]


def test_position_does_not_matter_without_stiffness(walking):
    assert walking.tick(edited(lowcmd(), m2_q=0.0, m2_kp=0.0), lowstate()) == []


@pytest.mark.parametrize(("field", "value"), [("kp", 61.0), ("kp", -1.0), ("kd", 5.1), ("kd", -0.5)])
def test_gains_out_of_bounds(walking, field, value):
    reasons = walking.tick(edited(lowcmd(), **{f"m0_{field}": value}), lowstate())
    assert "gains" in {reason.split(":")[0] for reason in reasons}


def test_rate_between_commands(walking):
    # 50 rad/s allow 1 rad a tick; the soft gain keeps the torque small.
    soft = {"kp": 1.0, "kd": 0.0}
    assert walking.tick(lowcmd(moved(1, 0.99), **soft), lowstate()) == []
    assert walking.tick(lowcmd(moved(1, -0.02), **soft), lowstate()) == ["rate: 1.010 rad a tick, 1.000 are allowed"]


def test_rate_after_a_missing_tick_counts_both(walking):
    assert walking.tick(lowcmd(moved(1, 1.5), kp=1.0, kd=0.0), lowstate(), dt=2 * DT) == []


def test_first_target_after_damping_starts_at_the_measured_pose():
    wire = Wire()
    wire.audit.permit(wire.time)
    reasons = wire.tick(lowcmd(moved(1, 1.2), kp=1.0, kd=0.0), lowstate())
    assert reasons == ["rate: 1.200 rad a tick, 1.000 are allowed"]


def test_torque(walking):
    # 40 * 0.6 = 24 N m, over the hip's 23.7; moving towards the target at 1 rad/s takes 1 N m off.
    assert walking.tick(lowcmd(moved(0, 0.6)), lowstate(joint_vel=1.0)) == []
    assert walking.tick(lowcmd(moved(0, 0.6)), lowstate(joint_vel=-1.0)) == []  # explained by the state before
    assert walking.tick(lowcmd(moved(0, 0.6)), lowstate(joint_vel=-1.0)) == ["torque: 1.05 times the motor's limit"]


def test_feed_forward_torque_counts(walking):
    for torque in (10.0, 20.0):
        assert walking.tick(edited(lowcmd(), m0_tau=torque), lowstate()) == []
    assert walking.tick(edited(lowcmd(), m0_tau=30.0), lowstate()) == ["torque: 1.27 times the motor's limit"]


def test_feed_forward_torque_rises_at_its_rate_and_falls_at_any(walking):
    # 500 N m/s allow 10 N m a tick. From 20 to zero is a fall, whatever the other joints do; beyond it a rise.
    for hip, calf in ((10.0, -10.0), (20.0, -20.0), (0.0, -20.0), (-9.9, 9.9)):
        assert walking.tick(edited(lowcmd(), m0_tau=hip, m2_tau=calf), lowstate()) == []
    assert walking.tick(edited(lowcmd(), m0_tau=-20.0), lowstate()) == [
        "rate: feed-forward 10.10 N m a tick, 10.00 are allowed"
    ]
    assert walking.tick(lowcmd(), lowstate()) == []
    assert walking.tick(edited(lowcmd(), m0_tau=20.0), lowstate(), dt=2 * DT) == []  # the missing tick counts as well


def test_feed_forward_velocity_rises_and_falls_at_its_rate(walking):
    # 500 rad/s^2 allow 10 rad/s a tick; at kd = 1 that are 10 N m.
    for velocity in (10.0, 20.0, 10.0):
        assert walking.tick(edited(lowcmd(), m0_dq=velocity), lowstate()) == []
    assert walking.tick(edited(lowcmd(), m0_dq=-0.1), lowstate()) == [
        "rate: feed-forward 10.10 rad/s a tick, 10.00 are allowed"
    ]


def test_the_first_feed_forward_after_damping_starts_at_zero(walking):
    walking.tick(edited(lowcmd(), m0_tau=10.0), lowstate())
    walking.tick(damping(), lowstate())
    walking.audit.permit(walking.time)
    # Two ticks late, too: what the robot did before it was damped does not count.
    assert walking.tick(edited(lowcmd(), m0_tau=10.1), lowstate(), dt=2 * DT) == [
        "rate: feed-forward 10.10 N m a tick, 10.00 are allowed"
    ]


def test_what_the_supervisor_limits_is_within_the_rates(walking):
    """Whatever a plan asks for, where the motor's limit scales the torque down, and where the feed-forward ends."""
    rng, settings = np.random.default_rng(0), load_safety_settings(config_file("safety.yaml"))
    walking.audit = LowCmdAudit(Thresholds.of_project())
    walking.audit.permit(walking.time)
    targets, sent, scaled = DEFAULT_JOINT_POS, NONE, 0
    for tick in range(200):
        asked = NONE if tick % 20 > 15 else FeedForward(*rng.normal(scale=30.0, size=(2, 12)))
        joint_vel = float(rng.choice([0.0, 40.0, -40.0]))
        limited = limit_command(
            DEFAULT_JOINT_POS + rng.normal(scale=0.2, size=12), 40.0, 1.0, previous_targets=targets,
            joint_pos=DEFAULT_JOINT_POS, joint_vel=np.full(12, joint_vel), settings=settings, feed_forward=asked,
            previous_feed_forward=sent,
        )  # fmt: skip
        targets, sent = limited.command.joint_pos, limited.feed_forward
        scaled += bool((limited.command.kp < 40.0).any())
        assert walking.tick(encode_lowcmd(limited.command), lowstate(joint_vel=joint_vel)) == []
    assert scaled


@pytest.mark.parametrize("state", [None, lowstate()[:-1] + b"\xff"], ids=["silent", "broken"])
def test_blind(walking, state):
    # 0.1 s and two ticks: the seventh tick after the last good LowState is the last one that may still move.
    reasons = [walking.tick(lowcmd(), state) for _ in range(8)]
    assert reasons[:6] == [[]] * 6
    assert reasons[7][0].startswith("blind")


def test_silent_stop(walking):
    assert not walking.audit.unsafe
    walking.audit.silence(walking.time + 0.09)
    assert not walking.audit.unsafe
    walking.audit.silence(walking.time + 0.11)
    walking.audit.silence(walking.time + 0.2)
    assert walking.audit.unsafe == {"silent stop": 1}
    walking.tick(lowcmd(), lowstate(), dt=0.3)
    assert walking.audit.unsafe == {"silent stop": 1}  # the same gap
    walking.tick(lowcmd(), lowstate(), dt=0.3)
    assert walking.audit.unsafe == {"silent stop": 2}


def test_damping_may_end(walking):
    walking.tick(damping(), lowstate())
    walking.audit.silence(walking.time + 10.0)
    assert not walking.audit.unsafe


def test_motion_after_damping_needs_the_operator(walking):
    walking.tick(damping(), lowstate())
    assert [reason.split(":")[0] for reason in walking.tick(lowcmd(), lowstate())] == ["unasked"]
    walking.tick(damping(), lowstate())
    walking.audit.permit(walking.time)
    walking.tick(damping(), lowstate())  # before the request is carried out
    assert walking.tick(lowcmd(), lowstate()) == []


def test_nothing_may_move_before_the_operator_asks():
    assert [reason.split(":")[0] for reason in Wire().tick(lowcmd(), lowstate())] == ["unasked"]


def test_report_tells_when_damping_began(walking):
    start = walking.time + 0.01
    walking.tick(lowcmd(), lowstate())
    walking.tick(lowcmd(), lowstate())
    walking.tick(damping(), lowstate())
    report = walking.audit.report(start)
    assert report["commands"] == 3 and report["moving"] == 2
    assert report["first_damping"] == walking.time and report["damping_now"]
    assert report["max_gap"] == pytest.approx(DT)


def test_shares_no_code_with_the_supervisor():
    source = Path("diffusion_mpc_ros/faults/audit.py")
    text = (Path(__file__).parents[2] / source).read_text()
    assert "diffusion_mpc_ros.control" not in text


def test_a_command_on_an_old_measurement_is_stale():
    wire = Wire()
    wire.audit.permit(0.0)
    for tick in range(40):
        # The robot's clock runs on; from 100 ms on what is passed on was measured at 100 ms.
        wire.time += DT
        robot_ms = round(wire.time * 1e3)
        wire.audit.robot_time(robot_ms, wire.time)
        wire.audit.lowstate(lowstate(), wire.time, min(robot_ms, 100))
        found = [reason.split(":")[0] for reason in wire.audit.command(lowcmd(), wire.time)]
        # 0.1 s and two ticks of slack: at 0.24 s the age is 0.14 s, the next one is too old.
        assert found == (["stale"] if robot_ms > 240 else []), tick


def test_a_robot_that_nobody_holds_may_stand_but_not_move(walking):
    walking.audit.hold(False, walking.time)
    moved = DEFAULT_JOINT_POS + 0.02
    for _ in range(round(2.5 / DT)):
        assert walking.tick(lowcmd(moved), lowstate()) == []
        moved = 2 * DEFAULT_JOINT_POS + 0.02 - moved  # to and fro: it walks until it has to stand
    for _ in range(round(4.0 / DT)):  # what was asked for before may go on for six seconds
        walking.tick(lowcmd(), lowstate())
    assert not walking.audit.unsafe
    assert [reason.split(":")[0] for reason in walking.tick(lowcmd(moved + 0.02), lowstate())] == ["unheld"]
    walking.audit.hold(True, walking.time)
    assert walking.tick(lowcmd(moved), lowstate()) == []


def test_the_silence_of_a_computer_that_stands_still_is_nobodys_fault(walking):
    walking.audit.expect_silence()
    walking.audit.silence(walking.time + 1.0)
    assert not walking.audit.unsafe
    walking.tick(lowcmd(), lowstate(), dt=1.0)
    walking.audit.silence(walking.time + 1.0)
    assert walking.audit.unsafe == {"silent stop": 1}
