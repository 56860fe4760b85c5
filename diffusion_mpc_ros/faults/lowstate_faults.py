"""What can happen to LowStates on their way: lost, late, twice, out of order, broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.go2.crc import low_level_crc
from diffusion_mpc_ros.go2.wire import LOWSTATE

# A message that is overtaken waits this long [s]: two to three of its successors pass it.
OVERTAKEN = 5e-3
# The motor that says something odd: the front left calf.
ODD_MOTOR = 5

SHARES = ("loss", "duplicate", "reorder", "bad_crc", "nan", "odd")
TIMES = ("gap", "gap_period", "delay", "delay_rate", "delay_max")


@dataclass(frozen=True)
class LowStateFault:
    """Shares are of the messages, in [0, 1]; by default everything passes unchanged.

    Within the first ``gap`` [s] of every ``gap_period`` [s] all are lost, with period 0 only once. ``remote``: the
    bytes of the wireless remote in hexadecimal, "" to leave them, for the first ``remote_for`` [s]. The delay grows by
    ``delay_rate`` [s/s] up to ``delay_max`` [s]. ``frozen``: the first message again and again, its tick as it was or
    running on. Messages that are changed get a right CRC again, except for the share ``bad_crc``.

    What the robot says of itself: ``motor_mode`` of one motor, ``temperature`` (a byte) of one motor and ``soc`` of the
    battery, for the share ``odd`` of the messages; -1 leaves them. ``no_battery``: an all-zero battery. ``foot_gain``
    of the front right foot's sensor, ``feet_gain`` of all.
    """

    loss: float = 0.0
    gap: float = 0.0
    gap_period: float = 0.0
    delay: float = 0.0  # [s]
    duplicate: float = 0.0
    reorder: float = 0.0
    bad_crc: float = 0.0
    nan: float = 0.0
    remote: str = ""
    remote_for: float = math.inf  # [s]
    delay_rate: float = 0.0  # [s/s]
    delay_max: float = 0.0  # [s]
    frozen: str = ""  # "", "tick frozen" or "tick running"
    odd: float = 1.0
    motor_mode: int = -1
    temperature: int = -1
    soc: int = -1
    no_battery: bool = False
    foot_gain: float = 1.0
    feet_gain: float = 1.0

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in SHARES}
        times = {name: getattr(self, name) for name in TIMES}
        wrong = {name: value for name, value in shares.items() if not 0.0 <= value <= 1.0}
        wrong |= {name: value for name, value in times.items() if not 0.0 <= value < math.inf}
        if wrong:
            raise ConfigurationError(f"LowState fault {wrong}: shares are within [0, 1], times finite and >= 0 s")


class LowStateChannel:
    """Applies one fault from ``start`` [s] on; the same seed gives the same losses."""

    def __init__(self, fault: LowStateFault, start: float, seed: int = 0) -> None:
        self._fault, self._start = fault, start
        self._random = np.random.default_rng(seed)
        self._remote = np.frombuffer(bytes.fromhex(fault.remote), dtype=np.uint8)
        self._frozen: np.ndarray | None = None
        self._frozen_ms: int | None = None

    def pass_on(self, sample: bytes, now: float) -> list[tuple[float, bytes]]:
        """Return what becomes of a ``sample`` that came ``now`` [s]: when [s] to pass on what, any number of times."""
        fault = self._fault
        if self._in_gap(now) or self._hit(fault.loss):
            return []
        grown = min(fault.delay_rate * (now - self._start), fault.delay_max)
        due = now + fault.delay + grown + (OVERTAKEN if self._hit(fault.reorder) else 0.0)
        copies = 2 if self._hit(fault.duplicate) else 1
        return [(due, self._changed(sample, now))] * copies

    def measured_ms(self, tick_ms: int) -> int:
        """When [ms] what is passed on in place of the message of ``tick_ms`` was measured, by the robot's clock."""
        if self._fault.frozen and self._frozen_ms is None:
            self._frozen_ms = tick_ms
        return tick_ms if self._frozen_ms is None else self._frozen_ms

    def _in_gap(self, now: float) -> bool:
        elapsed = now - self._start
        period = self._fault.gap_period
        return (elapsed % period if period else elapsed) < self._fault.gap

    def _hit(self, share: float) -> bool:
        return share > 0.0 and bool(self._random.random() < share)

    def _changed(self, sample: bytes, now: float) -> bytes:
        changes = [change for change, due in self._changes(now) if due]
        if changes:
            sample = changed(sample, lambda record: [change(record) for change in changes])
        return flipped_bit(sample, self._random) if self._hit(self._fault.bad_crc) else sample

    def _changes(self, now: float) -> list[tuple[Callable[[np.ndarray], object], bool]]:
        fault = self._fault
        says = max(fault.motor_mode, fault.temperature, fault.soc) >= 0 or fault.no_battery
        return [
            (self._freeze, bool(fault.frozen)),
            (self._set_remote, len(self._remote) > 0 and now - self._start <= fault.remote_for),
            (self._weaken_feet, fault.foot_gain != 1.0 or fault.feet_gain != 1.0),
            (self._say, says and self._hit(fault.odd)),
            (self._set_nan, self._hit(fault.nan)),
        ]

    def _freeze(self, record: np.ndarray) -> None:
        if self._frozen is None:
            self._frozen = record.copy()
        tick = int(record["tick"])
        record[...] = self._frozen
        if self._fault.frozen == "tick running":
            record["tick"] = tick

    def _set_remote(self, record: np.ndarray) -> None:
        record["wireless_remote"][: len(self._remote)] = self._remote

    def _weaken_feet(self, record: np.ndarray) -> None:
        record["foot_force"] = record["foot_force"] * self._fault.feet_gain
        record["foot_force"][0] = record["foot_force"][0] * self._fault.foot_gain

    def _say(self, record: np.ndarray) -> None:
        fault, motor, battery = self._fault, record["motor_state"], record["bms_state"]
        if fault.motor_mode >= 0:
            motor["mode"][ODD_MOTOR] = fault.motor_mode
        if fault.temperature >= 0:
            motor["temperature"][ODD_MOTOR] = fault.temperature
        if fault.soc >= 0:
            battery["soc"] = fault.soc
        if fault.no_battery:
            battery[...] = np.zeros((), dtype=battery.dtype)

    def _set_nan(self, record: np.ndarray) -> None:
        imu, joints = record["imu_state"], record["motor_state"]
        index = int(self._random.integers(NUM_JOINTS))
        fields = (imu["quaternion"], imu["gyroscope"], imu["accelerometer"], joints["q"], joints["dq"])
        field = fields[int(self._random.integers(len(fields)))]
        field[index % min(len(field), NUM_JOINTS)] = np.nan


def changed(sample: bytes, change: Callable[[np.ndarray], None]) -> bytes:
    """``sample`` after ``change`` of its record (C structure), with the CRC that belongs to it."""
    record = LOWSTATE.unpack(sample)
    change(record)
    record["crc"] = low_level_crc(record)
    return LOWSTATE.pack(record)


def shifted(sample: bytes, milliseconds: int) -> bytes:
    """``sample`` of a robot whose clock is ``milliseconds`` ahead."""

    def shift(record: np.ndarray) -> None:
        record["tick"] = (int(record["tick"]) + milliseconds) % 2**32

    return changed(sample, shift) if milliseconds else sample


def flipped_bit(sample: bytes, random: np.random.Generator) -> bytes:
    """``sample`` with one bit of its CRC the other way round."""
    record = LOWSTATE.unpack(sample)
    record["crc"] = int(record["crc"]) ^ 1 << int(random.integers(32))
    return LOWSTATE.pack(record)


def tick_of(sample: bytes) -> int:
    """Return the robot's clock [ms] in a sample."""
    return int(LOWSTATE.unpack(sample)["tick"])
