"""Which LowStates are decoded: those around a tick, those whose clock or remote is odd, and every broken one."""

from __future__ import annotations

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lowstates import STANDING

from diffusion_mpc_ros.core.gamepad import REMOTE_BYTES
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.go2 import messages
from diffusion_mpc_ros.go2.channels import LOWSTATE, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.pacing import LowStatePace, lowstate_pace
from diffusion_mpc_ros.go2.profile import GO2, TICK, load_profile


def until(condition, meanwhile=lambda: None) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        meanwhile()
        time.sleep(0.005)


def sample(tick_ms: int, remote: bytes = b"") -> bytes:
    return messages.encode_lowstate(dataclasses.replace(STANDING, tick_ms=tick_ms, wireless_remote=remote))


def needed(pace: LowStatePace, ticks) -> list[int]:
    return [tick for tick in ticks if pace.needs(sample(tick))]


def test_the_clock_and_the_remote_are_read_from_the_sample():
    remote = bytes(range(REMOTE_BYTES))
    assert messages.lowstate_tick(sample(123456789)) == 123456789
    assert messages.lowstate_tick_and_remote(sample(1, remote)) == (1, remote)


def test_two_a_tick_are_needed_by_a_filter():
    assert needed(LowStatePace(10), range(100, 144, 2)) == [100, 110, 120, 130, 140]


def test_a_control_loop_needs_those_before_a_tick_as_well():
    assert needed(LowStatePace(20, 5), range(100, 146, 2)) == [100, 116, 118, 120, 136, 138, 140]


def test_the_next_one_is_needed_where_one_is_lost():
    assert needed(LowStatePace(20), [100, 102, 118, 122, 124, 138, 140]) == [100, 122, 140]


@pytest.mark.parametrize("odd", [100, 110, 0], ids=["back", "repeated", "restarted"])
def test_a_clock_that_does_not_go_on_is_seen(odd):
    pace = LowStatePace(20)
    assert needed(pace, [100, 110]) == [100]
    assert pace.needs(sample(odd)) and pace.needs(sample(odd))


def test_a_button_is_seen_at_once_and_its_release():
    pace = LowStatePace(20, watch_remote=True)
    released, pressed = bytes(REMOTE_BYTES), b"\x55" * REMOTE_BYTES
    remotes = [released, released, pressed, pressed, released, released]
    assert [pace.needs(sample(100 + 2 * i, remote)) for i, remote in enumerate(remotes)] == [
        True, False, True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("data", [b"", b"\x00\x01", sample(100)[:-1], b"\xff" * len(sample(100))])
def test_what_is_none_is_left_to_the_decoder(data):
    pace = LowStatePace(20, watch_remote=True)
    pace.needs(sample(100))
    assert pace.needs(data)
    assert not pace.needs(sample(102))


def test_a_rest_ends_before_the_next_tick():
    """What is needed by the way, at 110 or from 115 on, is read then."""
    for pace in (LowStatePace(10), LowStatePace(20, 5)):
        pace.needs(sample(100))
        assert pace.rest() == pytest.approx(0.0185)
        pace.needs(sample(116))
        assert pace.rest() == pytest.approx(0.0025)
        pace.needs(sample(119))
        assert pace.rest() == 0.0


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1), st.integers(1, 50), st.integers(0, 60))
def test_whatever_the_clock_says_a_rest_is_short_and_an_unbroken_second_is_read(ticks, period, lead):
    pace = LowStatePace(period, lead)
    for tick in ticks:
        pace.needs(sample(tick))
        assert 0.0 <= pace.rest() <= CONTROL_DT
    start = min(ticks[-1], 2**32 - 1002)
    assert len(needed(pace, range(start, start + 1001))) >= 1000 // period


def test_a_robot_without_a_clock_is_read_whole():
    assert lowstate_pace(GO2, 20) is not None
    profile = load_profile("unitree_mujoco")
    assert TICK in profile.missing and lowstate_pace(profile, 20) is None


class NotingPace(LowStatePace):
    """Notes the clock of the newest sample that it was asked of."""

    newest = -1

    def needs(self, sample: bytes) -> bool:
        needed = super().needs(sample)
        self.newest = messages.lowstate_tick(sample)
        return needed


def test_a_subscriber_decodes_only_what_is_needed(free_domain):
    """Also of what came while it rested."""
    with open_domain("lo", free_domain()) as domain:
        received, pace = [], NotingPace(10)
        publisher = Publisher(domain, LOWSTATE)
        subscriber = Subscriber(domain, LOWSTATE, received.append, pace=pace)
        # Until they have found each other; a clock that stands still is always looked at.
        until(lambda: received, lambda: publisher.publish(dataclasses.replace(STANDING, tick_ms=0)))
        for first in range(1000, 1200, 20):
            for tick in range(first, first + 20, 2):
                publisher.publish(dataclasses.replace(STANDING, tick_ms=tick))
            until(lambda last=first + 18: pace.newest == last)
        subscriber.close()
        publisher.close()
    assert [state.tick_ms for state in received if state.tick_ms] == list(range(1000, 1200, 10))
    assert subscriber.rejected == 0
