"""What can be set of planning, whichever planner plans."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.core.settings import setting
from diffusion_mpc_ros.planners.anytime import AUTOMATIC
from diffusion_mpc_ros.realtime.settings import TimingSettings
from diffusion_mpc_ros.realtime.velocity_feedback import VELOCITY_FEEDBACK


@dataclass(frozen=True)
class PlanningSettings(TimingSettings):
    """Which planner, and the time that it has."""

    planner: str = setting(
        "The planner: a name of planners/registry.py, or MODULE:FUNCTION of your own (docs/planners.md).",
        "diffusion_mpc",
        option="planner",
    )
    time_budget_ms: float = setting(
        "Time budget of a plan, kept by fewer candidates, then cached steps; -1: 80 % of the shorter of max(D, 1) and "
        "R ticks; 0: none, exactly the configured settings.",
        AUTOMATIC,
        unit="ms",
        low=-1.0,
        high=2000.0,
    )
    velocity_feedback: float = setting(
        "Gain of the integral of the velocity error, estimated, that is added to the command to plan for; 0: none.",
        VELOCITY_FEEDBACK,
        unit="1/s",
        low=0.0,
        high=1.0,
    )
