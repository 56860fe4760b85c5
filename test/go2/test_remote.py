"""The Unitree remote's 40 bytes, made by hand and there and back."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.core.gamepad import BUTTONS, GamepadState
from diffusion_mpc_ros.go2.remote import decode_remote, encode_remote, remote_present

# What single precision carries exactly.
STICK = st.floats(-1.0, 1.0, width=32)
PRESSED = st.frozensets(st.sampled_from(BUTTONS))
STATES = st.builds(GamepadState, PRESSED, STICK, STICK, STICK, STICK) | st.builds(
    lambda pressed: GamepadState(pressed, sticks_valid=False), PRESSED
)


def remote(keys: tuple[int, int] = (0, 0), *, lx=0.0, rx=0.0, ry=0.0, l2=0.0, ly=0.0) -> bytes:
    """The bytes at the offsets that Unitree documents: keys at 2, lx 4, rx 8, ry 12, L2 16, ly 20."""
    data = bytearray(40)
    data[0:2] = b"\x55\x51"
    data[2:4] = bytes(keys)
    for offset, value in ((4, lx), (8, rx), (12, ry), (16, l2), (20, ly)):
        data[offset : offset + 4] = struct.pack("<f", value)
    return bytes(data)


@pytest.mark.parametrize(
    ("keys", "pressed"),
    [
        ((0b0000_0001, 0), {"R1"}),
        ((0b0000_0010, 0), {"L1"}),
        ((0b0000_0100, 0), {"start"}),
        ((0b0000_1000, 0), {"select"}),
        ((0b1100_0000, 0), {"F1", "F2"}),
        ((0, 0b0000_0001), {"A"}),
        ((0, 0b0000_1100), {"X", "Y"}),
        ((0, 0b1111_0000), {"up", "right", "down", "left"}),
        # L2 is bit 5 of the first byte, B bit 1 of the second: Unitree's own combination for damping.
        ((0b0010_0000, 0b0000_0010), {"L2", "B"}),
        ((0xFF, 0xFF), set(BUTTONS)),
    ],
)
def test_each_button_is_its_bit(keys, pressed):
    assert decode_remote(remote(keys)).pressed == pressed


def test_each_stick_is_at_its_place():
    state = decode_remote(remote(lx=0.25, rx=-0.5, ry=0.75, l2=1.0, ly=-1.0))
    assert state.sticks == (0.25, -1.0, -0.5, 0.75)
    assert not state.pressed


def test_no_remote_is_nothing_pressed_and_sticks_in_the_middle():
    assert decode_remote(bytes(40)) == GamepadState()


def test_a_remote_at_rest_is_not_one_that_is_off():
    at_rest = encode_remote(GamepadState())
    assert decode_remote(at_rest) == GamepadState()
    assert remote_present(at_rest) and remote_present(remote())
    assert not remote_present(bytes(40))


@pytest.mark.parametrize("length", [0, 39, 41])
def test_a_wrong_length_is_no_remote(length):
    assert decode_remote(bytes(length)) is None


@pytest.mark.parametrize("stick", ["lx", "ly", "rx", "ry"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.06, -1.06, 3e38])
def test_buttons_do_not_depend_on_sticks(stick, value):
    # B and L2, whatever a stick says; the other sticks are pushed and do not count either.
    pushed = {"lx": 0.5, "ly": 0.5, "rx": 0.5, "ry": 0.5, stick: value}
    state = decode_remote(remote((0b0010_0000, 0b0000_0010), **pushed))
    assert state == GamepadState(frozenset({"B", "L2"}), sticks_valid=False)
    assert state.sticks == (0.0, 0.0, 0.0, 0.0)


def test_a_badly_calibrated_stick_is_clipped():
    assert decode_remote(remote(lx=1.04, ly=-1.04)).sticks == (1.0, -1.0, 0.0, 0.0)


def test_the_analogue_trigger_does_not_matter():
    assert decode_remote(remote(l2=math.nan)) == GamepadState()


@settings(deadline=None)
@given(STATES)
def test_there_and_back(state):
    data = encode_remote(state)
    assert len(data) == 40
    assert decode_remote(data) == state
    assert remote_present(data)


@settings(deadline=None)
@given(st.binary(min_size=40, max_size=40))
def test_any_bytes_give_the_buttons_and_sticks_in_range(data):
    state = decode_remote(data)
    assert all(-1.0 <= value <= 1.0 for value in state.sticks)
    bits = int.from_bytes(data[2:4], "little")
    assert state.pressed == {name for bit, name in enumerate(BUTTONS) if bits & 1 << bit}
