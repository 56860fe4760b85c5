"""What every planner offers."""

from __future__ import annotations

from typing import Protocol

from diffusion_mpc_ros.core.types import Plan, PlanRequest, Timing


class Planner(Protocol):
    """Plans joint targets from one observation; used from a single thread."""

    timing: Timing

    def plan(self, request: PlanRequest) -> Plan:
        """A plan whose row 0 is for ``request.tick``; raises :class:`PlanError` or :class:`RewardError`."""

    def reset(self) -> None:
        """Forget everything remembered from earlier plans."""

    def warm_up(self) -> None:
        """Do the one-time work (allocation, kernel selection), so that the first plan is as fast as any."""
