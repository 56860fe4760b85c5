"""The hybrid: the prior gives the gait, rollouts in the declared model correct it.

All candidates of Diffusion-MPC, most of them with the last plan's correction, and the shifted last plan are rolled out
and ranked; a local search by sampling (one iteration of arXiv 2409.15610, Algorithm 1) begins at the best of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.trajectory import OBSERVATION
from diffusion_mpc_ros.core.types import Candidates, Plan, PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcPlanner
from diffusion_mpc_ros.planners.hybrid.guidance import guiding
from diffusion_mpc_ros.planners.hybrid.last_plan import LastPlan
from diffusion_mpc_ros.planners.sampling.controls import CONTROL_RANGE
from diffusion_mpc_ros.planners.sampling.physics import Physics, committed_actions
from diffusion_mpc_ros.planners.sampling.scoring import Scoring
from diffusion_mpc_ros.planners.sampling.search import Search
from diffusion_mpc_ros.rewards.following import check_followed, terms_reading
from diffusion_mpc_ros.rewards.outcomes import MEASURED
from diffusion_mpc_ros.simulation.rollout import Rollout

NAME = "hybrid"
# So many of the candidates take over the last plan's correction; the others are the prior's own.
CORRECTED_SHARE = 0.8
# Fact of a plan: rollouts that it took.
ROLLOUTS = "rollouts"


@dataclass(frozen=True)
class Parts:
    """What the levels of a ladder have in common: physics, scores, the last plan, what guides the prior.

    ``make_search(rows, samples)``: the local search over so many rows, the first of which is held.
    """

    physics: Physics
    scoring: Scoring
    last: LastPlan
    guided_by: str
    make_search: Callable[[int, int], Search]

    def anew(self) -> Parts:
        """Return the same for another ladder, which shares nothing that a plan changes."""
        return replace(self, physics=self.physics.anew(), last=LastPlan(self.last.kept))

    def take_over(self, before: Parts) -> None:
        """Go on with what is declared to ``before``, and with its last plan; between two plans."""
        self.physics.take_over(before.physics)
        self.last.take_over(before.last)


class HybridPlanner(Planner):
    """A :class:`planners.base.Planner` on one artefact and one model; one level of a ladder.

    ``samples`` of the search beside its centre; 0 leaves the simulator out: the plan is the prior's own.
    """

    name = NAME

    def __init__(self, prior: DiffusionMpcPlanner, parts: Parts, samples: int, seed: int = 0) -> None:
        self.prior, self.timing, self.identity = prior, prior.timing, prior.identity
        self.provides = prior.provides | MEASURED
        self.reward_terms = tuple(dict.fromkeys([*prior.reward_terms, *terms_reading(MEASURED)]))
        self._parts, self._samples, self._seed = parts, samples, seed

    def at(self, timing: Timing) -> HybridPlanner:
        """Return the same planner, on the same weights and physics, for plans by another ``timing``."""
        return HybridPlanner(self.prior.at(timing), self._parts, self._samples, self._seed)

    def plan(self, request: PlanRequest) -> Plan:
        """Plan for B robots: sample, predict where the committed actions lead, rank by rollouts, search round the best.

        -> a plan with ``trajectory (B, T, 57)`` as the best sample was rolled out, its score, ``rollouts`` among its
        facts, and all candidates with their scores. Raises :class:`RewardError`, and :class:`PlanError` where no score
        of a robot is finite.
        """
        start = time.perf_counter()
        check_followed(request.rewards, self.name, self.reward_terms, self.provides)  # the prior checks the rest
        drawn = self.prior.drawn
        guided = replace(request, rewards=guiding(request.rewards, self._parts.guided_by, self.prior.reward_terms))
        if not self._samples:
            plan = self.prior.plan(guided)
            return replace(plan, planner=self.name, facts={**plan.facts, ROLLOUTS: 0})
        sample = self.prior.sample(guided)
        world = self._parts.physics.world
        now, rollouts = world.now(request), world.rollouts

        committed = committed_actions(request, self.timing)
        begin = request.tick + len(committed)
        known = rollouts.run(now, committed.swapaxes(0, 1)[:, None]) if len(committed) else None
        ahead = now if known is None else known.final[:, 0]
        tried: list[tuple[Rollout, np.ndarray]] = []

        candidates = go2.clip_joint_targets(sample.proposals[:, :, len(committed) :].astype(np.float64))
        proposals = self._with_last(candidates, begin)

        def evaluate(rows: np.ndarray) -> np.ndarray:
            done = rollouts.run(ahead, rows)
            tried.append((done, self._parts.scoring(done, begin, request, world.declared.normal)))
            return tried[-1][1]

        scores = evaluate(proposals)
        centre = proposals[np.arange(request.robots), _best(scores)]
        free = self._search(centre, request.tick, evaluate)
        searched, values = tried[-1]
        best = _best(values)
        plan = Plan(
            request.tick,
            np.concatenate([committed, free.swapaxes(0, 1)]),
            float(values[np.arange(request.robots), best].mean()),
            request.rewards.revision,
            time.perf_counter() - start,
            _trajectory(known, searched.chosen(best), request),
            request.command,
            self.name,
            self.timing.replan_margin,
            {
                "denoising_steps": sample.denoising_steps,
                "drawn": drawn,
                ROLLOUTS: proposals.shape[1] + self._samples + 1,
                **world.facts(),
            },
            Candidates(sample.candidates.joint_pos, scores[:, : candidates.shape[1]]),
        )
        self._parts.last.keep(free, free - candidates.mean(axis=1), begin)  # now that it is one
        return plan

    def _with_last(self, candidates: np.ndarray, begin: int) -> np.ndarray:
        """Return ``candidates (B, N, R, 12)`` [rad], most of them corrected as the last plan was, and that plan."""
        last = self._parts.last.at(begin, candidates[:, 0])
        if last is None:
            return candidates
        plan, correction = last
        count = corrected_count(candidates.shape[1])
        corrected = go2.clip_joint_targets(candidates[:, :count] + correction[:, None])
        return np.concatenate([corrected, candidates[:, count:], plan[:, None]], axis=1)

    def _search(self, centre: np.ndarray, tick: int, evaluate: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return rows ``(B, R, 12)`` [rad] found round ``centre (B, R, 12)``; ``evaluate`` scores ``(B, S, R, 12)``."""
        search = self._parts.make_search(centre.shape[1] + 1, self._samples)
        # By the tick: the same request after the same plans is planned alike, wherever the planner began.
        rng = np.random.default_rng([self._seed, tick])
        start = np.zeros((len(centre), search.knots.count, go2.NUM_JOINTS))
        found = search.run(
            start, lambda deviations: evaluate(centre[:, None] + CONTROL_RANGE * deviations[:, :, 1:]), rng
        )
        return go2.clip_joint_targets(centre + CONTROL_RANGE * search.knots.rows(found)[:, 1:])

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for weights that neither prior nor rollouts follow, or unknown constraints."""
        check_followed(rewards, self.name, self.reward_terms, self.provides)
        self.prior.check(guiding(rewards, self._parts.guided_by, self.prior.reward_terms))

    def reset(self) -> None:
        """Forget the last plan and restart the random numbers from the seed."""
        self.prior.reset()
        self._parts.last.clear()

    def resume(self, facts: Mapping[str, float]) -> None:
        """Go to the world, and to the place among the random numbers, of the plan that told ``facts``."""
        self.prior.resume(facts)
        self._parts.physics.resume(facts)

    def take_over(self, before: Planner) -> None:
        """Go on from the last plan of ``before``, and with what is declared to it."""
        if isinstance(before, HybridPlanner):
            self._parts.take_over(before._parts)

    def warm_up(self) -> None:
        """Plan once for a standing robot, then forget it."""
        self.plan(PlanRequest(RobotState.standing(), np.zeros((1, 3)), RewardSettings()))
        self.reset()

    def describe(self) -> str:
        """Return how the prior samples, and how much is searched."""
        searched = f"{self._samples} samples round the best" if self._samples else "the prior alone"
        return f"{self.prior.describe()}, {searched}"

    def facts(self) -> dict[str, object]:
        """Return how the prior samples, samples of the search, what is declared, by name."""
        return {**self.prior.facts(), "samples": self._samples, "declared": str(self._parts.physics.declared)}


def corrected_count(candidates: int) -> int:
    """Return how many of ``candidates`` take over the last plan's correction; of two or more one does not."""
    return max(1, int(CORRECTED_SHARE * candidates))


def _best(scores: np.ndarray) -> np.ndarray:
    """Return which of scores ``(B, N)`` is the best, ``(B,)``; one that is not finite is none."""
    return np.where(np.isfinite(scores), scores, -np.inf).argmax(axis=1)


def _trajectory(known: Rollout | None, planned: Rollout, request: PlanRequest) -> np.ndarray:
    """Return rows ``(B, T, 57)`` of the committed ticks ``known (B, 1)``, then of those that are ``planned (B, 1)``."""
    observation = observe(request.state, request.aim, request.state.previous_action)
    if known is None:
        return planned.trajectory(observation, request.aim)[:, 0]
    first = known.trajectory(observation, request.aim)[:, 0]
    return np.concatenate([first[:, :-1], planned.trajectory(first[:, -1, OBSERVATION], request.aim)[:, 0]], axis=1)
