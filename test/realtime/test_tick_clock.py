"""Tick numbering under jitter, drift, late messages and restarts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.realtime.tick_clock import TickClock, TickSample


def feed(clock, start_ms, start_time, seconds, delay=0.0, rate=1.0):
    """500 Hz messages; returns the last receive time."""
    for n in range(int(seconds * 500)):
        time = start_time + n * 0.002
        clock.update(int(start_ms + n * 2 * rate), time + delay)
    return time


def test_numbers_by_hand():
    clock = TickClock()
    with pytest.raises(TimingError):
        clock.time_of(0)
    # 1234 ms // 20 = tick 61, which began 14 ms before: 100.000 - 0.014 = 99.986 s.
    sample = clock.update(1234, 100.0)
    assert (sample.tick, sample.fresh, sample.restarted) == (61, True, False)
    assert clock.time_of(61) == pytest.approx(99.986)
    assert clock.tick_at(100.0) == 61
    assert clock.tick_at(100.006) == 62


def test_late_message_keeps_its_number():
    clock = TickClock()
    clock.update(1000, 10.0)
    clock.update(1040, 10.04)
    late = clock.update(1020, 10.05)
    assert (late.tick, late.fresh, late.restarted) == (51, False, False)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), jitter=st.floats(0.0, 0.05))
def test_jitter_only_delays(seed, jitter):
    rng, clock = np.random.default_rng(seed), TickClock()
    clock.update(0, 50.0)
    for n in range(1, 1500):
        assert not clock.update(2 * n, 50.0 + 0.002 * n + rng.uniform(0.0, jitter)).restarted
    # The first message came without delay, so the offset is exact to the smallest later jitter.
    assert abs(clock.time_of(100) - 52.0) <= jitter + 1e-9
    assert all(clock.tick_at(clock.time_of(tick)) == tick for tick in range(0, 200, 7))


def test_drift_is_followed():
    clock = TickClock()
    # The local clock gains 100 ppm: after 60 s the offset has grown by 6 ms.
    for n in range(30000):
        clock.update(2 * n, 0.002 * n * 1.0001)
    assert clock.time_of(3000) == pytest.approx(60.006, abs=1.5e-3)


def test_restarts():
    clock = TickClock()
    time = feed(clock, 500_000, 0.0, 1.0)
    # Reboot: the numbers begin again at zero; believed after 0.2 s of it, not fresh until then.
    assert clock.update(0, time + 1.0) == TickSample(0, False, False)
    time = feed(clock, 2, time + 1.002, 1.0)
    assert clock.restarts == 1 and clock.tick_at(time) == 50  # 1000 ms // 20
    assert clock.update(900_000, time + 0.002).restarted  # jump ahead


def test_pause_is_a_restart_but_a_burst_of_late_messages_is_not():
    clock = TickClock()
    time = feed(clock, 0, 0.0, 1.0)
    for n in range(450):  # 0.9 s of messages read at once after a stall of the reader
        assert not clock.update(1000 + 2 * n, time + 0.9 + n * 1e-5).restarted
    feed(clock, 1900, 1.9, 0.1)
    assert clock.restarts == 0
    feed(clock, 2000, 7.0, 1.0)  # the simulation stood still for 5 s
    assert clock.restarts == 1
    assert clock.time_of(100) == pytest.approx(7.0)


def test_rate_check():
    clock = TickClock()
    clock.check_rate(feed(clock, 0, 0.0, 2.0))
    clock = TickClock()
    with pytest.raises(TimingError, match="1000 .milliseconds. are needed"):
        clock.check_rate(feed(clock, 0, 0.0, 1.2, rate=0.8))


def test_a_clock_that_stands_still_is_never_trusted():
    clock = TickClock()
    refused = []
    for step in range(3000):
        now = 10.0 + 0.002 * step
        clock.update(500, now)
        try:
            clock.check_rate(now)
        except TimingError:
            refused.append(now)
    # From the first look at its rate, after 1 s, or the first seeming jump, after 0.7 s, on.
    assert refused[0] <= 11.0 + 1e-9
    assert len(refused) == 3000 - round((refused[0] - 10.0) / 0.002)


def test_a_clock_that_has_jumped_is_trusted_again_after_a_second():
    clock = TickClock()
    for step in range(1000):
        clock.update(2 * step, 10.0 + 0.002 * step)
    clock.update(12_000, 12.0)
    with pytest.raises(TimingError, match="jumped"):
        clock.check_rate(12.5)
    clock.update(13_000, 13.0)
    clock.check_rate(13.0)
