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
from diffusion_mpc_ros.planners.dial_mpc.memory import Memory
from diffusion_mpc_ros.planners.dial_mpc.scoring import Scoring
from diffusion_mpc_ros.planners.dial_mpc.search import Search
from diffusion_mpc_ros.rewards.following import check_followed, terms_reading
from diffusion_mpc_ros.rewards.outcomes import MEASURED
from diffusion_mpc_ros.simulation.rollout import Rollout, Rollouts
from diffusion_mpc_ros.simulation.state import State

NAME = "dial_mpc"
# (12,) [rad], what a control of 1 is away from the default pose: about the authors' ranges of hip, thigh and calf.
CONTROL_RANGE = np.tile([0.5, 0.5, 0.65], 4)


def to_targets(controls: np.ndarray) -> np.ndarray:
    """Joint targets ``(..., 12)`` [rad] of controls in [-1, 1], which are 0 at the default pose."""
    return go2.clip_joint_targets(go2.DEFAULT_JOINT_POS + CONTROL_RANGE * controls)


def to_controls(targets: np.ndarray) -> np.ndarray:
    """Return the controls ``(..., 12)`` of joint targets [rad], clipped to [-1, 1]."""
    return np.clip((targets - go2.DEFAULT_JOINT_POS) / CONTROL_RANGE, -1.0, 1.0)


@dataclass(frozen=True)
class Parts:
    """What the levels of a ladder have in common: physics, scores, the last plan; ``identity`` of them all."""

    rollouts: Rollouts
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
        Raises :class:`RewardError`.
        """
        start = time.perf_counter()
        self.check(request.rewards)
        rollouts, knots = self._parts.rollouts, self._search.knots
        now = State.of(request.state, rollouts.model)
        committed = self._committed(request)
        begin = request.tick + len(committed)
        ahead = rollouts.run(now, committed.swapaxes(0, 1)[:, None]).final[:, 0] if len(committed) else now
        last = committed[-1] if len(committed) else request.state.previous_action

        shape = request.robots, knots.count, go2.NUM_JOINTS
        known = self._parts.memory.at(knots, begin - 1, shape)
        is_first = known is None and request.committed_actions is None
        annealing = self._first if is_first else self._search.annealing
        mean = np.zeros(shape) if known is None else known
        mean[:, 0] = to_controls(last)

        def evaluate(controls: np.ndarray) -> np.ndarray:
            return self._parts.scoring(rollouts.run(ahead, to_targets(controls[:, :, 1:])), begin, request)

        # By the tick: the same request after the same plans is planned alike, wherever the planner began.
        rng = np.random.default_rng([self._seed, request.tick])
        found = self._search.run(mean, evaluate, rng, annealing)
        self._parts.memory.keep(found, begin - 1)
        free = to_targets(knots.rows(found)[:, 1 : 1 + self.timing.horizon - len(committed)])
        targets = np.concatenate([committed, free.swapaxes(0, 1)])
        shown = rollouts.run(now, targets.swapaxes(0, 1)[:, None])
        return Plan(
            request.tick,
            targets,
            float(self._parts.scoring(shown, request.tick, request).mean()),
            request.rewards.revision,
            time.perf_counter() - start,
            self._trajectory(shown, request),
            request.command,
            self.name,
            self.timing.replan_margin,
            {"iterations": annealing.iterations},
        )

    def _committed(self, request: PlanRequest) -> np.ndarray:
        """Return what is executed until row D is due, ``(D, B, 12)`` [rad]."""
        if request.committed_actions is not None:
            return request.committed_actions
        return np.tile(request.state.previous_action, (self.timing.replan_margin, 1, 1))

    @staticmethod
    def _trajectory(shown: Rollout, request: PlanRequest) -> np.ndarray:
        observation = observe(request.state, request.command, request.state.previous_action)
        return shown.trajectory(observation, request.command)[:, 0]

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for a weight of an outcome that no rollout measures, or an unknown constraint."""
        check_followed(rewards, self.name, self.reward_terms, self.provides)
        if rewards.constraints:
            check_feasible(rewards.constraints, rewards.parameters)

    def reset(self) -> None:
        """Forget the last plan."""
        self._parts.memory.clear()

    def resume(self, facts: Mapping[str, float]) -> None:
        """Nothing to be done: the random numbers are those of the tick, the last plan comes from making it again."""
        return

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
        return {"samples": search.samples, "iterations": iterations, "lookahead": lookahead}
