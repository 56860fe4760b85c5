"""A planner that keeps to a time budget: any planner, at the best of its levels that this machine has time for."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings
from diffusion_mpc_ros.planners.anytime import LevelController, Trial, choose_level, first_level
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.latency import guided, plan_times

# Plans by which a level is measured: what it costs undisturbed, and its p99.
COST_PLANS, TRIAL_PLANS = 5, 50
# How long [s] a better level is tried for at start: the other nodes may just be starting.
SETTLING_TIME = 5.0


@dataclass(frozen=True)
class Ladder:
    """One planner at several levels, the best and slowest first; ``description``: what they have in common."""

    levels: Sequence[Planner]
    description: str = ""


class AnytimePlanner:
    """A :class:`planners.base.Planner` that changes its level between two plans.

    Without a ``budget`` [s] it stays at the first level.
    """

    def __init__(self, ladder: Ladder, budget: float = math.inf) -> None:
        self.levels, self.budget, self._description = ladder.levels, budget, ladder.description
        best = self.levels[0]
        self.name, self.identity, self.timing = best.name, best.identity, best.timing
        self.reward_terms = best.reward_terms
        self.controller = LevelController([1.0] * len(self.levels), budget)

    @property
    def level(self) -> int:
        """The level of the next plan."""
        return self.controller.level

    def plan(self, request: PlanRequest) -> Plan:
        """Plan at the present level; its time decides on the next one's."""
        start = time.perf_counter()
        plan = self.levels[self.level].plan(request)
        plan_time = time.perf_counter() - start
        self.controller.add(plan_time)
        return replace(plan, plan_time=plan_time)

    def reset(self) -> None:
        """Forget earlier plans; the level stays."""
        for planner in self.levels:
            planner.reset()

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no plan can be made with."""
        self.levels[0].check(rewards)

    def warm_up(self) -> None:
        """Do the one-time work of every level, so that changing the level costs nothing."""
        for planner in self.levels:
            planner.warm_up()

    def settle(self) -> Trial:
        """Measure with every reward term at work, and take the best level that fits; the trial that was best.

        Plans paced as while walking: back to back, a real-time planner would occupy a core, and the kernel then lets
        starved ordinary tasks go before all real-time ones, command_publisher's too. Takes :data:`SETTLING_TIME` only
        where something disturbs. Raises :class:`TimingError` when even the last level is too slow for the timing.
        """
        rewards = guided(self.reward_terms)
        costs = [self._cost(planner, rewards) for planner in self.levels]
        costs = np.maximum.accumulate(costs[::-1])[::-1].tolist()
        # What is longer than the budget at the last level may still be in time.
        limits = [self.budget] * (len(costs) - 1) + [self.timing.plan_time_limit]
        best_possible = first_level(costs, limits)

        def measure(level: int, limit: float) -> np.ndarray:
            return plan_times(self.levels[level], TRIAL_PLANS, rewards, paced=True, limit=limit)

        deadline = time.monotonic() + SETTLING_TIME
        best = choose_level(measure, costs, limits)
        while (best.over or best.level > best_possible) and time.monotonic() < deadline:
            best = min(best, choose_level(measure, costs, limits))
        self.timing.check_plan_time(best.p99)
        self.controller = LevelController(costs, self.budget, best.level)
        return best

    @staticmethod
    def _cost(planner: Planner, rewards: RewardSettings) -> float:
        """Plan time [s] from noise when nothing disturbs."""
        return min(float(plan_times(planner, 1, rewards)[0]) for _ in range(COST_PLANS))

    def describe(self) -> str:
        """What all levels have in common, and the time budget."""
        budget = f"time budget {self.budget * 1e3:g} ms" if math.isfinite(self.budget) else "no time budget"
        return ", ".join(part for part in (self._description, budget) if part)

    def describe_level(self) -> str:
        """The present level, for people."""
        return f"level {self.level} of 0..{len(self.levels) - 1}: {self.levels[self.level].describe()}"

    def facts(self) -> dict[str, object]:
        """The present level and how often it had to change; a budget of 0 is none."""
        return {
            "planner": self.name,
            "time_budget_ms": self.budget * 1e3 if math.isfinite(self.budget) else 0.0,
            "level": self.level,
            "levels": len(self.levels),
            **self.levels[self.level].facts(),
            "degraded": self.controller.degraded,
            "over_budget": self.controller.overruns,
        }
