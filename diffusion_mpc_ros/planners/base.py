"""What every planner offers: one folder of this package each, one line in the registry."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Protocol

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, Timing
from diffusion_mpc_ros.rewards.following import check_followed


class Planner(Protocol):
    """Plans joint targets for B robots at once; used from a single thread.

    Who derives from it has to give ``name``, ``timing`` and :meth:`plan`; the rest then stands for a planner without
    model, rewards and memory.

    ``name``: that of the registry; ``identity``: a hash of what it plans with, "" for a planner without a model;
    ``timing``: of its plans, which may change between two, but for the horizon. ``provides``: the outcomes that it
    knows of its trajectories (:mod:`rewards.outcomes`); ``reward_terms``: names of the terms that it can follow, which
    read no others (:func:`rewards.following.terms_reading`).
    """

    name: str
    identity: str = ""
    timing: Timing
    provides: frozenset[str] = frozenset()
    reward_terms: tuple[str, ...] = ()

    def plan(self, request: PlanRequest) -> Plan:
        """Plan for ``request.robots`` robots from ``request.tick`` on: ``joint_targets (H, B, 12)``.

        Raises :class:`PlanError` or :class:`RewardError`.
        """
        ...

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no plan can be made with.

        For a planner that holds constraints this is to be overridden: here there are none.
        """
        check_followed(rewards, self.name, self.reward_terms, self.provides)
        if rewards.constraints:
            raise RewardError(f"the planner {self.name!r} keeps to no constraints: {', '.join(rewards.constraints)}")

    def reset(self) -> None:
        """Forget everything remembered from earlier plans."""

    def resume(self, facts: Mapping[str, float]) -> None:
        """Go to where it was before it made the plan that told ``facts``, so that it can be made again.

        Nothing to be done by a planner without memory and random numbers; what is remembered of earlier plans comes
        from making those again.
        """

    def warm_up(self) -> None:
        """Do the one-time work (allocation, kernel selection), so that the first plan is as fast as any."""

    def take_over(self, before: Planner) -> None:
        """Go on where ``before`` stops, the same planner on another artefact: between two plans, by who plans.

        Nothing to be done by a planner that remembers nothing of plans and of what it is told of the robot.
        """
        return

    def describe(self) -> str:
        """How it plans, in a few words for people: what tells the levels of a ladder apart."""
        return self.name

    def at(self, timing: Timing) -> Planner:
        """Return the same planner, on the same weights, for plans by another ``timing``."""
        planner = copy.copy(self)
        planner.timing = timing
        return planner

    def facts(self) -> Mapping[str, object]:
        """Return the same for diagnostics, by name."""
        return {}
