"""A stop that has arrived has happened; only who asserted one releases it."""

import itertools
import math
import random

from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.control.emergency_stop import MAX_SENDERS, EmergencyStops, TopicStops


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


def test_the_senders_that_are_remembered_are_bounded():
    stops, topic = make_topic()
    for number in range(4 * MAX_SENDERS):
        topic.hear(str(number), 1, True, 0.0)
    assert len(topic._senders) == MAX_SENDERS
    stops.take(0.0)
    assert len(stops.standing(0.0)) == MAX_SENDERS


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
