"""A stop that has arrived has happened; only who asserted one releases it."""

import itertools
import math
import random

from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.control.emergency_stop import MAX_PENDING, MAX_SENDERS, EmergencyStops, TopicStops


def make_topic():
    stops = EmergencyStops()
    return stops, TopicStops(stops, "topic")


def test_a_stop_released_before_it_is_taken_has_happened():
    stops = EmergencyStops()
    stops.stop("remote", math.inf)
    stops.release("remote")
    assert stops.pending() and stops.standing(0.0) == []
    assert stops.take(0.0) == "remote"
    assert not stops.pending() and stops.take(0.0) == ""


def test_a_stop_stands_while_its_source_asserts_it():
    stops = EmergencyStops()
    stops.stop("joy", until=5.0)
    stops.stop("remote", math.inf)
    assert stops.take(5.0) == "joy, remote" and stops.take(5.1) == "remote"
    stops.release("remote")
    assert stops.take(5.1) == ""


def test_the_later_end_counts():
    stops = EmergencyStops()
    stops.stop("joy", until=5.0)
    stops.stop("joy")
    assert stops.standing(4.0) == ["joy"]


def test_nobody_releases_the_stop_of_another_sender():
    stops, topic = make_topic()
    topic.hear("a", 1, True, 0.0)
    for number in range(1, 1000):
        topic.hear("b", number, False, 0.0)
    assert stops.take(0.0) == "topic a" and stops.take(1.0) == "topic a"
    topic.hear("a", 2, False, 0.0)
    assert stops.take(2.0) == ""


def test_a_sender_that_is_gone_asserts_nothing_but_its_stop_has_happened():
    stops, topic = make_topic()
    topic.hear("a", 1, True, 0.0)
    topic.keep({"b"}, before=-1.0)
    assert stops.standing(0.0) == ["topic a"]  # too new to be known
    topic.keep({"b"}, before=0.0)
    assert stops.take(0.0) == "topic a" and stops.standing(0.0) == []


def remembered(topic) -> int:
    return len(topic._asserting) + len(topic._silent)


def test_who_asserts_nothing_is_forgotten_first():
    stops, topic = make_topic()
    topic.hear("a", 1, True, 0.0)
    for number in range(4 * MAX_SENDERS):
        topic.hear(f"panel {number}", 1, False, 0.0)
        assert remembered(topic) <= MAX_SENDERS
    assert stops.standing(0.0) == ["topic a"]
    # A late copy of what was heard says nothing new.
    stops.take(0.0)
    topic.hear("a", 1, True, 0.0)
    assert not stops.pending()
    topic.hear("a", 2, False, 0.0)
    assert stops.standing(0.0) == []


def test_no_flood_of_publishers_releases_a_stop():
    stops, topic = make_topic()
    for number in range(4 * MAX_SENDERS):
        topic.hear(str(number), 1, True, 0.0)
    assert remembered(topic) == MAX_SENDERS
    # Each that is remembered, and one for the rest. What the rest say releases nothing.
    assert len(stops.standing(0.0)) == MAX_SENDERS + 1 and "topic others" in stops.standing(0.0)
    topic.hear(str(2 * MAX_SENDERS), 2, False, 0.0)
    assert "topic others" in stops.take(0.0).split(", ") and "topic others" in stops.standing(0.0)
    # Those that are remembered release their own.
    for number in range(MAX_SENDERS):
        topic.hear(str(number), 2, False, 0.0)
    assert stops.standing(0.0) == ["topic others"]


def test_the_stop_of_the_others_stands_until_nobody_is_there_who_may_have_said_it():
    stops, topic = make_topic()
    for number in range(MAX_SENDERS + 2):
        topic.hear(str(number), 1, True, 0.0)
    one_of_them = str(MAX_SENDERS + 1)
    topic.keep([], before=-1.0)
    assert len(stops.standing(0.0)) == MAX_SENDERS + 1  # too new to be known
    topic.keep([one_of_them], before=0.0)
    assert stops.standing(0.0) == ["topic others"]
    # There is room by now: it says itself that it asserts nothing any more.
    topic.hear(one_of_them, 2, False, 1.0)
    topic.keep([one_of_them], before=1.0)
    assert stops.standing(1.0) == []


def test_stops_that_nobody_takes_are_bounded():
    """The control loop takes none before the robot's own controller has let go."""
    stops, topic = make_topic()
    for number in range(4 * MAX_PENDING):
        topic.hear(str(number), 1, True, 0.0)
        topic.hear(str(number), 2, False, 0.0)
    assert len(stops._pending) == MAX_PENDING and stops._standing == {}
    assert stops.take(0.0) and stops.take(0.0) == ""


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12), st.randoms(use_true_random=False))
def test_messages_through_several_subscriptions_in_any_order_count_once(said, rng: random.Random):
    """Each message may come up to three times; those of one subscription keep their order, and some are lost."""
    numbers = {sender: itertools.count(1) for sender in "abc"}
    messages = [(sender, next(numbers[sender]), stop) for sender, stop in said]
    ways = [list(messages), [m for m in messages if rng.random() < 0.7], [m for m in messages if rng.random() < 0.5]]
    stops, topic = make_topic()
    while any(ways):
        topic.hear(*rng.choice([way for way in ways if way]).pop(0), 0.0)
    last = {sender: stop for sender, _, stop in messages}
    assert stops.standing(0.0) == sorted(f"topic {sender}" for sender, stop in last.items() if stop)
    assert set(filter(None, stops.take(0.0).split(", "))) == {f"topic {sender}" for sender, stop in said if stop}
    for message in messages:  # all of them once more: nothing new
        topic.hear(*message, 0.0)
    assert not stops.pending()
