"""The ticks of a bag with all that belongs to each, and whether a tick is fit for training or why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from diffusion_mpc_ros.bags.bag import Bag
from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.go2 import WALKING_KD, WALKING_KP

# The constants of JointCommand.msg.
MODES = tuple(Mode)
WALKING = MODES.index(Mode.WALKING)
# What belongs to a tick was received this close to it [ns]; the same tick of another time is of another clock.
SAME_TIME = 10**9
# In a fault that the operator asked for.
EMERGENCY_STOP = "emergency stop"


class Fitness(IntEnum):
    """Whether a tick is fit for training; if not, the first reason that applies."""

    FIT = 0
    NO_COMMAND = 1
    STOPPED = 2
    FAULT = 3
    NOT_WALKING = 4
    NO_PLAN = 5
    LOST_PLAN = 6
    OTHER_GAINS = 7
    NO_REWARDS = 8
    TOO_SHORT = 9

    @property
    def text(self) -> str:
        """Return it for people."""
        return TEXTS[self]


TEXTS = {
    Fitness.FIT: "fit for training",
    Fitness.NO_COMMAND: "no joint_command of this tick in the bag",
    Fitness.STOPPED: "the operator's emergency stop",
    Fitness.FAULT: "fault",
    Fitness.NOT_WALKING: "not walking",
    Fitness.NO_PLAN: "no plan is followed",
    Fitness.LOST_PLAN: "the plan that is followed is not in the bag",
    Fitness.OTHER_GAINS: "gains on their way to those of walking",
    Fitness.NO_REWARDS: "reward weights not known yet",
    Fitness.TOO_SHORT: "too short for a window",
}


@dataclass(frozen=True)
class Timeline:
    """``n`` ticks in the order of the bag; every array has a first axis of n.

    ``command``, ``plan`` and ``rewards``: indices into those of the bag, -1 for none. ``follows``: the tick continues
    the one before it, without a gap and on the same clock.
    """

    tick: np.ndarray
    log_time: np.ndarray
    command: np.ndarray
    plan: np.ndarray
    rewards: np.ndarray
    follows: np.ndarray
    fitness: np.ndarray

    def __len__(self) -> int:
        return len(self.tick)


@dataclass(frozen=True)
class Stretch:
    """Ticks ``first .. last - 1`` of a timeline with one :class:`Fitness`, without a gap between them."""

    first: int
    last: int
    fitness: Fitness

    def __len__(self) -> int:
        return self.last - self.first


def make_timeline(bag: Bag) -> Timeline:
    """Put together what belongs to each tick of ``bag``; raises BagError where it lacks a topic."""
    bag.require()
    tick, log_time = bag.states["tick"], bag.states["log_time"]
    commands = bag.commands
    command = _nearest(tick, log_time, commands["tick"], commands["log_time"])
    start = np.where(command >= 0, commands["plan_start_tick"][command], -1)
    starts = np.array([recorded.plan.start_tick for recorded in bag.plans])
    plan = _nearest(start, log_time, starts, np.array([recorded.log_time for recorded in bag.plans]))
    in_force = np.searchsorted([time for time, _ in bag.rewards], log_time, side="right") - 1
    follows = np.concatenate([[False], np.diff(tick) == 1])
    return Timeline(tick, log_time, command, plan, in_force, follows, _fitness(bag, command, plan, in_force))


def make_stretches(timeline: Timeline, shortest: int) -> list[Stretch]:
    """Cut ``timeline`` where ticks are missing and where fitness changes.

    What is fit for fewer than ``shortest`` ticks is too short.
    """
    same = timeline.follows.copy()
    same[1:] &= timeline.fitness[1:] == timeline.fitness[:-1]
    firsts = np.flatnonzero(~same)
    stretches = []
    for first, last in zip(firsts, [*firsts[1:], len(timeline)]):
        fitness = Fitness(timeline.fitness[first])
        if fitness is Fitness.FIT and last - first < shortest:
            fitness = Fitness.TOO_SHORT
        stretches.append(Stretch(int(first), int(last), fitness))
    return stretches


def _nearest(wanted: np.ndarray, times: np.ndarray, keys: np.ndarray, key_times: np.ndarray) -> np.ndarray:
    """For each of ``wanted`` the index of the same key received nearest to it, -1 where none is (:data:`SAME_TIME`)."""
    by_key: dict[int, list[int]] = {}
    for index, key in enumerate(keys.tolist()):
        by_key.setdefault(key, []).append(index)
    found = np.full(len(wanted), -1)
    for row, (key, time) in enumerate(zip(wanted.tolist(), times.tolist())):
        candidates: Sequence[int] = by_key.get(key, ())
        distances = [abs(int(key_times[index]) - time) for index in candidates]
        if distances and min(distances) <= SAME_TIME:
            found[row] = candidates[distances.index(min(distances))]
    return found


def _fitness(bag: Bag, command: np.ndarray, plan: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    of = {name: values[command] for name, values in bag.commands.items()}
    stopped = np.char.find(of["fault"], EMERGENCY_STOP) >= 0
    gains = (np.abs(of["kp"] - WALKING_KP) < 1e-6).all(axis=1) & (np.abs(of["kd"] - WALKING_KD) < 1e-6).all(axis=1)
    # The first that applies counts.
    reasons = {
        Fitness.NO_COMMAND: command < 0,
        Fitness.STOPPED: stopped,
        Fitness.FAULT: of["fault"] != "",
        Fitness.NOT_WALKING: of["mode"] != WALKING,
        Fitness.NO_PLAN: of["plan_row"] < 0,
        Fitness.LOST_PLAN: plan < 0,
        Fitness.OTHER_GAINS: ~gains,
        Fitness.NO_REWARDS: rewards < 0,
    }
    return np.select(list(reasons.values()), [int(reason) for reason in reasons], default=int(Fitness.FIT))
