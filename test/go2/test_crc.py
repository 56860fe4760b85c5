"""The checksum against values of Unitree's own library and against a bit-by-bit reference."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_mpc_ros.go2.crc import low_level_crc
from diffusion_mpc_ros.go2.wire import LOWCMD, LOWSTATE


def zero():
    return LOWCMD.zeros()


def addressed():
    record = LOWCMD.zeros()
    record["head"], record["level_flag"] = (0xFE, 0xEF), 0xFF
    record["motor_cmd"]["mode"] = 1
    return record


def stopped():
    record = addressed()
    record["motor_cmd"]["q"], record["motor_cmd"]["dq"] = 2.146e9, 16000.0
    return record


def damped():
    record = addressed()
    record["motor_cmd"]["kd"][:12] = 5.0
    return record


@pytest.mark.parametrize(
    ("make", "expected"),
    [(zero, 0x4B5A4880), (stopped, 0x06E577CD), (damped, 0xF5682BD8)],
    ids=["zero", "stopped", "damped"],
)
def test_lowcmd_equals_unitrees_library(make, expected):
    assert low_level_crc(make()) == expected


def bitwise_crc(words: np.ndarray) -> int:
    """The definition: each 32-bit word shifted in from its most significant bit, polynomial 0x04C11DB7."""
    crc = 0xFFFFFFFF
    for word in words.tolist():
        crc ^= word
        for _ in range(32):
            crc = ((crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


@pytest.mark.parametrize("layout", [LOWCMD, LOWSTATE], ids=lambda layout: layout.name)
def test_equals_the_definition(layout):
    raw = np.random.default_rng(0).integers(0, 256, layout.dtype.itemsize, dtype=np.uint8)
    record = raw.view(layout.dtype).reshape(())
    assert low_level_crc(record) == bitwise_crc(raw.view("<u4")[:-1])


def test_covers_everything_but_itself():
    record = damped()
    before = low_level_crc(record)
    record["crc"] = 12345
    assert low_level_crc(record) == before
    record["reserve"] = 1
    assert low_level_crc(record) != before
