"""D-MPC: sample action sequences, predict where they lead, take the best (arXiv 2410.05364, Algorithm 1)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.constraints.kind import PHYSICAL
from diffusion_mpc_ros.constraints.registry import bounds_in, check_feasible, feasible_bounds, project
from diffusion_mpc_ros.core.errors import PlanError, TimingError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS, clip_joint_targets
from diffusion_mpc_ros.core.trajectory import JOINT_POS, fields_of
from diffusion_mpc_ros.core.transition import STATE_DIM, state_of_robots, trajectory_of
from diffusion_mpc_ros.core.types import Candidates, Plan, PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.d_mpc.loading import Models
from diffusion_mpc_ros.planners.d_mpc.scoring import Scoring
from diffusion_mpc_ros.rewards.following import check_followed, terms_reading
from diffusion_mpc_ros.rewards.predictions import PREDICTED

NAME = "d_mpc"


@dataclass(frozen=True)
class DMpcConfig:
    """How it plans; see :class:`planners.d_mpc.settings.DMpcSettings`."""

    candidates: int = 64
    noise_scale: float = 1.0
    hold_committed: bool = True
    scoring: Scoring = field(default_factory=Scoring)
    seed: int = 0


@dataclass(frozen=True)
class _Windows:
    """What is planned from, of B robots repeated for N candidates each: n = B N."""

    state: np.ndarray  # (n, 34)
    previous: np.ndarray  # (n, 12)
    command: np.ndarray  # (n, 3)


class DMpcPlanner(Planner):
    """A :class:`planners.base.Planner` on one artefact of the kind d_mpc; one level of a ladder."""

    name = NAME
    provides = frozenset(PREDICTED)
    reward_terms = terms_reading(PREDICTED)

    def __init__(self, models: Models, config: DMpcConfig, timing: Timing) -> None:
        """Raise :class:`TimingError` where plans would be longer than the models look ahead."""
        if timing.horizon > models.rows:
            raise TimingError(
                f"the model artefact {models.artefact.name!r} looks {models.rows} ticks ahead, which is less than the "
                f"horizon H = {timing.horizon}"
            )
        self.models, self.config, self.timing = models, config, timing
        self.identity = models.artefact.identity

    def at(self, timing: Timing) -> DMpcPlanner:
        """Return the same planner, on the same weights, for plans by another ``timing``."""
        return DMpcPlanner(self.models, self.config, timing)

    def plan(self, request: PlanRequest) -> Plan:
        """Plan for B robots; all candidates of all robots at once.

        -> the best candidate of each, ``trajectory (B, H + 1, 57)`` as predicted, the mean score. The random numbers
        are those of the tick: the same request is planned alike. Raises :class:`RewardError`, and :class:`PlanError`
        for a plan that is not finite.
        """
        start = time.perf_counter()
        self.check(request.rewards)
        robots, candidates, rows = request.robots, self.config.candidates, self.models.rows
        rng = np.random.default_rng([self.config.seed, request.tick])
        of_each = lambda array: np.repeat(array, candidates, axis=0)  # noqa: E731
        windows = _Windows(
            of_each(state_of_robots(request.state)), of_each(request.state.previous_action), of_each(request.command)
        )
        committed = self._committed(request)
        noise = self.config.noise_scale * rng.standard_normal((robots * candidates, rows, NUM_JOINTS))
        actions = self.models.proposals(
            noise, windows.state, windows.previous, windows.command,
            None if committed is None else of_each(committed.swapaxes(0, 1)),
        )  # fmt: skip
        actions = clip_joint_targets(actions)
        count = 0 if committed is None else len(committed)
        states = self._predict(rng, windows, actions)
        if request.rewards.constraints:
            actions = self._project(request, windows, actions, states, count)
            states = self._predict(rng, windows, actions)
        trajectory = trajectory_of(windows.state, windows.previous, windows.command, actions, states)
        predicted = self.models.values(windows.state, windows.command, actions, states)
        score = self.config.scoring(
            request.tick, windows.command, states, trajectory, predicted, request.rewards
        ).reshape(robots, candidates)
        if not np.isfinite(score).all():
            raise PlanError(f"the scores for tick {request.tick} are not finite; reward weights are the suspects")
        return self._best(request, score, trajectory, actions, committed, start)

    def _committed(self, request: PlanRequest) -> np.ndarray | None:
        """Return what is executed before the plan, ``(d, B, 12)`` [rad], as many as proposals were trained with."""
        committed = request.committed_actions if self.config.hold_committed else None
        if committed is None or not len(committed):
            return None
        return committed[: max(self.models.proposals.description.replan_margin, self.timing.replan_margin)]

    def _predict(self, rng: np.random.Generator, windows: _Windows, actions: np.ndarray) -> np.ndarray:
        """Return states ``(n, F, 34)``."""
        shape = *actions.shape[:2], STATE_DIM
        noise = rng.standard_normal(shape) if self.models.dynamics.samples else np.zeros(shape)
        return self.models.dynamics(noise, windows.state, windows.previous, actions)

    def _project(
        self, request: PlanRequest, windows: _Windows, actions: np.ndarray, states: np.ndarray, count: int
    ) -> np.ndarray:
        """Return actions ``(n, F, 12)`` that lead, by the PD law, to predicted states within the constraints.

        Each action is moved along with the state after it; the first ``count`` are committed and stay.
        """
        rows = trajectory_of(windows.state, windows.previous, windows.command, actions, states)[:, 1:]
        bounds = feasible_bounds(
            request.rewards.constraints, request.rewards.parameters, request.tick + 1 + np.arange(rows.shape[1])
        )
        moved = project({**fields_of(rows), "action": actions}, bounds_in(bounds, PHYSICAL))["action"]
        return np.concatenate([actions[:, :count], clip_joint_targets(moved[:, count:])], axis=1)

    def _best(
        self,
        request: PlanRequest,
        score: np.ndarray,
        trajectory: np.ndarray,
        actions: np.ndarray,
        committed: np.ndarray | None,
        start: float,
    ) -> Plan:
        by_robot = lambda array: array.reshape(*score.shape, *array.shape[1:])  # noqa: E731
        robot, best = np.arange(len(score)), score.argmax(axis=1)
        horizon = self.timing.horizon
        shown = by_robot(trajectory[:, : horizon + 1])
        targets = by_robot(actions[:, :horizon])[robot, best].swapaxes(0, 1)
        if committed is not None:
            targets[: len(committed)] = committed[:horizon]
        return Plan(
            request.tick,
            targets,
            float(score[robot, best].mean()),
            request.rewards.revision,
            time.perf_counter() - start,
            shown[robot, best],
            request.command,
            self.name,
            self.timing.replan_margin,
            {"candidates": self.config.candidates},
            Candidates(shown[..., JOINT_POS], score),
        )

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for a weight of an outcome that is not predicted, or an unknown constraint."""
        check_followed(rewards, self.name, self.reward_terms, self.provides)
        if rewards.constraints:
            check_feasible(rewards.constraints, rewards.parameters)

    def reset(self) -> None:
        """Nothing to be done: nothing is remembered."""
        return

    def resume(self, facts: Mapping[str, float]) -> None:
        """Nothing to be done: the random numbers are those of the tick, nothing is remembered."""
        return

    def warm_up(self) -> None:
        """Plan once for a standing robot."""
        self.plan(PlanRequest(RobotState.standing(), np.zeros((1, 3)), RewardSettings()))

    def describe(self) -> str:
        """Return candidates and how far it looks."""
        return f"N = {self.config.candidates}, {self.models.rows} ticks ahead"

    def facts(self) -> Mapping[str, object]:
        """Return candidates and steps by name."""
        steps = {"proposal_steps": self.models.proposals.steps, "dynamics_steps": self.models.dynamics.steps}
        return {"candidates": self.config.candidates, **steps, "lookahead": self.models.rows}
