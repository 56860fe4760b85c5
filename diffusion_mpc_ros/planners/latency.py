"""How long a planner takes on this machine, before a robot depends on it."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, NUM_JOINTS
from diffusion_mpc_ros.core.trajectory import make_observation
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.rewards.registry import get_term

# Of each term's largest weight: every term steers, none dominates.
_GUIDED_SHARE = 0.01


def guided(terms: Iterable[str]) -> RewardSettings:
    """Every one of ``terms`` at work: what takes a planner longest."""
    return RewardSettings(1, {name: _GUIDED_SHARE * get_term(name).max_weight for name in terms})


def plan_times(planner: Planner, plans: int, rewards: RewardSettings) -> np.ndarray:
    """Wall times ``(plans,)`` [s] of planning from a standing robot told to walk, as often as the timing asks for.

    The planner is warmed up before and reset afterwards.
    """
    planner.warm_up()
    margin, interval = planner.timing.replan_margin, planner.timing.replan_interval
    committed = np.tile(DEFAULT_JOINT_POS, (margin, 1)) if margin else None
    observation = make_observation(
        base_ang_vel=np.zeros(3),
        projected_gravity=np.array([0.0, 0.0, -1.0]),
        command=np.array([0.5, 0.0, 0.0]),
        joint_pos=DEFAULT_JOINT_POS,
        joint_vel=np.zeros(NUM_JOINTS),
        previous_action=DEFAULT_JOINT_POS,
    )
    times = np.empty(plans)
    for index in range(plans):
        request = PlanRequest(index * interval, observation, committed, rewards)
        start = time.perf_counter()
        planner.plan(request)
        times[index] = time.perf_counter() - start
    planner.reset()
    return times
