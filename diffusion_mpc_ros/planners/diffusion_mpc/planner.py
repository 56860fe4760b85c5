"""Diffusion-MPC: guided, projected denoising of state-action trajectories (arXiv 2510.04234, Algorithm 1)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.inference import make_backend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.sampler import DiffusionSampler, Sample, SamplingOptions
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.diffusion_mpc.guidance import make_guidance, predicted_outcomes

NAME = "diffusion_mpc"


@dataclass(frozen=True)
class DiffusionMpcConfig:
    """Settings of the planner.

    ``hold_committed``: keep the actions that are already committed fixed while sampling. ``backend``, ``threads`` and
    ``precision``: see :func:`diffusion.inference.make_backend`.
    """

    timing: Timing = field(default_factory=Timing)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    hold_committed: bool = True
    threads: int = 1
    backend: str = "onnxruntime"
    precision: str = "f32"


class DiffusionMpcPlanner:
    """A :class:`planners.base.Planner` on one artefact."""

    name = NAME

    def __init__(self, artefact: Prior, config: DiffusionMpcConfig, backend: StepBackend | None = None) -> None:
        """Load the artefact's graph, unless ``backend`` has it already.

        Raises :class:`TimingError` for another horizon, and what :func:`make_backend` raises.
        """
        description = artefact.description
        if config.timing.horizon != description.horizon:
            raise TimingError(
                f"the model artefact {artefact.name!r} plans H = {description.horizon} ticks, "
                f"the configured horizon is {config.timing.horizon}"
            )
        self.artefact, self.config, self.timing = artefact, config, config.timing
        self.identity, self.reward_terms = artefact.identity, tuple(description.reward_terms)
        self.provides = predicted_outcomes(description)
        if backend is None:
            backend = make_backend(artefact, config.backend, config.threads, config.precision)
        self._backend = backend
        self._sampler = DiffusionSampler(description, backend, config.sampling)

    def at(self, timing: Timing) -> DiffusionMpcPlanner:
        """Return the same planner, on the same weights, for plans by another ``timing``."""
        return DiffusionMpcPlanner(self.artefact, replace(self.config, timing=timing), self._backend)

    def plan(self, request: PlanRequest) -> Plan:
        """Plan for B robots: the prior observes their states by :func:`core.observation.observe`.

        -> a plan with ``trajectory (B, T, 57)``, the mean reward and, among its facts, ``denoising_steps`` and how many
        random numbers were ``drawn`` before it. The cache of early steps is shared: a refresh for one robot refreshes
        all. Raises :class:`RewardError`.
        """
        start = time.perf_counter()
        drawn = self.drawn
        sample = self.sample(request)
        return Plan(
            request.tick,
            sample.joint_targets,
            float(np.mean(sample.reward)),
            request.rewards.revision,
            time.perf_counter() - start,
            sample.trajectory,
            request.command,
            self.name,
            self.timing.replan_margin,
            {"denoising_steps": sample.denoising_steps, "drawn": drawn},
            sample.candidates,
        )

    @property
    def drawn(self) -> int:
        """How many random numbers are drawn; :meth:`resume` goes back there."""
        return self._sampler.drawn

    def sample(self, request: PlanRequest) -> Sample:
        """Sample the candidates for ``request``: the best of them, and all. Raises :class:`RewardError`."""
        guidance = make_guidance(self.artefact.description, request.rewards, request.tick, self.name, request.mode)
        committed = request.committed_actions if self.config.hold_committed else None
        observation = observe(request.state, request.aim, request.state.previous_action)
        return self._sampler.sample(request.tick, observation, committed, guidance)

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no plan can be made with."""
        make_guidance(self.artefact.description, rewards, 0, self.name)

    def reset(self) -> None:
        """Forget the cached sample and restart the random numbers from the seed."""
        self._sampler.reset()

    def resume(self, facts: Mapping[str, float]) -> None:
        """Draw random numbers until as many are drawn as before the plan that told ``facts``."""
        self._sampler.seek(int(facts.get("drawn", 0)))

    def take_over(self, before: Planner) -> None:
        """Nothing to be done: the sample that is kept is of the other artefact."""

    def warm_up(self, robots: int = 1) -> None:
        """Plan once for ``robots`` standing robots, then forget it."""
        self.plan(PlanRequest(RobotState.standing(0, robots), np.zeros((robots, 3)), RewardSettings()))
        self.reset()

    def describe(self) -> str:
        """Candidates, steps and precision."""
        options = self.config.sampling
        cached = f", {options.cached_steps} of them cached" if options.cached_steps else ""
        steps = f"{options.steps} {options.sampler.upper()} steps{cached}"
        return f"N = {options.candidates}, {steps}, {self.config.precision}"

    def facts(self) -> dict[str, object]:
        """Candidates, steps, and what computes them, by name."""
        options = self.config.sampling
        names = ("candidates", "sampler", "steps", "cached_steps")
        config = self.config
        running = {"precision": config.precision, "backend": config.backend, "threads": config.threads}
        return {**{name: getattr(options, name) for name in names}, **running}
