"""LowStates on their way: what is lost, late, twice, out of order, broken."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.faults.lowstate_faults import OVERTAKEN, LowStateChannel, LowStateFault, shifted
from diffusion_mpc_ros.go2.messages import decode_lowstate, encode_lowstate
from diffusion_mpc_ros.go2.wire import SampleError
from diffusion_mpc_ros.simulation.robot import Go2Simulation

SAMPLE = encode_lowstate(dataclasses.replace(Go2Simulation().lowstate(0.0), tick_ms=1234))


def passed(fault: LowStateFault, count: int = 2000, seed: int = 0) -> list[list[tuple[float, bytes]]]:
    """What becomes of ``count`` messages, one every 2 ms from time 0 on."""
    channel = LowStateChannel(fault, 0.0, seed)
    return [channel.pass_on(SAMPLE, 0.002 * index) for index in range(count)]


def test_without_a_fault_everything_passes_at_once():
    assert passed(LowStateFault(), 3) == [[(0.0, SAMPLE)], [(0.002, SAMPLE)], [(0.004, SAMPLE)]]


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2, 1.0])
def test_loss(loss):
    lost = sum(not copies for copies in passed(LowStateFault(loss=loss), 5000))
    assert lost / 5000 == pytest.approx(loss, abs=4 * np.sqrt(loss * (1 - loss) / 5000))  # four sigma


def test_the_same_seed_loses_the_same():
    fault = LowStateFault(loss=0.2)
    assert passed(fault, seed=3) == passed(fault, seed=3) != passed(fault, seed=4)


def test_bursts():
    # 80 ms of every second: messages 0 .. 39 and 500 .. 539.
    gone = [index for index, copies in enumerate(passed(LowStateFault(gap=0.08, gap_period=1.0), 1000)) if not copies]
    assert gone == [*range(40), *range(500, 540)]


def test_one_burst():
    gone = [index for index, copies in enumerate(passed(LowStateFault(gap=0.3), 1000)) if not copies]
    assert gone == list(range(150))


def test_delay_and_duplicates():
    assert passed(LowStateFault(delay=0.045, duplicate=1.0), 1) == [[(0.045, SAMPLE)] * 2]


def test_reordered_messages_are_overtaken():
    due = [copies[0][0] for copies in passed(LowStateFault(reorder=0.2))]
    late = sum(time - 0.002 * index > 0.9 * OVERTAKEN for index, time in enumerate(due))
    assert 300 < late < 500  # a fifth of 2000
    assert sum(b < a for a, b in zip(due, due[1:])) > 200


@pytest.mark.parametrize(("fault", "reason"), [(LowStateFault(bad_crc=1.0), "CRC"), (LowStateFault(nan=1.0), "finite")])
def test_broken_messages_are_refused_for_what_is_broken(fault, reason):
    for copies in passed(fault, 200):
        with pytest.raises(SampleError, match=reason):
            decode_lowstate(copies[0][1], 0.0)


def test_remote():
    remote = bytes(range(40))
    sample = passed(LowStateFault(remote=remote.hex()), 1)[0][0][1]
    assert decode_lowstate(sample, 0.0).wireless_remote == remote


@pytest.mark.parametrize(("milliseconds", "tick"), [(10_000, 11_234), (-1_000, 234), (-2_000, 2**32 - 766), (0, 1234)])
def test_clock(milliseconds, tick):
    assert decode_lowstate(shifted(SAMPLE, milliseconds), 0.0).tick_ms == tick


@given(
    st.builds(
        LowStateFault, *[st.floats(0, 1)] * 3, delay=st.floats(0, 1), duplicate=st.floats(0, 1),
        reorder=st.floats(0, 1), bad_crc=st.floats(0, 1), nan=st.floats(0, 1),
    ),
    st.integers(0, 2**31),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_nothing_is_early_and_none_comes_more_than_twice(fault, seed):
    channel = LowStateChannel(fault, 0.0, seed)
    for index in range(20):
        now = 0.002 * index
        copies = channel.pass_on(SAMPLE, now)
        assert len(copies) <= 2
        assert all(due >= now + fault.delay and len(sample) == len(SAMPLE) for due, sample in copies)


@pytest.mark.parametrize("fault", [{"loss": 1.1}, {"nan": -0.1}, {"delay": float("inf")}, {"gap": float("nan")}])
def test_impossible_faults_are_refused(fault):
    with pytest.raises(ConfigurationError, match=next(iter(fault))):
        LowStateFault(**fault)
