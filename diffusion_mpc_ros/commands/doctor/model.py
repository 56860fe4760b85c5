"""The model artefact, and whether this machine plans with it fast enough."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Finding, bad, ok, warning
from diffusion_mpc_ros.core.resources import model_folder

# So many plans are timed, fewer when they take longer than this together [s].
PLANS, TIME_BUDGET = 50, 1.5
_FASTER = "diffusion-mpc bench planner --candidates 5 --steps 10 tells whether fewer candidates fit"


def check_artefact(context: Context) -> Finding:
    """Hash, schema and shapes."""
    from diffusion_mpc_ros.diffusion import prior

    loaded = prior.load(model_folder(_artefact(context)))
    return ok(f"{loaded.name}, sha256 {loaded.identity[:12]}..., H = {loaded.description.horizon}")


def check_plan_time(context: Context) -> Finding:
    """Time a few plans with every reward term at work, the parameters of config/planner.yaml and no time budget."""
    from diffusion_mpc_ros.planners.latency import guided, plan_times
    from diffusion_mpc_ros.planners.registry import make_planner

    settings, own = bringup.load_settings("planner")
    planner = make_planner(replace(settings, time_budget_ms=0.0), replace(own, artefact=_artefact(context)))
    rewards = guided(planner.reward_terms)
    start = time.monotonic()
    plan_times(planner, 2, rewards)
    plans = int(min(max(TIME_BUDGET / (time.monotonic() - start), 1), PLANS))
    return judge_plan_times(plan_times(planner, plans, rewards), planner.timing.plan_time_limit)


def judge_plan_times(times: np.ndarray, limit: float) -> Finding:
    """Judge ``times (plans,)`` [s] against ``limit`` [s], in which a plan must be ready."""
    p50, p99 = np.percentile(times, [50, 99])
    text = f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms of {len(times)} plans, {limit * 1e3:.0f} ms are allowed"
    if p50 > limit:
        return bad(text, f"free a core; {_FASTER}")
    if p99 > limit:
        return warning(f"{text}; the planner takes fewer candidates or steps meanwhile", f"free a core; {_FASTER}")
    return ok(text)


def _artefact(context: Context) -> str:
    return context.artefact or bringup.load_parameters("planner")["artefact"]
