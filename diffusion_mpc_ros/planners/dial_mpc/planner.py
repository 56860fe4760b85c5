"""DIAL-MPC: joint targets searched for by rollouts of the whole robot (arXiv 2409.15610, Algorithm 1).

Joint-target level: what is searched over are targets of the PD law that the robot executes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from diffusion_mpc_ros.constraints.registry import check_feasible
from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.sampling.controls import to_controls, to_targets
from diffusion_mpc_ros.planners.sampling.memory import Memory
from diffusion_mpc_ros.planners.sampling.physics import Physics, committed_actions
from diffusion_mpc_ros.planners.sampling.scoring import Scoring
from diffusion_mpc_ros.planners.sampling.search import Search
from diffusion_mpc_ros.rewards.following import check_followed, terms_reading
from diffusion_mpc_ros.rewards.outcomes import MEASURED
from diffusion_mpc_ros.simulation.rollout import Rollout

NAME = "dial_mpc"


@dataclass(frozen=True)
class Parts:
    """What the levels of a ladder have in common: physics, scores, the last plan; ``identity`` of them all."""

    physics: Physics
    scoring: Scoring
    memory: Memory
    identity: str = ""


class DialMpcPlanner(Planner):
    """A :class:`planners.base.Planner` by sampling; one level of a ladder.

    A search covers ``search.knots.horizon - 1`` rows after the committed ones; the row before them is held.
    """

    name = NAME
    provides = MEASURED
    reward_terms = terms_reading(MEASURED)

    def __init__(
        self, parts: Parts, search: Search, timing: Timing, *, first_iterations: int = 1, seed: int = 0
    ) -> None:
        """``first_iterations``: of a plan that has none to begin with, while nothing is committed to.

        Raises :class:`TimingError` where fewer rows are searched over than a plan has.
        """
        if search.knots.horizon - 1 < timing.horizon:
            raise TimingError(
                f"dial_mpc looks {search.knots.horizon - 1} ticks ahead, which is less than the horizon "
                f"H = {timing.horizon}: give planner.lookahead at least H"
            )
        self.timing, self.identity = timing, parts.identity
        self._parts, self._search, self._seed = parts, search, seed
        self._first = replace(search.annealing, iterations=max(first_iterations, search.annealing.iterations))

    def plan(self, request: PlanRequest) -> Plan:
        """Plan for B robots: roll out what is committed, then search from where that ends.

        Where nothing is committed to, the robots are taken to hold their last joint targets for D ticks.
        -> a plan with ``trajectory (B, T, 57)`` as rolled out, its score, and as fact the ``iterations`` it took.
        Raises :class:`RewardError`, and :class:`PlanError` where the score is not finite.
        """
        start = time.perf_counter()
        self.check(request.rewards)
        world, knots = self._parts.physics.world, self._search.knots
        now, rollouts = world.now(request), world.rollouts
        scoring, normal = self._parts.scoring, world.declared.normal
        committed = committed_actions(request, self.timing)
        begin = request.tick + len(committed)
        ahead = world.after(now, committed)
        last = committed[-1] if len(committed) else request.state.previous_action

        shape = request.robots, knots.count, go2.NUM_JOINTS
        known = self._parts.memory.at(knots, begin - 1, shape)
        is_first = known is None and request.committed_actions is None
        annealing = self._first if is_first else self._search.annealing
        mean = np.zeros(shape) if known is None else known
        mean[:, 0] = to_controls(last)

        def evaluate(controls: np.ndarray) -> np.ndarray:
            return scoring(rollouts.run(ahead, to_targets(controls[:, :, 1:])), begin, request, normal)

        # By the tick: the same request after the same plans is planned alike, wherever the planner began.
        rng = np.random.default_rng([self._seed, request.tick])
        found = self._search.run(mean, evaluate, rng, annealing)
        free = to_targets(knots.rows(found)[:, 1 : 1 + self.timing.horizon - len(committed)])
        targets = np.concatenate([committed, free.swapaxes(0, 1)])
        shown = rollouts.run(now, targets.swapaxes(0, 1)[:, None])
        plan = Plan(
            request.tick,
            targets,
            float(scoring(shown, request.tick, request, normal).mean()),
            request.rewards.revision,
            time.perf_counter() - start,
            self._trajectory(shown, request),
            request.command,
            self.name,
            self.timing.replan_margin,
            {"iterations": annealing.iterations, **world.facts()},
        )
        self._parts.memory.keep(found, begin - 1)  # now that it is one
        return plan

    @staticmethod
    def _trajectory(shown: Rollout, request: PlanRequest) -> np.ndarray:
        observation = observe(request.state, request.aim, request.state.previous_action)
        return shown.trajectory(observation, request.aim)[:, 0]

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for a weight of an outcome that no rollout measures, or an unknown constraint."""
        check_followed(rewards, self.name, self.reward_terms, self.provides)
        if rewards.constraints:
            check_feasible(rewards.constraints, rewards.parameters)

    def reset(self) -> None:
        """Forget the last plan."""
        self._parts.memory.clear()

    def resume(self, facts: Mapping[str, float]) -> None:
        """Plan in the world of the plan that told ``facts``.

        The random numbers are those of the tick, the last plan comes from making it again.
        """
        self._parts.physics.resume(facts)

    def warm_up(self) -> None:
        """Plan once for a standing robot, then forget it."""
        self.plan(PlanRequest(RobotState.standing(), np.zeros((1, 3)), RewardSettings()))
        self.reset()

    def describe(self) -> str:
        """Return samples and iterations."""
        return f"{self._search.samples} samples, {self._search.annealing.iterations} iterations"

    def facts(self) -> Mapping[str, object]:
        """Return samples, iterations, ticks looked ahead, by name."""
        search = self._search
        iterations, lookahead = search.annealing.iterations, search.knots.horizon - 1
        return {
            "samples": search.samples,
            "iterations": iterations,
            "lookahead": lookahead,
            "declared": str(self._parts.physics.world.declared),
        }
