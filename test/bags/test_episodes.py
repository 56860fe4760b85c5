"""A bag becomes episodes that hold what was told, done and felt, and end wherever the robot did something else."""

from __future__ import annotations

import numpy as np
import pytest
from bag_files import (
    TICK_NS,
    VELOCITY,
    BagFile,
    Sent,
    action_of,
    command,
    plan_start_of,
    rewards,
    state,
    time_of,
    walk,
)
from diffusion_mpc_msgs.msg import JointCommand
from hypothesis import given, settings
from hypothesis import strategies as st
from std_msgs.msg import Bool

from diffusion_mpc_ros.bags.bag import load
from diffusion_mpc_ros.bags.episodes import read_episodes
from diffusion_mpc_ros.bags.events import events
from diffusion_mpc_ros.bags.timeline import Fitness, make_stretches, make_timeline
from diffusion_mpc_ros.core import trajectory
from diffusion_mpc_ros.core.errors import BagError


def at(ticks, mode=JointCommand.WALKING, fault="", tilted=False, follow=False) -> list[Sent]:
    """States and commands while the robot does something else than walk after plans."""
    sent = []
    for tick in ticks:
        own = state(tick)
        if tilted:  # by 90 degrees about x
            own.orientation.w = own.orientation.x = float(np.sqrt(0.5))
        sent.append(Sent("/robot_state", time_of(tick, 0.001), own))
        start = plan_start_of(tick) if follow else -1
        sent.append(Sent("/joint_command", time_of(tick, 0.002), command(tick, mode, fault, start)))
    return sent


def write(tmp_path, *parts: list[Sent]):
    return load(BagFile(tmp_path).write([each for part in parts for each in part]))


def test_an_episode_holds_what_was_told_done_and_felt(tmp_path):
    bag = write(tmp_path, at(range(10, 15), JointCommand.STANDING), walk(range(15, 45)))
    (episode,) = read_episodes(bag)
    assert len(episode) == 30 and episode.tick.tolist() == list(range(15, 45)) and episode.weight == 1.0
    np.testing.assert_array_equal(episode.action, [action_of(tick) for tick in range(15, 45)])
    # The command is that of the followed plan, not the one that the holder asks for.
    np.testing.assert_array_equal(episode.command, np.tile(VELOCITY, (30, 1)))
    np.testing.assert_array_equal(episode.asked, np.tile([0.6, 0.0, 0.1], (30, 1)))
    assert [episode.plans[index].start_tick for index in episode.plan_of] == [plan_start_of(t) for t in range(15, 45)]
    assert episode.plan_row.tolist() == [tick - plan_start_of(tick) for tick in range(15, 45)]
    assert episode.rewards[episode.rewards_of[0]].weights == {"energy": 0.0}
    assert (episode.ending.cause, episode.ending.fell, episode.ending.stopped) == ("the bag ends", False, False)
    observation = episode.observation
    assert observation.shape == (30, 45)
    # What the planner observed is what it was asked for, with what velocity feedback added.
    np.testing.assert_array_equal(episode.added, np.tile([0.25, 0.0, -0.125], (30, 1)))
    np.testing.assert_array_equal(observation[:, trajectory.COMMAND], episode.command + episode.added)
    np.testing.assert_array_equal(observation[1:, trajectory.PREVIOUS_ACTION], episode.action[:-1])
    # 12 joints of |-3 N m * 2 rad/s|.
    assert episode.mechanical_power == pytest.approx(72.0)


@pytest.mark.parametrize(
    ("after", "cause", "fell", "stopped"),
    [
        (at(range(40, 45), JointCommand.SITTING_DOWN), "mode sitting_down", False, False),
        (at(range(40, 45)), "no plan is followed", False, False),
        (at(range(40, 45), JointCommand.FAULT, "tilt [rad] 1.2", tilted=True), "fault: tilt [rad] 1.2", True, False),
        (at(range(40, 45), JointCommand.FAULT, "battery [%] 5"), "fault: battery [%] 5", False, False),
        (at(range(40, 45), JointCommand.FAULT, "emergency stop (joy) 1"), "fault: emergency stop (joy) 1", False, True),
        (at(range(43, 45)), "3 ticks are missing", False, False),
        (at(range(2, 4)), "the robot's clock began anew", False, False),
        ([Sent("/robot_state", time_of(40), state(40))], "no joint_command of this tick in the bag", False, False),
    ],
)  # fmt: skip
def test_an_episode_ends_where_the_robot_did_something_else(tmp_path, after, cause, fell, stopped):
    # A clock that begins anew does so later, in the recorder's time.
    if cause.startswith("the robot's clock"):
        after = [Sent(each.topic, each.time + 60 * TICK_NS, each.message) for each in after]
    (episode,) = read_episodes(write(tmp_path, walk(range(20, 40)), after))
    assert episode.tick.tolist() == list(range(20, 40))
    assert (episode.ending.cause, episode.ending.fell, episode.ending.stopped) == (cause, fell, stopped)


def test_ticks_whose_plan_rewards_or_gains_are_not_those_of_a_walk_are_left_out(tmp_path):
    sent = walk(range(20, 60))
    lost = [each for each in sent if each.topic != "/plan" or each.message.start_tick != plan_start_of(30)]
    timeline = make_timeline(write(tmp_path, lost))
    unfit = {int(t): Fitness(f) for t, f in zip(timeline.tick, timeline.fitness) if f}
    assert unfit == dict.fromkeys(
        [t for t in range(20, 60) if plan_start_of(t) == plan_start_of(30)], Fitness.LOST_PLAN
    )

    late = [each for each in sent if each.topic != "/reward_weights"]
    timeline = make_timeline(write(tmp_path, [*late, Sent("/reward_weights", time_of(25), rewards())]))
    assert Fitness(timeline.fitness[0]) is Fitness.NO_REWARDS and Fitness(timeline.fitness[-1]) is Fitness.FIT

    for each in sent:
        if each.topic == "/joint_command" and each.message.tick < 24:
            each.message.kp = np.full(12, 60.0)
    timeline = make_timeline(write(tmp_path, sent))
    assert [Fitness(f) for f in timeline.fitness[:5]] == [Fitness.OTHER_GAINS] * 4 + [Fitness.FIT]


def test_what_is_too_short_is_no_episode_and_said(tmp_path):
    bag = write(tmp_path, walk(range(20, 31)))
    with pytest.raises(BagError, match="no stretch of 12 ticks is fit for training: too short for a window"):
        read_episodes(bag)
    assert len(read_episodes(bag, shortest=11)) == 1


def test_stretches_cover_every_tick_once(tmp_path):
    bag = write(tmp_path, at(range(10, 15), JointCommand.STANDING), walk(range(15, 45)), walk(range(50, 55)))
    timeline = make_timeline(bag)
    stretches = make_stretches(timeline, 12)
    assert [(s.first, s.last, s.fitness) for s in stretches] == [
        (0, 5, Fitness.NOT_WALKING), (5, 35, Fitness.FIT), (35, 40, Fitness.TOO_SHORT)
    ]  # fmt: skip


@settings(max_examples=20)
@given(data=st.data())
def test_whatever_is_lost_shuffled_or_garbled_no_episode_holds_what_was_not_so(tmp_path_factory, data):
    sent = walk(range(20, 80))
    kept = [each for each in sent if data.draw(st.floats(0, 1)) < 0.97]
    for _ in range(data.draw(st.integers(0, 4))):
        each = kept[data.draw(st.integers(0, len(kept) - 1))]
        if each.topic in ("/robot_state", "/joint_command"):
            each.message.joint_pos = np.full(12, np.nan)
    if data.draw(st.booleans()) and len(kept) > 1:
        first = data.draw(st.integers(0, len(kept) - 2))
        kept[first], kept[first + 1] = kept[first + 1], kept[first]
    bag = load(BagFile(tmp_path_factory.getbasetemp()).write(kept, "garbled.mcap"))
    try:
        episodes = read_episodes(bag, shortest=3)
    except BagError:
        return
    ticks = np.concatenate([episode.tick for episode in episodes])
    assert len(set(ticks)) == len(ticks) and set(ticks) <= set(range(20, 80))
    for episode in episodes:
        np.testing.assert_array_equal(episode.action, [action_of(tick) for tick in episode.tick])
        np.testing.assert_array_equal(episode.states.previous_action, [action_of(tick - 1) for tick in episode.tick])
        assert np.isfinite(episode.observation).all()


def test_events_tell_in_order_what_happened(tmp_path):
    sent = [
        *at(range(10, 12), JointCommand.STANDING), *walk(range(12, 14)),
        Sent("/reward_weights", time_of(13, 0.005), rewards(1, 0.5)),
        Sent("/e_stop", time_of(13, 0.006), Bool(data=True)),
        *at([14], JointCommand.FAULT, "emergency stop (topic)"),
    ]  # fmt: skip
    assert [event.text for event in events(write(tmp_path, sent))] == [
        "rewards, revision 0: none at work", "held by cmd_vel", "mode standing", "mode walking",
        "rewards, revision 1: energy 0.5", "e_stop asserted", "fault: emergency stop (topic)", "mode fault",
    ]  # fmt: skip
