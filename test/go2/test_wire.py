"""The binary layouts against the SDK's own IDL classes, field by field."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.go2 import sdk, wire

LAYOUTS = [(wire.LOWSTATE, sdk.LowState_), (wire.LOWCMD, sdk.LowCmd_), (wire.SPORTMODESTATE, sdk.SportModeState_)]


def idl_value(record, idl_class):
    """The instance of the SDK's class that says what ``record`` says."""
    arguments = {}
    for field in dataclasses.fields(idl_class):
        value = record[field.name]
        if value.dtype.names is None:
            arguments[field.name] = value.tolist()
            continue
        nested = getattr(__import__("unitree_sdk2py.idl.unitree_go.msg.dds_", fromlist=["_"]), nested_name(field))
        many = value.ndim > 0
        arguments[field.name] = [idl_value(one, nested) for one in value] if many else idl_value(value, nested)
    return idl_class(**arguments)


def nested_name(field) -> str:
    """``MotorState_`` out of the type annotation of a nested message or of an array of them."""
    parts = str(field.type).replace("'", ".").split(".")
    return next(part for part in parts if part.endswith("_") and part[0].isupper())


def random_record(layout, seed: int):
    """A record with every data byte random but every float finite, padding zero."""
    random = np.random.default_rng(seed)
    record = layout.zeros()

    def fill(part) -> None:
        for name in part.dtype.names:
            field = part[name]
            if field.dtype.names is not None:
                fill(field)
            elif field.dtype.kind == "f":
                part[name] = random.normal(scale=100.0, size=field.shape)
            else:
                limits = np.iinfo(field.dtype)
                part[name] = random.integers(limits.min, limits.max, size=field.shape, endpoint=True)

    fill(record)
    return record


@pytest.mark.parametrize(("layout", "idl_class"), LAYOUTS, ids=lambda value: getattr(value, "name", ""))
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_samples_equal_those_of_the_sdk(layout, idl_class, seed):
    record = random_record(layout, seed)
    sample = layout.pack(record)
    assert sample == idl_value(record, idl_class).serialize()
    assert idl_class.deserialize(sample).serialize() == sample
    assert layout.unpack(sample).tobytes() == record.tobytes()


def test_sizes_are_those_of_the_c_structures():
    # 22 bytes up to the bandwidth, padded to 24; 20 motors of 36; 4 + 40 + 12 + 2 + 1, padded to 60; two words.
    assert wire.LOWCMD.dtype.itemsize == 24 + 20 * 36 + 60 + 2 * 4 == 812
    # 24; IMU 13 floats and a byte, padded: 56; 20 motors of 48; battery 44; 16 + 4 + 41, padded to 64; float; 2 bytes,
    # padded to 4; 2 floats; 4 short; two words.
    assert wire.LOWSTATE.dtype.itemsize == 24 + 56 + 20 * 48 + 44 + 64 + 4 + 4 + 8 + 8 + 8 == 1180


def test_a_misspelt_field_raises():
    record = wire.LOWCMD.zeros()
    with pytest.raises(ValueError, match="qd"):
        record["motor_cmd"]["qd"] = 1.0


def test_padding_in_a_sample_is_ignored():
    record = random_record(wire.LOWCMD, 3)
    sample = bytearray(wire.LOWCMD.pack(record))
    used = set(wire.LOWCMD._sample_index.tolist())
    padding = [index for index in range(4, len(sample)) if index not in used]
    assert padding
    for index in padding:
        sample[index] = 0xAA
    assert wire.LOWCMD.unpack(bytes(sample)).tobytes() == record.tobytes()


@pytest.mark.parametrize(
    "sample",
    [b"", b"\x00\x01\x00\x00", wire.LOWCMD.pack(wire.LOWCMD.zeros())[:-1], b"\x00\x00" + bytes(810)],
    ids=["empty", "header only", "one byte short", "big endian"],
)
def test_another_layout_is_refused(sample):
    with pytest.raises(wire.SampleError, match="LowCmd sample has 812 bytes"):
        wire.LOWCMD.unpack(sample)


def test_plain_cdr2_is_the_same_layout():
    record = random_record(wire.LOWSTATE, 4)
    sample = b"\x00\x07" + wire.LOWSTATE.pack(record)[2:]
    assert wire.LOWSTATE.unpack(sample).tobytes() == record.tobytes()


def test_copies_keep_the_zero_padding():
    record = random_record(wire.LOWSTATE, 5)
    assert wire.LOWSTATE.copy(record).tobytes() == record.tobytes()
