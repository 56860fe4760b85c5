"""A planner that keeps to a time budget: Diffusion-MPC at the best level that this machine has time for."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import replace

import numpy as np

from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings
from diffusion_mpc_ros.diffusion.artefact import Artefact
from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.inference import choose_backend, make_backend
from diffusion_mpc_ros.planners.anytime import LevelController, Trial, choose_level, describe, first_level, ladder
from diffusion_mpc_ros.planners.diffusion_mpc import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.latency import guided, plan_times

# Plans by which a level is measured: what it costs undisturbed, and its p99.
COST_PLANS, TRIAL_PLANS = 5, 50
# How long [s] a better level is tried for at start: the other nodes may just be starting.
SETTLING_TIME = 5.0


class _SharedSteps:
    """Binds each batch size once for all levels, which plan one after another."""

    def __init__(self, backend: StepBackend) -> None:
        self.bind = functools.cache(backend.bind)


class AnytimePlanner:
    """A :class:`planners.base.Planner` that changes its level between two plans; all levels share one set of weights.

    Without a ``budget`` [s] there is one level: exactly what ``config`` says.
    """

    def __init__(self, artefact: Artefact, config: DiffusionMpcConfig, budget: float = math.inf) -> None:
        """Load the artefact's graph; raises what :class:`DiffusionMpcPlanner` raises."""
        self.artefact, self.config, self.timing, self.budget = artefact, config, config.timing, budget
        self.levels = ladder(config.sampling) if math.isfinite(budget) else (config.sampling,)
        steps = _SharedSteps(make_backend(artefact, config.backend, config.threads, config.precision))
        self._planners = [
            DiffusionMpcPlanner(artefact, replace(config, sampling=sampling), steps) for sampling in self.levels
        ]
        self.controller = LevelController([1.0] * len(self.levels), budget)

    @property
    def level(self) -> int:
        """The level of the next plan."""
        return self.controller.level

    def plan(self, request: PlanRequest) -> Plan:
        """Plan at the present level; its time decides on the next one's."""
        plan = self._planners[self.level].plan(request)
        self.controller.add(plan.plan_time)
        return plan

    def reset(self) -> None:
        """Forget earlier plans; the level stays."""
        for planner in self._planners:
            planner.reset()

    def check_rewards(self, settings: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no plan can be made with."""
        self._planners[0].check_rewards(settings)

    def warm_up(self) -> None:
        """Do the one-time work of every level, so that changing the level costs nothing."""
        for planner in self._planners:
            planner.warm_up()

    def settle(self) -> Trial:
        """Measure with every reward term at work, and take the best level that fits; the trial that was best.

        Plans paced as while walking: back to back, a real-time planner would occupy a core, and the kernel then lets
        starved ordinary tasks go before all real-time ones, command_publisher's too. Takes :data:`SETTLING_TIME` only
        where something disturbs. Raises :class:`TimingError` when even the last level is too slow for the timing.
        """
        rewards = guided(self.artefact.description.reward_terms)
        costs = [self._cost(planner, rewards) for planner in self._planners]
        costs = np.maximum.accumulate(costs[::-1])[::-1].tolist()
        # What is longer than the budget at the last level may still be in time.
        limits = [self.budget] * (len(costs) - 1) + [self.timing.plan_time_limit]
        best_possible = first_level(costs, limits)

        def measure(level: int, limit: float) -> np.ndarray:
            return plan_times(self._planners[level], TRIAL_PLANS, rewards, paced=True, limit=limit)

        deadline = time.monotonic() + SETTLING_TIME
        best = choose_level(measure, costs, limits)
        while (best.over or best.level > best_possible) and time.monotonic() < deadline:
            best = min(best, choose_level(measure, costs, limits))
        self.timing.check_plan_time(best.p99)
        self.controller = LevelController(costs, self.budget, best.level)
        return best

    @staticmethod
    def _cost(planner: DiffusionMpcPlanner, rewards: RewardSettings) -> float:
        """Plan time [s] from noise when nothing disturbs."""
        return min(float(plan_times(planner, 1, rewards)[0]) for _ in range(COST_PLANS))

    def describe(self) -> str:
        """Backend, threads and time budget."""
        threads = f"{self.config.threads} thread{'s' if self.config.threads > 1 else ''}"
        budget = f"time budget {self.budget * 1e3:g} ms" if math.isfinite(self.budget) else "no time budget"
        return f"{choose_backend(self.config.backend)} {self.config.precision}, {threads}, {budget}"

    def describe_level(self) -> str:
        """The present level, for people."""
        return f"level {self.level} of 0..{len(self.levels) - 1}: {describe(self.levels[self.level])}"

    def diagnostics(self) -> dict[str, object]:
        """The present level and how often it had to change; a budget of 0 is none."""
        options = self.levels[self.level]
        return {
            "time_budget_ms": self.budget * 1e3 if math.isfinite(self.budget) else 0.0,
            "level": self.level,
            "levels": len(self.levels),
            "candidates": options.candidates,
            "sampler": options.sampler,
            "steps": options.steps,
            "cached_steps": options.cached_steps,
            "degraded": self.controller.degraded,
            "over_budget": self.controller.overruns,
        }
