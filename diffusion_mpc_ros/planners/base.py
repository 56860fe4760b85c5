"""What every planner offers: one folder of this package each, one line in the registry."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Protocol

from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, Timing


class Planner(Protocol):
    """Plans joint targets for B robots at once; used from a single thread.

    Who derives from it has to give ``name``, ``timing`` and :meth:`plan`; the rest then stands for a planner without
    model, rewards and memory.

    ``name``: that of the registry; ``identity``: a hash of what it plans with, "" for a planner without a model;
    ``timing``: of its plans, which may change between two, but for the horizon; ``reward_terms``: names of the terms
    that it can follow.
    """

    name: str
    identity: str = ""
    timing: Timing
    reward_terms: tuple[str, ...] = ()

    def plan(self, request: PlanRequest) -> Plan:
        """Plan for ``request.robots`` robots from ``request.tick`` on: ``joint_targets (H, B, 12)``.

        Raises :class:`PlanError` or :class:`RewardError`.
        """
        ...

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no plan can be made with."""

    def reset(self) -> None:
        """Forget everything remembered from earlier plans."""

    def warm_up(self) -> None:
        """Do the one-time work (allocation, kernel selection), so that the first plan is as fast as any."""

    def describe(self) -> str:
        """How it plans, in a few words for people: what tells the levels of a ladder apart."""
        return self.name

    def at(self, timing: Timing) -> Planner:
        """The same planner, on the same weights, for plans by another ``timing``."""
        planner = copy.copy(self)
        planner.timing = timing
        return planner

    def facts(self) -> Mapping[str, object]:
        """The same for diagnostics, by name."""
        return {}
