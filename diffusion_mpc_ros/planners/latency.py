"""How long a planner takes on this machine, before a robot depends on it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import numpy as np

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.rewards.registry import get_term

# Of each term's largest weight: every term steers, none dominates.
_GUIDED_SHARE = 0.01


def guided(terms: Iterable[str]) -> RewardSettings:
    """Every one of ``terms`` at work, but those that presets seldom use: what takes a planner longest otherwise."""
    often = [get_term(name) for name in terms if not get_term(name).seldom]
    return RewardSettings(1, {term.name: _GUIDED_SHARE * term.max_weight for term in often})


def standing_request(timing: Timing, rewards: RewardSettings, tick: int = 0) -> PlanRequest:
    """Return a standing robot told to walk at 0.5 m/s, its next D actions committed to standing."""
    margin = timing.replan_margin
    committed = np.tile(DEFAULT_JOINT_POS, (margin, 1, 1)) if margin else None
    return PlanRequest(RobotState.standing(tick), np.array([[0.5, 0.0, 0.0]]), rewards, committed)


def plan_times(
    planner: Planner, plans: int, rewards: RewardSettings, *, paced: bool = False, limit: float = math.inf
) -> np.ndarray:
    """Wall times ``(plans,)`` [s] of planning from a standing robot told to walk, the ticks as the timing has them.

    ``paced``: one plan every R control ticks, with pauses as while walking; otherwise back to back. Ends with the
    second plan that takes longer than ``limit`` [s]: of up to a hundred plans, the p99 is then over it. The planner is
    warmed up before and reset afterwards.
    """
    interval = planner.timing.replan_interval * planner.timing.control_dt
    planner.warm_up()
    times: list[float] = []
    while len(times) < plans and sum(duration > limit for duration in times) < 2:
        request = standing_request(planner.timing, rewards, len(times) * planner.timing.replan_interval)
        start = time.perf_counter()
        planner.plan(request)
        times.append(time.perf_counter() - start)
        if paced:
            time.sleep(max(interval - times[-1], 0.0))
    planner.reset()
    return np.array(times)
