"""Unitree's low-level messages from and to the project's own types.

``decode_*`` takes a DDS sample and returns a value whose numbers are all finite, or raises :class:`SampleError`;
``encode_*`` is the inverse and refuses what is not finite. Motor slots 0-11 are the joints in project order, so that no
reordering takes place here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.gamepad import REMOTE_BYTES
from diffusion_mpc_ros.core.go2 import MOTOR_MODE_SERVO, NUM_JOINTS
from diffusion_mpc_ros.core.types import JointCommand, LowState
from diffusion_mpc_ros.go2.crc import low_level_crc
from diffusion_mpc_ros.go2.profile import CRC, MOTOR_MODE, TICK
from diffusion_mpc_ros.go2.wire import LOWCMD, LOWSTATE, SPORTMODESTATE, FloatFields, Layout, SampleError

HEAD = (0xFE, 0xEF)
LEVEL_FLAG_LOW = 0xFF
# In place of a position or a velocity: no such command; the gain of that loop then counts as zero.
POS_STOP = 2.146e9
VEL_STOP = 16000.0
_JOINTS = slice(0, NUM_JOINTS)
_UNIT_QUATERNION_TOLERANCE = 0.05
# The battery's cells and their nominal voltage [mV].
BATTERY_CELLS, CELL_VOLTAGE = 8, 3600

_LOWSTATE_FLOATS = FloatFields(
    LOWSTATE,
    base_quat_wxyz=lambda record: record["imu_state"]["quaternion"],
    base_ang_vel=lambda record: record["imu_state"]["gyroscope"],
    base_lin_acc=lambda record: record["imu_state"]["accelerometer"],
    joint_pos=lambda record: record["motor_state"]["q"][_JOINTS],
    joint_vel=lambda record: record["motor_state"]["dq"][_JOINTS],
    joint_torque=lambda record: record["motor_state"]["tau_est"][_JOINTS],
)
_LOWCMD_FLOATS = FloatFields(
    LOWCMD,
    joint_pos=lambda record: record["motor_cmd"]["q"][_JOINTS],
    joint_vel=lambda record: record["motor_cmd"]["dq"][_JOINTS],
    kp=lambda record: record["motor_cmd"]["kp"][_JOINTS],
    kd=lambda record: record["motor_cmd"]["kd"][_JOINTS],
    torque=lambda record: record["motor_cmd"]["tau"][_JOINTS],
)
_SPORTMODESTATE_FLOATS = FloatFields(
    SPORTMODESTATE,
    base_quat_wxyz=lambda record: record["imu_state"]["quaternion"],
    base_ang_vel=lambda record: record["imu_state"]["gyroscope"],
    position=lambda record: record["position"],
    velocity=lambda record: record["velocity"],
)


def _addressed(layout: Layout) -> np.ndarray:
    record = layout.zeros()
    record["head"] = HEAD
    record["level_flag"] = LEVEL_FLAG_LOW
    return record


def _idle_lowcmd() -> np.ndarray:
    """Return all 20 slots in servo mode with neither a position nor a velocity and zero gains."""
    record = _addressed(LOWCMD)
    motors = record["motor_cmd"]
    motors["mode"] = MOTOR_MODE_SERVO
    motors["q"], motors["dq"] = POS_STOP, VEL_STOP
    return record


_LOWSTATE_TEMPLATE = _addressed(LOWSTATE)
# The robot's clock, and behind it the remote.
_TICK, _TICK_AND_REMOTE = struct.Struct("<I"), struct.Struct(f"<I{REMOTE_BYTES}s")
_LOWCMD_TEMPLATE = _idle_lowcmd()
# Where parts of a LowState lie in its C structure, and how.
_RPY, _FOOT_FORCE, _CRC = struct.Struct("<3f"), struct.Struct("<4h"), struct.Struct("<I")
_RPY_OFFSET, _FOOT_FORCE_OFFSET = LOWSTATE.offset("imu_state", "rpy"), LOWSTATE.offset("foot_force")
_TICK_OFFSET, _CRC_OFFSET = LOWSTATE.offset("tick"), LOWSTATE.offset("crc")
_LOWCMD_CRC_OFFSET = LOWCMD.offset("crc")


@dataclass(frozen=True)
class SportModeState:
    """What ``rt/sportmodestate`` says of the base; from the simulator it is the truth, velocity in the world frame."""

    time: float  # [s], the robot's clock
    base_quat_wxyz: np.ndarray  # (4,)
    base_ang_vel: np.ndarray  # (3,) [rad/s], base frame
    position: np.ndarray  # (3,) [m], world frame
    velocity: np.ndarray  # (3,) [m/s], world frame
    body_height: float  # [m]


def decode_lowstate(sample: bytes, receive_time: float, missing: Collection[str] = ()) -> LowState:
    """Decode ``rt/lowstate``; ``receive_time`` [s] is the local monotonic clock, ``missing`` of the robot's profile.

    Raises :class:`SampleError` for another layout, a wrong CRC, numbers that are not finite or no unit quaternion.
    """
    record = LOWSTATE.unpack(sample)
    if record["crc"] or CRC not in missing:
        _check_crc("LowState", record)
    floats = _LOWSTATE_FLOATS.read(record)
    _check_unit(floats["base_quat_wxyz"])
    joints, bms = record["motor_state"][_JOINTS], record["bms_state"]
    motor_mode = joints["mode"].astype(np.int64)
    if MOTOR_MODE in missing and not motor_mode.any():
        motor_mode[:] = MOTOR_MODE_SERVO
    tick_ms = int(record["tick"])
    if TICK in missing and tick_ms == 0:
        tick_ms = round(receive_time * 1e3) % 2**32
    return LowState(
        tick_ms=tick_ms,
        receive_time=receive_time,
        **floats,
        foot_force=record["foot_force"].astype(np.float64),
        # An unsigned byte in the IDL, a signed one in the SDK's structure: frost is likelier than 251 deg C.
        motor_temperature=joints["temperature"].view(np.int8).astype(np.float64),
        battery_soc=_state_of_charge(bms),
        wireless_remote=record["wireless_remote"].tobytes(),
        motor_mode=motor_mode,
        motor_lost=joints["lost"].astype(np.int64),
        bms_status=int(bms["status"]),
    )


def lowstate_tick(sample: bytes) -> int:
    """Return the robot's clock [ms] in a ``rt/lowstate`` sample, unchecked.

    Raises :class:`SampleError` for another layout.
    """
    return LOWSTATE.peek(sample, "tick", _TICK)[0]


def lowstate_tick_and_remote(sample: bytes) -> tuple[int, bytes]:
    """Return the robot's clock [ms] and the remote's 40 bytes in a ``rt/lowstate`` sample, unchecked.

    Raises :class:`SampleError` for another layout.
    """
    return LOWSTATE.peek(sample, "tick", _TICK_AND_REMOTE)


def encode_lowstate(state: LowState) -> bytes:
    """Return the ``rt/lowstate`` sample of a state, checksum filled in; an unknown battery is an all-zero one."""
    raw = _SLOW_FIELDS.copy(state)
    _LOWSTATE_FLOATS.write(raw, state)
    _RPY.pack_into(raw, _RPY_OFFSET, *_roll_pitch_yaw(state.base_quat_wxyz))
    forces = (min(max(round(force), -(2**15)), 2**15 - 1) for force in state.foot_force.tolist())
    _FOOT_FORCE.pack_into(raw, _FOOT_FORCE_OFFSET, *forces)
    _TICK.pack_into(raw, _TICK_OFFSET, state.tick_ms % 2**32)
    _CRC.pack_into(raw, _CRC_OFFSET, low_level_crc(raw))
    return LOWSTATE.pack(raw)


class _SlowFields:
    """The part of a LowState that seldom changes from one to the next: motors' health, battery, remote."""

    def __init__(self) -> None:
        self._last: tuple[object, bytes] = (None, b"")

    def copy(self, state: LowState) -> bytearray:
        """Return the C structure of a message with these fields of ``state`` filled in."""
        motors = (state.motor_temperature, state.motor_mode, state.motor_lost)
        contents = (*(each.tobytes() for each in motors), state.battery_soc, state.bms_status, state.wireless_remote)
        known, raw = self._last
        if contents != known:
            raw = self._fill(state).tobytes()
            self._last = contents, raw
        return bytearray(raw)

    @staticmethod
    def _fill(state: LowState) -> np.ndarray:
        record = LOWSTATE.copy(_LOWSTATE_TEMPLATE)
        joints, bms = record["motor_state"][_JOINTS], record["bms_state"]
        joints["temperature"] = np.rint(state.motor_temperature).clip(-(2**7), 2**7 - 1).astype(np.int8).view(np.uint8)
        joints["mode"], joints["lost"] = state.motor_mode, state.motor_lost
        if state.battery_soc is not None:
            bms["soc"] = min(max(round(state.battery_soc), 0), 100)
            bms["status"] = state.bms_status
            bms["cell_vol"][:BATTERY_CELLS] = CELL_VOLTAGE
        record["wireless_remote"] = np.frombuffer(state.wireless_remote.ljust(REMOTE_BYTES, b"\0"), dtype=np.uint8)
        return record


_SLOW_FIELDS = _SlowFields()


def encode_lowcmd(command: JointCommand) -> bytes:
    """Return the ``rt/lowcmd`` sample of a command: servo mode, unused slots told to do nothing, checksum filled in.

    Raises :class:`SampleError` when a number is not finite in single precision.
    """
    raw = bytearray(_LOWCMD_TEMPLATE.tobytes())
    _LOWCMD_FLOATS.write(raw, command)
    _CRC.pack_into(raw, _LOWCMD_CRC_OFFSET, low_level_crc(raw))
    return LOWCMD.pack(raw)


def decode_lowcmd(sample: bytes) -> JointCommand:
    """Return what a ``rt/lowcmd`` sample tells the joints; raises :class:`SampleError` on a wrong CRC or address.

    A motor in stop mode, or whose position or velocity means "no command", gets the corresponding gain zero.
    """
    record = LOWCMD.unpack(sample)
    _check_crc("LowCmd", record)
    if record["head"].tobytes() != bytes(HEAD) or record["level_flag"] != LEVEL_FLAG_LOW:
        raise SampleError(
            f"LowCmd with head {record['head'].tobytes().hex()} and level flag 0x{int(record['level_flag']):02X}; "
            f"low-level control needs {bytes(HEAD).hex()} and 0x{LEVEL_FLAG_LOW:02X}"
        )
    floats = _LOWCMD_FLOATS.read(record)
    servo = record["motor_cmd"]["mode"][_JOINTS] == MOTOR_MODE_SERVO
    position_loop = servo & (floats["joint_pos"] != POS_STOP)
    velocity_loop = servo & (floats["joint_vel"] != VEL_STOP)
    return JointCommand(
        joint_pos=np.where(position_loop, floats["joint_pos"], 0.0),
        joint_vel=np.where(velocity_loop, floats["joint_vel"], 0.0),
        kp=np.where(position_loop, floats["kp"], 0.0),
        kd=np.where(velocity_loop, floats["kd"], 0.0),
        torque=np.where(servo, floats["torque"], 0.0),
    )


def encode_sportmodestate(state: SportModeState) -> bytes:
    """Return the ``rt/sportmodestate`` sample of the base's state."""
    raw = bytearray(SPORTMODESTATE.dtype.itemsize)
    record = SPORTMODESTATE.view(raw)
    _SPORTMODESTATE_FLOATS.write(raw, state)
    record["imu_state"]["rpy"] = _roll_pitch_yaw(state.base_quat_wxyz)
    nanoseconds = round(state.time * 1e9)
    record["stamp"]["sec"], record["stamp"]["nanosec"] = divmod(nanoseconds, 10**9)
    record["yaw_speed"] = state.base_ang_vel[2]
    record["body_height"] = state.body_height
    return SPORTMODESTATE.pack(record)


def decode_sportmodestate(sample: bytes) -> SportModeState:
    """Decode ``rt/sportmodestate``; raises :class:`SampleError` when a number is not finite."""
    record = SPORTMODESTATE.unpack(sample)
    floats = _SPORTMODESTATE_FLOATS.read(record)
    _check_unit(floats["base_quat_wxyz"])
    return SportModeState(
        time=int(record["stamp"]["sec"]) + int(record["stamp"]["nanosec"]) * 1e-9,
        **floats,
        body_height=float(record["body_height"]),
    )


def _state_of_charge(bms: np.ndarray) -> float | None:
    """State of charge [%]; None where the battery says nothing (all zero) or nothing possible (above 100)."""
    charge = int(bms["soc"])
    if charge > 100:
        return None
    if charge == 0 and not any(np.any(bms[name]) for name in ("status", "current", "cycle", "cell_vol")):
        return None
    return float(charge)


def _check_crc(name: str, record: np.ndarray) -> None:
    expected = low_level_crc(record)
    if int(record["crc"]) != expected:
        hint = "" if record["crc"] else "; a simulator without checksums needs its robot profile (unitree_mujoco)"
        raise SampleError(f"{name} with CRC 0x{int(record['crc']):08X}, its bytes give 0x{expected:08X}{hint}")


def _check_unit(quat_wxyz: np.ndarray) -> None:
    norm = math.sqrt(quat_wxyz @ quat_wxyz)
    if abs(norm - 1.0) > _UNIT_QUATERNION_TOLERANCE:
        raise SampleError(f"orientation {quat_wxyz} has norm {norm:.3f}, a unit quaternion is needed")


def _roll_pitch_yaw(quat_wxyz: np.ndarray) -> tuple[float, float, float]:
    """Roll, pitch, yaw [rad] about x, y, z (yaw applied first in the world), as Unitree's IMU gives them."""
    w, x, y, z = quat_wxyz.tolist()
    roll = math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = math.asin(min(max(2.0 * (w * y - z * x), -1.0), 1.0))
    return roll, pitch, math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
