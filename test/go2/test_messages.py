"""Messages there and back, through the SDK's own classes, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from diffusion_mpc_ros.core.errors import InterfaceError
from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.go2 import messages, sdk
from diffusion_mpc_ros.go2.crc import low_level_crc
from diffusion_mpc_ros.go2.messages import SampleError, SportModeState
from diffusion_mpc_ros.go2.wire import LOWCMD, LOWSTATE


def floats(size: int):
    """Arrays of single-precision numbers, which the wire carries exactly."""
    numbers = st.floats(-1000.0, 1000.0, width=32)
    return arrays(np.float64, size, elements=numbers)


def quaternions():
    return (
        arrays(np.float64, 4, elements=st.floats(-1.0, 1.0))
        .filter(lambda q: np.linalg.norm(q) > 0.1)
        .map(lambda q: q / np.linalg.norm(q))
    )


LOWSTATES = st.builds(
    LowState,
    tick_ms=st.integers(0, 2**32 - 1),
    receive_time=st.just(1.5),
    base_quat_wxyz=quaternions(),
    base_ang_vel=floats(3),
    base_lin_acc=floats(3),
    joint_pos=floats(12),
    joint_vel=floats(12),
    joint_torque=floats(12),
    foot_force=arrays(np.float64, 4, elements=st.integers(-32768, 32767).map(float)),
    motor_temperature=arrays(np.float64, 12, elements=st.integers(-128, 127).map(float)),
    battery_soc=st.integers(0, 100).map(float),
    wireless_remote=st.binary(min_size=40, max_size=40),
    motor_mode=arrays(np.int64, 12, elements=st.integers(0, 255)),
    motor_lost=arrays(np.int64, 12, elements=st.integers(0, 2**32 - 1)),
    bms_status=st.integers(0, 255),
)
COMMANDS = st.builds(
    JointCommand, joint_pos=floats(12), joint_vel=floats(12), kp=floats(12), kd=floats(12), torque=floats(12)
)


def standing_state(**changes) -> LowState:
    values = {
        "tick_ms": 7,
        "receive_time": 0.0,
        "base_quat_wxyz": np.array([1.0, 0.0, 0.0, 0.0]),
        "base_ang_vel": np.zeros(3),
        "base_lin_acc": np.array([0.0, 0.0, 9.81]),
        "joint_pos": np.arange(12.0),
        "joint_vel": np.zeros(12),
        "joint_torque": np.zeros(12),
        "foot_force": np.full(4, 37.0),
        "motor_temperature": np.full(12, 40.0),
        "battery_soc": 80.0,
    }
    return LowState(**{**values, **changes})


def assert_equal(left, right, tolerance: float = 0.0):
    for field in dataclasses.fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=0.0, atol=tolerance, err_msg=field.name)
        else:
            assert a == pytest.approx(b) if isinstance(a, float) else a == b, field.name


@settings(max_examples=30, deadline=None)
@given(LOWSTATES)
def test_lowstate_there_and_back(state):
    decoded = messages.decode_lowstate(messages.encode_lowstate(state), state.receive_time)
    # Only the quaternion is not a single-precision number.
    assert_equal(dataclasses.replace(decoded, base_quat_wxyz=state.base_quat_wxyz), state)
    np.testing.assert_allclose(decoded.base_quat_wxyz, state.base_quat_wxyz, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(LOWSTATES)
def test_lowstate_as_the_sdk_reads_it(state):
    message = sdk.LowState_.deserialize(messages.encode_lowstate(state))
    assert (message.tick, message.bms_state.soc) == (state.tick_ms, state.battery_soc)
    assert [motor.q for motor in message.motor_state[:12]] == state.joint_pos.tolist()
    assert [motor.dq for motor in message.motor_state[:12]] == state.joint_vel.tolist()
    assert [motor.tau_est for motor in message.motor_state[:12]] == state.joint_torque.tolist()
    assert message.imu_state.gyroscope == state.base_ang_vel.tolist()
    assert message.imu_state.accelerometer == state.base_lin_acc.tolist()
    assert message.foot_force == state.foot_force.tolist()
    assert [motor.mode for motor in message.motor_state[:12]] == state.motor_mode.tolist()
    assert [motor.lost for motor in message.motor_state[:12]] == state.motor_lost.tolist()
    # The IDL's byte is unsigned.
    assert [motor.temperature for motor in message.motor_state[:12]] == (state.motor_temperature % 256).tolist()
    assert message.bms_state.status == state.bms_status


@settings(max_examples=30, deadline=None)
@given(COMMANDS)
def test_lowcmd_there_and_back(command):
    assert_equal(messages.decode_lowcmd(messages.encode_lowcmd(command)), command)


def test_lowcmd_as_the_sdk_reads_it():
    joints = np.arange(12.0)
    command = JointCommand(joint_pos=joints, joint_vel=joints + 20, kp=joints + 40, kd=joints + 60, torque=joints + 80)
    message = sdk.LowCmd_.deserialize(messages.encode_lowcmd(command))
    assert (bytes(message.head), message.level_flag) == (b"\xfe\xef", 0xFF)
    for index, motor in enumerate(message.motor_cmd):
        assert motor.mode == 0x01
        expected = (index, index + 20, index + 80, index + 40, index + 60)
        assert (motor.q, motor.dq, motor.tau, motor.kp, motor.kd) == (
            expected if index < 12 else (2.146e9, 16000.0, 0.0, 0.0, 0.0)
        )


def test_roll_pitch_yaw_of_a_quarter_turn():
    # Yaw by 90 degrees: (cos 45, 0, 0, sin 45).
    state = standing_state(base_quat_wxyz=np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]))
    message = sdk.LowState_.deserialize(messages.encode_lowstate(state))
    np.testing.assert_allclose(message.imu_state.rpy, [0.0, 0.0, np.pi / 2], atol=1e-6)


@pytest.mark.parametrize("field", ["joint_pos", "joint_vel", "kp", "kd", "torque"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39], ids=["nan", "inf", "-inf", "beyond float32"])
def test_a_command_that_is_not_finite_is_not_encoded(field, bad):
    values = np.zeros(12)
    values[5] = bad
    with pytest.raises(SampleError, match=f"LowCmd.*{field}"):
        messages.encode_lowcmd(dataclasses.replace(JointCommand.damping(3.0), **{field: values}))


def spoilt_lowcmd(change) -> bytes:
    """A damping command, changed, with the CRC of the changed message."""
    record = LOWCMD.unpack(messages.encode_lowcmd(JointCommand.damping(3.0)))
    change(record)
    record["crc"] = low_level_crc(record)
    return LOWCMD.pack(record)


def test_a_command_with_one_wrong_bit_is_refused():
    sample = messages.encode_lowcmd(JointCommand.damping(3.0))
    for position in (40, 100, len(sample) - 1):
        spoilt = bytearray(sample)
        spoilt[position] ^= 0x10
        with pytest.raises(SampleError, match="CRC"):
            messages.decode_lowcmd(bytes(spoilt))


def test_a_command_for_another_level_is_refused():
    with pytest.raises(SampleError, match="level flag 0xEE"):
        messages.decode_lowcmd(spoilt_lowcmd(lambda record: record["level_flag"].fill(0xEE)))
    with pytest.raises(SampleError, match="head feef|head 0000"):
        messages.decode_lowcmd(spoilt_lowcmd(lambda record: record["head"].fill(0)))


def test_a_received_command_that_is_not_finite_is_refused():
    with pytest.raises(SampleError, match="kp"):
        messages.decode_lowcmd(spoilt_lowcmd(lambda record: record["motor_cmd"]["kp"].fill(np.nan)))


def test_stop_values_and_stop_mode_release_the_loops():
    def change(record):
        motors = record["motor_cmd"]
        motors["kp"][:12], motors["kd"][:12], motors["tau"][:12] = 40.0, 1.0, 2.0
        motors["q"][0] = 2.146e9
        motors["dq"][1] = 16000.0
        motors["mode"][2] = 0x00

    command = messages.decode_lowcmd(spoilt_lowcmd(change))
    assert command.kp[:4].tolist() == [0.0, 40.0, 0.0, 40.0]
    assert command.kd[:4].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert command.torque[:4].tolist() == [2.0, 2.0, 0.0, 2.0]
    assert command.joint_pos[0] == 0.0


def spoilt_lowstate(change, *, mend_crc: bool = True) -> bytes:
    record = LOWSTATE.unpack(messages.encode_lowstate(standing_state()))
    change(record)
    if mend_crc:
        record["crc"] = low_level_crc(record)
    return LOWSTATE.pack(record)


def test_a_state_that_is_not_finite_is_refused():
    with pytest.raises(SampleError, match="LowState.*joint_vel"):
        messages.decode_lowstate(spoilt_lowstate(lambda record: record["motor_state"]["dq"].fill(np.inf)), 0.0)


def test_a_state_without_orientation_is_refused():
    with pytest.raises(SampleError, match="norm 0.000"):
        messages.decode_lowstate(spoilt_lowstate(lambda record: record["imu_state"]["quaternion"].fill(0)), 0.0)


def test_not_finite_numbers_in_unused_slots_do_not_matter():
    sample = spoilt_lowstate(lambda record: record["motor_state"]["q"][12:].fill(np.nan))
    assert messages.decode_lowstate(sample, 0.0).joint_pos.tolist() == list(range(12))


def test_a_state_with_a_wrong_crc_is_refused():
    assert messages.decode_lowstate(spoilt_lowstate(lambda record: record["tick"].fill(8)), 0.0).tick_ms == 8
    with pytest.raises(SampleError, match="LowState with CRC 0x"):
        messages.decode_lowstate(spoilt_lowstate(lambda record: record["tick"].fill(8), mend_crc=False), 0.0)


def test_the_tick_wraps_as_an_unsigned_word():
    sample = messages.encode_lowstate(standing_state(tick_ms=2**32 + 5))
    assert messages.decode_lowstate(sample, 0.0).tick_ms == 5


def decode_changed(change) -> LowState:
    return messages.decode_lowstate(spoilt_lowstate(change), 0.0)


@pytest.mark.parametrize(("byte", "temperature"), [(0, 0), (40, 40), (127, 127), (128, -128), (251, -5), (255, -1)])
def test_motor_temperature_is_a_signed_byte(byte, temperature):
    state = decode_changed(lambda record: record["motor_state"]["temperature"].fill(byte))
    assert state.motor_temperature.tolist() == [temperature] * 12


@pytest.mark.parametrize(("warm", "byte"), [(-5.4, 251), (200.0, 127), (-200.0, 128)])
def test_motor_temperature_as_the_idl_byte(warm, byte):
    record = LOWSTATE.unpack(messages.encode_lowstate(standing_state(motor_temperature=np.full(12, warm))))
    assert record["motor_state"]["temperature"][:12].tolist() == [byte] * 12


def clear_battery(record) -> None:
    record["bms_state"] = np.zeros((), dtype=record["bms_state"].dtype)


def test_a_battery_that_says_nothing_or_the_impossible_is_unknown():
    assert decode_changed(clear_battery).battery_soc is None
    assert decode_changed(lambda record: record["bms_state"]["soc"].fill(101)).battery_soc is None
    assert decode_changed(lambda record: record["bms_state"]["soc"].fill(255)).battery_soc is None
    assert decode_changed(lambda record: record["bms_state"]["soc"].fill(100)).battery_soc == 100.0


@pytest.mark.parametrize(
    ("name", "value"), [("status", 1), ("current", -2000), ("cycle", 3), ("cell_vol", [0] * 14 + [1])]
)
def test_an_empty_battery_that_says_anything_else_is_empty(name, value):
    def change(record):
        clear_battery(record)
        record["bms_state"][name] = value

    assert decode_changed(change).battery_soc == 0.0


def test_an_unknown_battery_is_all_zero_on_the_wire_and_an_empty_one_is_not():
    unknown, empty = (
        sdk.LowState_.deserialize(messages.encode_lowstate(standing_state(battery_soc=charge))).bms_state
        for charge in (None, 0.0)
    )
    assert (unknown.soc, unknown.status, unknown.current, unknown.cycle, sum(unknown.cell_vol)) == (0, 0, 0, 0, 0)
    # 8 cells of 3.6 V: the Go2's 28.8 V.
    assert (empty.soc, sum(empty.cell_vol)) == (0, 28_800)


@settings(max_examples=30, deadline=None)
@given(time=st.floats(0.0, 1e6), position=floats(3), velocity=floats(3), height=st.floats(0.0, 1.0, width=32))
def test_sportmodestate_there_and_back(time, position, velocity, height):
    state = SportModeState(
        time=time,
        base_quat_wxyz=np.array([1.0, 0.0, 0.0, 0.0]),
        base_ang_vel=np.array([0.0, 0.0, 0.25]),
        position=position,
        velocity=velocity,
        body_height=height,
    )
    decoded = messages.decode_sportmodestate(messages.encode_sportmodestate(state))
    assert_equal(dataclasses.replace(decoded, time=time), state)
    assert decoded.time == pytest.approx(time, abs=1e-8)


def test_errors_are_interface_errors():
    assert issubclass(SampleError, InterfaceError)
