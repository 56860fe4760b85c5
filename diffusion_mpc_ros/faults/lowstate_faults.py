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


@dataclass(frozen=True)
class LowStateFault:
    """Shares are of the messages, in [0, 1]; by default everything passes unchanged.

    Within the first ``gap`` [s] of every ``gap_period`` [s] all are lost, with period 0 only once. ``remote``: the
    bytes of the wireless remote in hexadecimal, "" to leave them. Messages that are changed get a right CRC again,
    except for the share ``bad_crc``.
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

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in ("loss", "duplicate", "reorder", "bad_crc", "nan")}
        times = {name: getattr(self, name) for name in ("gap", "gap_period", "delay")}
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

    def pass_on(self, sample: bytes, now: float) -> list[tuple[float, bytes]]:
        """What becomes of a ``sample`` that came ``now`` [s]: when [s] to pass on what, any number of times."""
        fault = self._fault
        if self._in_gap(now) or self._hit(fault.loss):
            return []
        due = now + fault.delay + (OVERTAKEN if self._hit(fault.reorder) else 0.0)
        copies = 2 if self._hit(fault.duplicate) else 1
        return [(due, self._changed(sample))] * copies

    def _in_gap(self, now: float) -> bool:
        elapsed = now - self._start
        period = self._fault.gap_period
        return (elapsed % period if period else elapsed) < self._fault.gap

    def _hit(self, share: float) -> bool:
        return share > 0.0 and bool(self._random.random() < share)

    def _changed(self, sample: bytes) -> bytes:
        if len(self._remote):
            sample = changed(sample, self._set_remote)
        if self._hit(self._fault.nan):
            sample = changed(sample, self._set_nan)
        return flipped_bit(sample, self._random) if self._hit(self._fault.bad_crc) else sample

    def _set_remote(self, record: np.ndarray) -> None:
        record["wireless_remote"][: len(self._remote)] = self._remote

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
