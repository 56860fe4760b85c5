"""D-MPC: sample action sequences, predict where they lead, take the best (arXiv 2410.05364, Algorithm 1).

Proposals of one moment are much alike. None of them makes up for a robot that walks otherwise than the demonstrator's
did, however well that is predicted: so they are made for a command that does. And they hold little of what rewards ask
for. A search goes on round the mean of the best, as the cross-entropy method does, by differences between proposals: it
varies what they vary, and gets further.
"""

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
from diffusion_mpc_ros.planners.d_mpc.scoring import Scoring, mean_velocity
from diffusion_mpc_ros.rewards.following import check_followed, terms_reading, weighted_terms
from diffusion_mpc_ros.rewards.predictions import PREDICTED

NAME = "d_mpc"
# How far from its own a command may be that proposals are made for: vx, vy [m/s], yaw rate [rad/s].
CORRECTION_LIMIT = np.array([0.15, 0.15, 0.4])


@dataclass(frozen=True)
class DMpcConfig:
    """How it plans; see :class:`planners.d_mpc.settings.DMpcSettings`."""

    candidates: int = 24
    rounds: int = 3
    survivors: float = 0.25
    spread: float = 0.5
    noise_scale: float = 1.0
    correction: float = 1.0
    hold_committed: bool = True
    scoring: Scoring = field(default_factory=Scoring)
    seed: int = 0


@dataclass(frozen=True)
class _Windows:
    """What is planned from: B robots, each repeated for its N candidates, n = B N."""

    state: np.ndarray  # (n, 34)
    previous: np.ndarray  # (n, 12)
    command: np.ndarray  # (n, 3)
    committed: np.ndarray  # (n, d, 12), the actions that are executed meanwhile

    @classmethod
    def of(cls, request: PlanRequest, candidates: int, hold_committed: bool) -> _Windows:
        """Of ``request``; without committed actions where there are none, or none are to be held."""
        committed = request.committed_actions if hold_committed else None
        if committed is None:
            committed = np.zeros((0, request.robots, NUM_JOINTS))
        state = request.state
        of_robots = state_of_robots(state), state.previous_action, request.aim, committed.swapaxes(0, 1)
        return cls(*(np.repeat(array, candidates, axis=0) for array in of_robots))

    def first_of(self, candidates: int) -> _Windows:
        """Return each robot once, B of them."""
        return _Windows(*(array[::candidates] for array in (self.state, self.previous, self.command, self.committed)))

    def after_committed(self, actions: np.ndarray) -> np.ndarray:
        """Return ``actions (n, F, 12)`` [rad] within the joint limits, the committed ones in the place of the first."""
        count = self.committed.shape[1]
        return np.concatenate([self.committed, clip_joint_targets(actions[:, count:])], axis=1)

    def trajectory(self, actions: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Return ``(n, F + 1, 57)``, see :func:`core.transition.trajectory_of`."""
        return trajectory_of(self.state, self.previous, self.command, actions, states)


@dataclass(frozen=True)
class _Judged:
    """M candidates of each of B robots, and their scores: the larger, the better."""

    actions: np.ndarray  # (B, M, F, 12)
    trajectory: np.ndarray  # (B, M, F + 1, 57)
    score: np.ndarray  # (B, M)

    def beside(self, other: _Judged) -> _Judged:
        """Return both together."""
        return _Judged(*(np.concatenate(pair, axis=1) for pair in zip(self._arrays, other._arrays)))

    def best(self, count: int) -> _Judged:
        """Return the best of each robot, the best one first."""
        ranked = np.argsort(-self.score, axis=1, kind="stable")[:, :count]
        robots = np.arange(len(ranked))[:, None]
        return _Judged(*(array[robots, ranked] for array in self._arrays))

    @property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.actions, self.trajectory, self.score


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
        self._mean_proposals, self._mean_dynamics = models.proposals.with_steps(1), models.dynamics.with_steps(1)
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
        config = self.config
        rng = np.random.default_rng([config.seed, request.tick])
        windows = _Windows.of(request, config.candidates, config.hold_committed)
        proposed = found = self._judge(rng, request, windows, self._propose(rng, windows))
        # Of what is not asked for in rewards the scores tell too little to search by (`evaluate d-mpc`, choice).
        for _ in range(config.rounds - 1 if weighted_terms(request.rewards) else 0):
            candidates = self._search(rng, windows, found, proposed)
            found = found.beside(self._judge(rng, request, windows, candidates)).best(config.candidates)
        return self._best(request, found, start)

    def _corrected(self, windows: _Windows) -> np.ndarray:
        """Return the commands ``(n, 3)`` that are proposed for: beyond those of the windows by what is to be missing.

        Of the mean of the proposals and the mean of what that leads to. Who is told to stand is given nothing else.
        """
        if not self.config.correction:
            return windows.command
        one = windows.first_of(self.config.candidates)
        zero = np.zeros((len(one.state), self.models.rows, STATE_DIM))
        actions = self._mean_proposals(zero[..., :NUM_JOINTS], one.state, one.previous, one.command, one.committed)
        states = self._mean_dynamics(zero, one.state, one.previous, one.after_committed(actions))
        missing = self.config.correction * (one.command - mean_velocity(states))
        moving = one.command.any(axis=1, keepdims=True)
        command = one.command + moving * np.clip(missing, -CORRECTION_LIMIT, CORRECTION_LIMIT)
        return np.repeat(command, self.config.candidates, axis=0)

    def _propose(self, rng: np.random.Generator, windows: _Windows) -> np.ndarray:
        """Return actions ``(n, F, 12)`` [rad] within the joint limits, the committed ones first, as they are."""
        noise = self.config.noise_scale * rng.standard_normal((len(windows.state), self.models.rows, NUM_JOINTS))
        command = self._corrected(windows)
        actions = self.models.proposals(noise, windows.state, windows.previous, command, windows.committed)
        return windows.after_committed(actions)

    def _search(self, rng: np.random.Generator, windows: _Windows, found: _Judged, proposed: _Judged) -> np.ndarray:
        """Return new candidates ``(n, F, 12)`` [rad], as many as ``proposed``, round the mean of the best ``found``.

        Each differs from it by the difference of two proposals: they vary as proposals do.
        """
        robots, count = proposed.score.shape
        centre = found.best(max(1, int(self.config.survivors * count))).actions.mean(axis=1, keepdims=True)
        one, other = rng.integers(count, size=(2, robots, count))
        each = np.arange(robots)[:, None]
        difference = proposed.actions[each, one] - proposed.actions[each, other]
        candidates = centre + self.config.spread * difference
        return windows.after_committed(candidates.reshape(-1, *candidates.shape[2:]))

    def _judge(self, rng: np.random.Generator, request: PlanRequest, windows: _Windows, actions: np.ndarray) -> _Judged:
        """Predict where ``actions (n, F, 12)`` lead, within the constraints, and score that."""
        states = self._predict(rng, windows, actions)
        if request.rewards.constraints:
            actions = self._project(request, windows, actions, states)
            states = self._predict(rng, windows, actions)
        trajectory = windows.trajectory(actions, states)
        predicted = self.models.values(windows.state, windows.command, actions, states)
        score = self.config.scoring(request.tick, windows.command, states, trajectory, predicted, request.rewards)
        if not np.isfinite(score).all():
            raise PlanError(f"the scores for tick {request.tick} are not finite; reward weights are the suspects")
        shape = request.robots, self.config.candidates
        return _Judged(*(array.reshape(*shape, *array.shape[1:]) for array in (actions, trajectory, score)))

    def _predict(self, rng: np.random.Generator, windows: _Windows, actions: np.ndarray) -> np.ndarray:
        """Return states ``(n, F, 34)``."""
        shape = *actions.shape[:2], STATE_DIM
        noise = rng.standard_normal(shape) if self.models.dynamics.samples else np.zeros(shape)
        return self.models.dynamics(noise, windows.state, windows.previous, actions)

    @staticmethod
    def _project(request: PlanRequest, windows: _Windows, actions: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Return actions ``(n, F, 12)`` that lead, by the PD law, to predicted states within the constraints.

        Each action is moved along with the state after it; committed ones stay.
        """
        rewards = request.rewards
        rows = windows.trajectory(actions, states)[:, 1:]
        bounds = feasible_bounds(rewards.constraints, rewards.parameters, request.tick + 1 + np.arange(rows.shape[1]))
        moved = project({**fields_of(rows), "action": actions}, bounds_in(bounds, PHYSICAL))["action"]
        return windows.after_committed(moved)

    def _best(self, request: PlanRequest, found: _Judged, start: float) -> Plan:
        """Return the plan of each robot's candidate with the largest score."""
        horizon, robot, best = self.timing.horizon, np.arange(request.robots), found.score.argmax(axis=1)
        shown = found.trajectory[:, :, : horizon + 1]
        return Plan(
            request.tick,
            found.actions[robot, best, :horizon].swapaxes(0, 1),
            float(found.score[robot, best].mean()),
            request.rewards.revision,
            time.perf_counter() - start,
            shown[robot, best],
            request.command,
            self.name,
            self.timing.replan_margin,
            {"candidates": self.config.candidates},
            Candidates(shown[..., JOINT_POS], found.score),
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
        """Return candidates, rounds and how far it looks."""
        rounds = f" x {self.config.rounds}" if self.config.rounds > 1 else ""
        return f"N = {self.config.candidates}{rounds}, {self.models.rows} ticks ahead"

    def facts(self) -> Mapping[str, object]:
        """Return candidates and steps by name."""
        steps = {"proposal_steps": self.models.proposals.steps, "dynamics_steps": self.models.dynamics.steps}
        search = {"candidates": self.config.candidates, "rounds": self.config.rounds}
        return {**search, **steps, "lookahead": self.models.rows}
