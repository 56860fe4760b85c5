"""Keeping to a time budget: which level of a ladder to start with, when to change. No clock is read here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.types import Timing

# Stands for the budget that :func:`plan_time_budget` works out [ms]; and for none.
AUTOMATIC, UNLIMITED = -1.0, 0.0
# Of the time that there is, so much may be planned away: the rest is for the middleware and the system.
BUDGET_SHARE = 0.8
# Two of so many plans over the budget: their p99 is over it.
OVERRUN_WINDOW = 50
# So many plans (4 s at R = 2) have to be fast before the next level up is tried; up to so many times as many after
# tries that failed.
CALM, LONGEST_CALM = 100, 16
# They are fast when all but one in a hundred would take no more than this share of the budget one level up.
UP_SHARE, SLOW_SHARE = 0.8, 0.01


def plan_time_budget(milliseconds: float, timing: Timing) -> float:
    """Return the budget [s] of a plan; infinite for :data:`UNLIMITED`.

    :data:`AUTOMATIC`: a plan has to be ready before its row D is due, and before the next one begins, R ticks later;
    :data:`BUDGET_SHARE` of the shorter time. Raises :class:`TimingError` for a budget longer than the timing allows.
    """
    limit = timing.plan_time_limit
    if milliseconds == UNLIMITED:
        return math.inf
    if milliseconds == AUTOMATIC:
        return BUDGET_SHARE * min(limit, timing.replan_interval * timing.control_dt)
    if not 0.0 < milliseconds * 1e-3 <= limit:
        raise TimingError(
            f"time budget {milliseconds:g} ms does not fit max(D, 1) * control_dt = {limit * 1e3:.0f} ms: more than 0 "
            f"and at most that, {AUTOMATIC:g} for an automatic budget or {UNLIMITED:g} for none"
        )
    return milliseconds * 1e-3


@dataclass(frozen=True, order=True)
class Trial:
    """Plan times [s] measured at a level, ``over`` its limit or not; the better of two trials is the smaller one."""

    over: bool
    level: int
    p99: float
    p50: float


def first_level(costs: Sequence[float], limits: Sequence[float]) -> int:
    """Return the best level that could keep within its limit if nothing disturbed it; else the last one.

    ``costs`` and ``limits`` [s]: undisturbed plan time of each level, and what it may take.
    """
    return next((level for level, cost in enumerate(costs) if cost <= limits[level]), len(costs) - 1)


def choose_level(measure: Callable[[int, float], np.ndarray], costs: Sequence[float], limits: Sequence[float]) -> Trial:
    """Return the best level whose p99 keeps within its limit, else the last.

    ``costs`` and ``limits`` as in first_level.

    ``measure(level, limit)`` gives plan times ``(n,)`` [s]. Levels that would be too slow by the ratio of the costs are
    not measured: what a plan takes beside its computation is no shorter for a cheaper one.
    """
    level = first_level(costs, limits)
    while True:
        p50, p99 = np.percentile(measure(level, limits[level]), [50, 99])
        trial = Trial(bool(p99 > limits[level]), level, float(p99), float(p50))
        if not trial.over or level == len(costs) - 1:
            return trial
        level = _faster_level(level, trial.p99, costs, limits)


def _faster_level(level: int, plan_time: float, costs: Sequence[float], limits: Sequence[float]) -> int:
    """Return the best level after ``level`` that keeps within its limit by the ratio of costs, else the last."""
    following = range(level + 1, len(costs))
    return next((i for i in following if plan_time * costs[i] <= limits[i] * costs[level]), len(costs) - 1)


class LevelController:
    """Which level the next plan takes, from how long the plans took; bounded work and memory for each.

    Down when two of :data:`OVERRUN_WINDOW` plans took longer than the budget: to the level at which the shorter of the
    two would have been in time. Up by one after ``calm`` fast plans (:data:`UP_SHARE`, :data:`SLOW_SHARE`). When the
    new level then does not hold for :data:`LONGEST_CALM` times ``calm`` plans, twice as many have to be fast before the
    next try, up to that number: load that lasts or comes again and again does not make the level flap.

    ``costs (L,)`` [s]: undisturbed plan times of the levels, each at most the one before; ``budget`` [s].
    """

    # Of the present level, see _begin.
    _plans: int
    _watched: int
    _slow: int
    _overrun_at: int
    _overrun: float

    def __init__(self, costs: Sequence[float], budget: float, level: int = 0, calm: int = CALM) -> None:
        self.costs, self.budget, self.level = list(costs), budget, level
        self.degraded = 0  # times that it went down
        self.overruns = 0  # plans over the budget, at any level
        self._limits = [budget] * len(self.costs)
        self._shortest_calm, self._longest_calm, self._calm = calm, LONGEST_CALM * calm, calm
        self._went_up = False
        self._begin()

    def add(self, plan_time: float) -> None:
        """Take the time [s] that the plan at :attr:`level` took."""
        self._plans += 1
        if plan_time > self.budget:
            self.overruns += 1
            again = self._plans - self._overrun_at < OVERRUN_WINDOW
            shorter = min(plan_time, self._overrun)
            self._overrun_at, self._overrun = self._plans, plan_time
            if again and self.level < len(self.costs) - 1:
                self._go_down(shorter)
                return
        if self.level > 0:
            self._watch(plan_time)

    def _go_down(self, plan_time: float) -> None:
        if self._plans > self._longest_calm:
            self._calm = self._shortest_calm  # this level had held: the load is a new one
        elif self._went_up:
            self._calm = min(2 * self._calm, self._longest_calm)
        self.level = _faster_level(self.level, plan_time, self.costs, self._limits)
        self.degraded += 1
        self._went_up = False
        self._begin()

    def _watch(self, plan_time: float) -> None:
        """Count plans; at the end of a block go up, or begin the next block."""
        above = plan_time * self.costs[self.level - 1] / self.costs[self.level]
        self._watched += 1
        self._slow += above > UP_SHARE * self.budget
        if self._watched < self._calm:
            return
        if self._slow <= SLOW_SHARE * self._watched:
            self.level -= 1
            self._went_up = True
            self._begin()
        else:
            self._watched = self._slow = 0

    def _begin(self) -> None:
        """At a new level, nothing of the last one counts."""
        self._plans = self._watched = self._slow = 0
        self._overrun_at, self._overrun = -OVERRUN_WINDOW, math.inf
