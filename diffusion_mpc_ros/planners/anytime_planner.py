"""A planner that keeps to a time budget: any planner, at the best of its levels that this machine has time for."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.core.declared_model import DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError, PlanError
from diffusion_mpc_ros.core.types import ADDED_VELOCITY, Plan, PlanRequest, RewardSettings, Timing
from diffusion_mpc_ros.planners.anytime import LevelController, Trial, choose_level, first_level
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.latency import guided, plan_times

# Plans by which a level is measured: what it costs undisturbed, and its p99.
COST_PLANS, TRIAL_PLANS = 5, 50
# How long [s] a better level is tried for at start: the other nodes may just be starting.
SETTLING_TIME = 5.0


# Facts of a plan: which level made it, and how many actions were committed.
LEVEL, COMMITTED = "level", "committed"


class DeclarablePhysics(Protocol):
    """A model of the robot to plan with, see :mod:`planners.sampling.physics`."""

    @property
    def declared(self) -> DeclaredModel:
        """What it is declared to be."""
        ...

    def declare(self, declared: DeclaredModel) -> None:
        """Plan with ``declared`` from the next plan on; from any thread."""
        ...


@dataclass(frozen=True)
class Ladder:
    """One planner at several levels, the best and slowest first; ``description``: what they have in common.

    ``quick``: levels that are to be tried with a plan every tick before all others; by default the first one.
    ``on(artefact)``: the same ladder on another model artefact, None for a planner without one; nothing that a plan
    changes is shared, since it is warmed up while this one plans. ``physics``: the model of the robot that the levels
    roll out, which somebody may declare to be another; None for a planner without one.
    """

    levels: Sequence[Planner]
    description: str = ""
    quick: Sequence[Planner] = ()
    on: Callable[[str], Ladder] | None = None
    physics: DeclarablePhysics | None = None


class AnytimePlanner(Planner):
    """Changes its level between two plans, and its timing with it.

    ``budgets (L,)`` [s]: what a plan may take at each level, infinite for a planner that stays at the first one.
    ``configured``: the level that was asked for; those before it are better than that. ``make``: of another ladder the
    planner that this one is of its own. ``in_use``: set once it has succeeded another one.
    """

    def __init__(
        self,
        ladder: Ladder,
        budgets: Sequence[float] | None = None,
        configured: int = 0,
        make: Callable[[Ladder], AnytimePlanner] | None = None,
    ) -> None:
        self.ladder, self.configured = ladder, configured
        self.levels: Sequence[Planner] = ladder.levels
        self.budgets = [math.inf] * len(self.levels) if budgets is None else list(budgets)
        self._make = make or AnytimePlanner
        self._successor: AnytimePlanner | None = None
        # Held while a successor takes over, in the thread that plans, and while others ask what that would change.
        self._succession = threading.Lock()
        self.in_use = threading.Event()
        best = self.levels[0]
        self.name, self.identity = best.name, best.identity
        self.provides, self.reward_terms = best.provides, best.reward_terms
        # It counts in shares of the budget, which is another one at each level.
        self.controller = LevelController([1.0] * len(self.levels), 1.0)

    @property
    def timing(self) -> Timing:
        """That of the present level; what is set here becomes that of every level."""
        return self.levels[self.level].timing

    @timing.setter
    def timing(self, timing: Timing) -> None:
        self.levels = [level.at(timing) for level in self.levels]

    def at(self, timing: Timing) -> AnytimePlanner:
        """Return a planner whose every level plans by ``timing``; it is at its best level."""
        planner = AnytimePlanner(self.ladder, self.budgets, self.configured)
        planner.timing = timing
        return planner

    @property
    def level(self) -> int:
        """The level of the next plan."""
        return self.controller.level

    def plan(self, request: PlanRequest) -> Plan:
        """Plan at the present level; its time decides on the next one's. With what it was made with as facts."""
        if self._successor is not None:
            self._become_successor()
        level, start = self.level, time.perf_counter()
        plan = self.levels[level].plan(request)
        plan_time = time.perf_counter() - start
        self.controller.add(plan_time / self.budgets[level])
        committed = 0 if request.committed_actions is None else len(request.committed_actions)
        made = {LEVEL: level, COMMITTED: committed, **_added(request)}
        return replace(plan, plan_time=plan_time, facts={**plan.facts, **made})

    def resume(self, facts: Mapping[str, float]) -> None:
        """Take the level, and go to the place in it, of the plan that told ``facts``; raises PlanError without one."""
        if LEVEL not in facts:
            raise PlanError("the plan does not say the level that it was made at: an older version made it")
        level = facts[LEVEL]
        if level not in range(len(self.levels)):
            raise PlanError(
                f"the plan was made at level {level:g}, this planner has the levels 0..{len(self.levels) - 1}"
            )
        self.controller.level = int(level)
        self.levels[int(level)].resume(facts)

    def reset(self) -> None:
        """Forget earlier plans; the level stays."""
        for planner in self.levels:
            planner.reset()

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no plan can be made with, or none by the successor."""
        with self._succession:
            self.levels[0].check(rewards)
            if self._successor is not None:
                self._successor.check(rewards)

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
        costs = np.array([self._cost(planner, rewards) for planner in self.levels])
        # As shares of the budgets, in which every further level costs less: one that does not is as good as none.
        budgets = np.where(np.isfinite(self.budgets), self.budgets, 1.0)
        shares = np.maximum.accumulate((costs / budgets)[::-1])[::-1]
        costs = (shares * budgets).tolist()
        # What is longer than the budget at the last level may still be in time.
        limits = [*self.budgets[:-1], self.levels[-1].timing.plan_time_limit]
        best_possible = first_level(costs, limits)

        def measure(level: int, limit: float) -> np.ndarray:
            return plan_times(self.levels[level], TRIAL_PLANS, rewards, paced=True, limit=limit)

        deadline = time.monotonic() + SETTLING_TIME
        best = choose_level(measure, costs, limits)
        while (best.over or best.level > best_possible) and time.monotonic() < deadline:
            best = min(best, choose_level(measure, costs, limits))
        self.levels[best.level].timing.check_plan_time(best.p99)
        self.controller = LevelController(shares.tolist(), 1.0, best.level)
        return best

    @property
    def physics(self) -> DeclarablePhysics:
        """The model of the robot that it plans with; raises :class:`ConfigurationError` for a planner without one."""
        if self.ladder.physics is None:
            raise ConfigurationError(
                f"the planner {self.name!r} plans without a model of the robot: nothing can be declared to it; the "
                "planners hybrid and dial_mpc have one"
            )
        return self.ladder.physics

    def declare(self, change: Callable[[DeclaredModel], DeclaredModel]) -> DeclaredModel:
        """Plan with what ``change`` makes of what is declared, from the next plan on; from any thread.

        -> what is declared now. Raises as :attr:`physics`; what ``change`` raises.
        """
        with self._succession:
            declared = change(self.physics.declared)
            if declared != self.physics.declared:
                self.physics.declare(declared)
            return declared

    def on(self, artefact: str) -> AnytimePlanner:
        """Return the same planner on another model artefact, not warmed up; this one goes on as it is.

        Raises :class:`ConfigurationError` for a planner without one, or where another number of levels comes of it;
        what loading raises.
        """
        if self.ladder.on is None:
            raise ConfigurationError(f"the planner {self.name!r} has no model artefact that could be another one")
        successor = self._make(self.ladder.on(artefact))
        if len(successor.levels) != len(self.levels):
            raise ConfigurationError(
                f"{artefact} makes {len(successor.levels)} levels, the planner has {len(self.levels)}: it lacks the "
                "int8 graph that is in use, or has one more"
            )
        return successor

    def prepare(self) -> None:
        """Do the one-time work of every level, while others plan.

        Which level has the time is not measured meanwhile: it shows when it plans. Raises :class:`TimingError` when
        even the last one is too slow for its timing.
        """
        self.warm_up()
        last = self.levels[-1]
        last.timing.check_plan_time(self._cost(last, guided(self.reward_terms)))

    def succeed(self, successor: AnytimePlanner) -> None:
        """Let the next plan be made by ``successor``, prepared; from any thread, while this planner plans.

        When that plan is begun the successor is :attr:`in_use`. What this one planned with is then the successor's: it
        ends with that, not in the thread that plans.
        """
        with self._succession:
            self._successor = successor

    def _become_successor(self) -> None:
        """In the thread that plans, between two plans: identity and plans change together.

        The level stays: the levels are the same candidates and steps, and cost as much beside each other. So does what
        is declared, and what is left of the last plan.
        """
        with self._succession:
            successor, self._successor = self._successor, None
            if successor is None:
                return
            successor.levels[0].take_over(self.levels[0])
            self.levels, successor.levels = successor.levels, self.levels
            self.ladder, self.name, self.identity = successor.ladder, successor.name, successor.identity
            self.provides, self.reward_terms = successor.provides, successor.reward_terms
        successor.in_use.set()

    @staticmethod
    def _cost(planner: Planner, rewards: RewardSettings) -> float:
        """Plan time [s] from noise when nothing disturbs."""
        return min(float(plan_times(planner, 1, rewards)[0]) for _ in range(COST_PLANS))

    def describe(self) -> str:
        """Return what all levels have in common, and the time budgets."""
        known = [f"{budget * 1e3:g}" for budget in sorted(set(self.budgets)) if math.isfinite(budget)]
        budgets = f"time budget {' and '.join(known)} ms" if known else "no time budget"
        return ", ".join(part for part in (self.ladder.description, budgets) if part)

    def describe_level(self) -> str:
        """Return the present level, for people."""
        timing, text = self.timing, self.levels[self.level].describe()
        place = f"level {self.level} of 0..{len(self.levels) - 1}"
        return f"{place}: {text}, D = {timing.replan_margin}, R = {timing.replan_interval}"

    def facts(self) -> dict[str, object]:
        """Return the present level and how often it had to change; a budget of 0 is none."""
        level, timing = self.level, self.timing
        budget = self.budgets[level]
        return {
            "planner": self.name,
            "time_budget_ms": budget * 1e3 if math.isfinite(budget) else 0.0,
            "level": level,
            "levels": len(self.levels),
            "replan_margin": timing.replan_margin,
            "replan_interval": timing.replan_interval,
            **self.levels[level].facts(),
            "degraded": self.controller.degraded,
            "over_budget": self.controller.overruns,
        }


def _added(request: PlanRequest) -> dict[str, float]:
    """Return what feedback added to the command of the first robot, as facts."""
    return {} if request.added is None else dict(zip(ADDED_VELOCITY, request.added[0].tolist()))
