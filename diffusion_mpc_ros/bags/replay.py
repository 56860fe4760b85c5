"""Plans of a bag made again, each from the state, the command, the rewards and the commitment that it was made from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.bags.bag import NANOSECOND, Bag
from diffusion_mpc_ros.bags.decoding import RecordedPlan
from diffusion_mpc_ros.bags.episodes import STATE_COLUMNS
from diffusion_mpc_ros.bags.timeline import SAME_TIME
from diffusion_mpc_ros.core.errors import DiffusionMpcError, PlanError
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, RobotState, Timing, added_velocity
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer

# The weights of a ramp change every tick: which of those that came so close before its state [ns] a plan followed a bag
# does not tell, nor whether it had those that came while it waited.
RAMP = 10**8
# The fact of a plan that says how many actions were committed to.
COMMITTED = "committed"


class Planner(Protocol):
    """What is needed of a planner to make plans again (planners.base.Planner)."""

    timing: Timing

    def resume(self, facts: Mapping[str, float]) -> None:
        """Go to where it was before it made the plan that told ``facts``."""

    def plan(self, request: PlanRequest) -> Plan:
        """Plan."""
        ...


@dataclass(frozen=True)
class Replayed:
    """A plan and how far the same one made again is: ``difference``, the largest of a joint target [rad].

    Where plans have a feed-forward, the largest of its numbers [rad/s, N m] as well.

    ``time`` [s] after the bag's first message; ``obstacle``: why it was not made again, "" when it was; ``ramp``: its
    reward weights were on their way, and the nearest plan of those that any of them make was taken.
    """

    start_tick: int
    time: float
    difference: float = np.nan
    ramp: bool = False
    obstacle: str = ""

    @property
    def equal(self) -> bool:
        """Return whether it came out bit for bit."""
        return self.difference == 0.0


def replay(bag: Bag, planner: Planner) -> Iterator[Replayed]:
    """Make each plan of ``bag`` again, in order; ``bag`` holds what :meth:`Bag.require` asks for."""
    again = _Replay(bag, planner)
    for recorded in bag.plans:
        yield again.compare(recorded)


class _Replay:
    """Follows the bag beside the planner: what it had published is what it was committed to."""

    def __init__(self, bag: Bag, planner: Planner) -> None:
        self._bag, self._planner = bag, planner
        self._buffer = ActionBuffer(planner.timing)
        self._last = -1
        self._times, self._ticks = bag.states["log_time"], bag.states["tick"]

    def compare(self, recorded: RecordedPlan) -> Replayed:
        """Make the plan again, and take it among those that are known."""
        plan = recorded.plan
        if plan.start_tick < self._last:
            self._buffer.clear()  # the robot's clock began anew
        self._last = plan.start_tick
        time = (recorded.log_time - self._bag.start) * NANOSECOND
        try:
            result = self._make(recorded, time)
        except DiffusionMpcError as error:
            result = Replayed(plan.start_tick, time, obstacle=str(error))
        with contextlib.suppress(PlanError):  # of another number of rows, which the result tells
            self._add(recorded)
        return result

    def _make(self, recorded: RecordedPlan, time: float) -> Replayed:
        plan = recorded.plan
        row = self._state_row(recorded)
        if row is None:
            return Replayed(plan.start_tick, time, obstacle="the state that it was made from is not in the bag")
        rewards = self._rewards(recorded, int(self._times[row]))
        if not rewards:
            return Replayed(plan.start_tick, time, obstacle="the reward weights that it followed are not in the bag")
        self._buffer.advance(plan.start_tick)
        count = int(plan.facts.get(COMMITTED, 0))
        committed = self._buffer.committed(plan.start_tick, count) if count else None
        if count and committed is None:
            return Replayed(plan.start_tick, time, obstacle="the plans that it was committed to are not in the bag")
        state = RobotState(plan.start_tick, **{name: self._bag.states[name][row] for name in STATE_COLUMNS})
        request = PlanRequest(
            state=state.batched(),
            command=np.zeros((1, 3)) if plan.command is None else plan.command[None],
            rewards=rewards[0],
            committed_actions=None if committed is None else committed[:, None],
            added=np.array([added_velocity(plan.facts)]),
        )
        difference = np.inf
        for settings in rewards:
            self._planner.resume(plan.facts)
            again = self._planner.plan(replace(request, rewards=settings)).of(0)
            if again.horizon != plan.horizon:
                obstacle = f"it has {plan.horizon} rows, this planner's have {again.horizon}"
                return Replayed(plan.start_tick, time, obstacle=obstacle)
            difference = min(difference, _difference(again, plan))
            if difference == 0.0:
                break
        return Replayed(plan.start_tick, time, difference, len(rewards) > 1)

    def _state_row(self, recorded: RecordedPlan) -> int | None:
        """The state of the plan's first tick that was received last before the plan, or as good as then."""
        rows = np.flatnonzero(self._ticks == recorded.plan.start_tick)
        distances = np.abs(self._times[rows] - recorded.log_time)
        if not len(rows) or distances.min() > SAME_TIME:
            return None
        return int(rows[distances.argmin()])

    def _rewards(self, recorded: RecordedPlan, asked: int) -> list[RewardSettings]:
        """The settings of the plan's revision that it may have followed, the likeliest first.

        That is the last of them when its state came, at ``asked`` [ns]; the others are those of a ramp.
        """
        revision = recorded.plan.reward_revision
        known = [(time, settings) for time, settings in self._bag.rewards if settings.revision == revision]
        before = [settings for time, settings in known if time <= asked]
        likeliest = before[-1:] or [settings for _, settings in known[:1]]
        near = [settings for time, settings in known if asked - RAMP < time < recorded.log_time + RAMP]
        return likeliest + [settings for settings in near if settings is not likeliest[0]]

    def _add(self, recorded: RecordedPlan) -> None:
        """As the planner's own buffer took it, by the state that was the newest one then."""
        newest = int(np.searchsorted(self._times, recorded.log_time, side="right")) - 1
        self._buffer.advance(max(int(self._ticks[max(newest, 0)]), recorded.plan.start_tick))
        self._buffer.add(recorded.plan)


def _difference(one: Plan, other: Plan) -> float:
    """Return the largest difference of two plans of the same rows; a feed-forward that is missing is zero."""
    pairs = zip((one.joint_targets, *one.feed_forward), (other.joint_targets, *other.feed_forward))
    return max(float(np.abs((0.0 if a is None else a) - (0.0 if b is None else b)).max()) for a, b in pairs)
