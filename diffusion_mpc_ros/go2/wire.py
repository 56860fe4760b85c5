"""The binary layouts of the Unitree messages and their conversion from and to DDS samples.

A DDS sample holds the fields one after the other, aligned as CDR asks; the checksum is computed over the C structure,
which pads each nested structure to its own alignment. Both hold the same bytes in a few runs at other offsets, so that
a whole sample is converted at once. Going through the SDK's generated Python classes instead takes
about twenty times longer, too much at 500 Hz.

Field names are those of the IDL; a misspelt one raises here, whereas the generated classes silently take it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import InterfaceError

NUM_MOTOR_SLOTS = 20
_ENCAPSULATION_BYTES = 4
# Encapsulation identifiers whose layout is the plain little-endian one; without 8-byte fields XCDR1 equals XCDR2.
_LITTLE_ENDIAN = {b"\x00\x01": "CDR_LE", b"\x00\x07": "PLAIN_CDR2_LE"}
_HEADER = b"\x00\x01\x00\x00"
_SINGLE_MAX = float(np.finfo(np.float32).max)
# Numbers whose squares add up to less are finite in single precision.
_SURELY_SINGLE = 1e30


class SampleError(InterfaceError):
    """A DDS sample that does not have the layout, the checksum or the finite numbers of its message."""


def _struct(*fields: tuple[Any, ...]) -> np.dtype:
    return np.dtype(list(fields), align=True)


def _fields(dtype: np.dtype) -> dict[str, tuple[np.dtype, int]]:
    """Return type and beginning [bytes] of each field of a structure, in their order."""
    fields: Any = dtype.fields
    return {name: fields[name][:2] for name in dtype.names or ()}


_IMU_STATE = _struct(
    ("quaternion", "<f4", 4),
    ("gyroscope", "<f4", 3),
    ("accelerometer", "<f4", 3),
    ("rpy", "<f4", 3),
    ("temperature", "u1"),
)
_MOTOR_STATE = _struct(
    ("mode", "u1"),
    ("q", "<f4"),
    ("dq", "<f4"),
    ("ddq", "<f4"),
    ("tau_est", "<f4"),
    ("q_raw", "<f4"),
    ("dq_raw", "<f4"),
    ("ddq_raw", "<f4"),
    ("temperature", "u1"),
    ("lost", "<u4"),
    ("reserve", "<u4", 2),
)
_BMS_STATE = _struct(
    ("version_high", "u1"),
    ("version_low", "u1"),
    ("status", "u1"),
    ("soc", "u1"),
    ("current", "<i4"),
    ("cycle", "<u2"),
    ("bq_ntc", "u1", 2),
    ("mcu_ntc", "u1", 2),
    ("cell_vol", "<u2", 15),
)
_MOTOR_CMD = _struct(
    ("mode", "u1"),
    ("q", "<f4"),
    ("dq", "<f4"),
    ("tau", "<f4"),
    ("kp", "<f4"),
    ("kd", "<f4"),
    ("reserve", "<u4", 3),
)
_PREAMBLE = (
    ("head", "u1", 2),
    ("level_flag", "u1"),
    ("frame_reserve", "u1"),
    ("sn", "<u4", 2),
    ("version", "<u4", 2),
    ("bandwidth", "<u2"),
)
_TIME_SPEC = _struct(("sec", "<i4"), ("nanosec", "<u4"))
_PATH_POINT = _struct(*((name, "<f4") for name in ("t_from_start", "x", "y", "yaw", "vx", "vy", "vyaw")))


class Layout:
    """One message: its C structure as a NumPy type, and the conversion from and to a DDS sample."""

    def __init__(self, name: str, dtype: np.dtype) -> None:
        self.name = name
        self.dtype = dtype
        c_offsets, cdr_offsets = _offsets(dtype)
        self._c_index = np.array(c_offsets, dtype=np.intp)
        self._sample_index = np.array(cdr_offsets, dtype=np.intp) + _ENCAPSULATION_BYTES
        self._sample_size = int(self._sample_index[-1]) + 1
        self._runs = self._find_runs()
        # Ones where the C structure has data, zeros where it has padding.
        self._data_bits = np.zeros(dtype.itemsize, dtype=np.uint8)
        self._data_bits[self._c_index] = 0xFF
        names = list(_fields(dtype))
        places = np.searchsorted(self._c_index, [self.offset(name) for name in names])
        self._starts = dict(zip(names, self._sample_index[places].tolist()))  # in a sample

    def zeros(self) -> np.ndarray:
        """Return an all-zero message, a structured array of shape ``()``."""
        return np.zeros(self.dtype.itemsize, dtype=np.uint8).view(self.dtype).reshape(())

    def copy(self, record: np.ndarray) -> np.ndarray:
        """Return a copy with its padding; NumPy's own ``copy`` leaves the padding undefined, and the CRC covers it."""
        return self.view(bytearray(record.tobytes()))

    def view(self, raw: bytearray) -> np.ndarray:
        """Return the message whose C structure is ``raw``; what is written to one is written to both."""
        return np.frombuffer(raw, dtype=self.dtype).reshape(())

    def offset(self, *path: str) -> int:
        """Where a field, or one of a nested structure, begins in the C structure [bytes]."""
        dtype, offset = self.dtype, 0
        for name in path:
            dtype, start = _fields(dtype)[name]
            offset += start
        return offset

    def peek(self, sample: bytes, field: str, values: struct.Struct) -> tuple[Any, ...]:
        """Return ``values``, which begin at a top-level ``field`` of a DDS sample; only its layout is checked.

        Raises :class:`SampleError`.
        """
        self._check(sample)
        return values.unpack_from(sample, self._starts[field])

    def unpack(self, sample: bytes) -> np.ndarray:
        """Return the message in a DDS sample, padding cleared.

        Raises :class:`SampleError` when it is another layout.
        """
        self._check(sample)
        raw = bytearray(self.dtype.itemsize)
        for in_structure, in_sample in self._runs:
            raw[in_structure] = sample[in_sample]
        data = np.frombuffer(raw, dtype=np.uint8)
        data &= self._data_bits
        return self.view(raw)

    def pack(self, record: np.ndarray | bytearray) -> bytes:
        """Return the DDS sample of a message, or of its C structure, whose padding is clear: undoes :meth:`unpack`."""
        raw = record if isinstance(record, bytearray) else record.tobytes()
        return b"".join([_HEADER, *[raw[in_structure] for in_structure, _ in self._runs]])

    def _find_runs(self) -> list[tuple[slice, slice]]:
        """Return where the C structure and the sample hold the same bytes in the same order, padding included.

        A structure is padded at its end in C alone, so that the runs lie end to end in the sample.
        """
        shifts = self._sample_index - self._c_index
        first = [0, *(np.flatnonzero(np.diff(shifts)) + 1).tolist()]
        ends = [*self._sample_index[first[1:]].tolist(), self._sample_size]
        starts = zip(self._c_index[first].tolist(), self._sample_index[first].tolist())
        return [(slice(c, c + end - start), slice(start, end)) for (c, start), end in zip(starts, ends)]

    def _check(self, sample: bytes) -> None:
        if len(sample) < self._sample_size or bytes(sample[:2]) not in _LITTLE_ENDIAN:
            raise SampleError(
                f"a {self.name} sample has {self._sample_size} bytes or a few more in one of "
                f"{sorted(_LITTLE_ENDIAN.values())}; got {len(sample)} bytes that begin 0x{bytes(sample[:2]).hex()}"
            )


class FloatFields:
    """Some float32 fields of a layout, read and written together and checked to be finite.

    Each keyword is the name outside; its value takes a record and returns the field. One index for all of them costs
    a fifth of going through the fields one by one.
    """

    def __init__(self, layout: Layout, **fields: Callable[[np.ndarray], np.ndarray]) -> None:
        self._layout = layout
        # A record whose every word holds its own number tells where a field's words are.
        numbers = np.arange(layout.dtype.itemsize // 4, dtype="<u4").view(layout.dtype).reshape(())
        words = {name: np.ascontiguousarray(field(numbers)).view("<u4") for name, field in fields.items()}
        self._index = np.concatenate(list(words.values())).astype(np.intp)
        ends = np.cumsum([len(part) for part in words.values()])
        self._slices = {name: slice(int(end) - len(words[name]), int(end)) for name, end in zip(words, ends)}

    def read(self, record: np.ndarray) -> dict[str, np.ndarray]:
        """Return the fields in double precision; raises :class:`SampleError` unless all are finite."""
        values = np.frombuffer(record.tobytes(), dtype="<f4")[self._index].astype(np.float64)
        self._check_single(values)
        return {name: values[part] for name, part in self._slices.items()}

    def write(self, raw: bytearray, source: object) -> None:
        """Set the fields in the C structure ``raw`` from the attributes of ``source``; raises :class:`SampleError`."""
        values = np.concatenate([getattr(source, name) for name in self._slices])
        self._check_single(values)
        np.frombuffer(raw, dtype="<f4")[self._index] = values

    def _check_single(self, values: np.ndarray) -> None:
        """Refuse what is not finite on the wire, so also what overflows single precision."""
        # A quarter of the time of looking at each; the negations also catch NaN.
        if values @ values < _SURELY_SINGLE:
            return
        if not np.abs(values).max() <= _SINGLE_MAX:
            bad = {name: values[part] for name, part in self._slices.items()}
            bad = {name: part for name, part in bad.items() if not np.abs(part).max() <= _SINGLE_MAX}
            raise SampleError(f"{self._layout.name} with numbers that are not finite: {bad}")


def _offsets(dtype: np.dtype) -> tuple[list[int], list[int]]:
    """Offsets of every data byte in the C structure and in CDR, in the order of the fields."""
    c_offsets: list[int] = []
    cdr_offsets: list[int] = []

    def walk(part: np.dtype, c_start: int) -> None:
        if part.subdtype is not None:
            element, shape = part.subdtype
            for index in range(int(np.prod(shape))):
                walk(element, c_start + index * element.itemsize)
        elif part.fields is not None:
            for field_type, offset in _fields(part).values():
                walk(field_type, c_start + offset)
        else:
            end = cdr_offsets[-1] + 1 if cdr_offsets else 0
            cdr_start = -(-end // part.itemsize) * part.itemsize
            c_offsets.extend(range(c_start, c_start + part.itemsize))
            cdr_offsets.extend(range(cdr_start, cdr_start + part.itemsize))

    walk(dtype, 0)
    return c_offsets, cdr_offsets


LOWSTATE = Layout(
    "LowState",
    _struct(
        *_PREAMBLE,
        ("imu_state", _IMU_STATE),
        ("motor_state", _MOTOR_STATE, NUM_MOTOR_SLOTS),
        ("bms_state", _BMS_STATE),
        ("foot_force", "<i2", 4),
        ("foot_force_est", "<i2", 4),
        ("tick", "<u4"),
        ("wireless_remote", "u1", 40),
        ("bit_flag", "u1"),
        ("adc_reel", "<f4"),
        ("temperature_ntc1", "u1"),
        ("temperature_ntc2", "u1"),
        ("power_v", "<f4"),
        ("power_a", "<f4"),
        ("fan_frequency", "<u2", 4),
        ("reserve", "<u4"),
        ("crc", "<u4"),
    ),
)
LOWCMD = Layout(
    "LowCmd",
    _struct(
        *_PREAMBLE,
        ("motor_cmd", _MOTOR_CMD, NUM_MOTOR_SLOTS),
        ("bms_cmd", _struct(("off", "u1"), ("reserve", "u1", 3))),
        ("wireless_remote", "u1", 40),
        ("led", "u1", 12),
        ("fan", "u1", 2),
        ("gpio", "u1"),
        ("reserve", "<u4"),
        ("crc", "<u4"),
    ),
)
SPORTMODESTATE = Layout(
    "SportModeState",
    _struct(
        ("stamp", _TIME_SPEC),
        ("error_code", "<u4"),
        ("imu_state", _IMU_STATE),
        ("mode", "u1"),
        ("progress", "<f4"),
        ("gait_type", "u1"),
        ("foot_raise_height", "<f4"),
        ("position", "<f4", 3),
        ("body_height", "<f4"),
        ("velocity", "<f4", 3),
        ("yaw_speed", "<f4"),
        ("range_obstacle", "<f4", 4),
        ("foot_force", "<i2", 4),
        ("foot_position_body", "<f4", 12),
        ("foot_speed_body", "<f4", 12),
        ("path_point", _PATH_POINT, 10),
    ),
)
