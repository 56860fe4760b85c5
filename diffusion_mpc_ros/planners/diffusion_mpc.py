"""Diffusion-MPC (arXiv 2510.04234): plans by guided sampling from a learned trajectory prior."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.constraints.registry import feasible_set
from diffusion_mpc_ros.core.errors import PlanError, RewardError, TimingError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, NUM_JOINTS
from diffusion_mpc_ros.core.trajectory import OBSERVATION_DIM, make_observation
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, Timing
from diffusion_mpc_ros.diffusion.artefact import Artefact, ModelDescription
from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.inference import make_backend
from diffusion_mpc_ros.diffusion.sampler import DiffusionSampler, Guidance, SamplingOptions
from diffusion_mpc_ros.rewards.registry import term_parameters


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


def make_guidance(
    description: ModelDescription, settings: RewardSettings, tick: int, mode: str = "walking"
) -> Guidance:
    """The operator's settings for a plan from ``tick``; parameters that are not set take their defaults.

    Raises :class:`RewardError` when a weight names a term that the artefact was exported without.
    """
    unknown = sorted(name for name in settings.weights if name not in description.reward_terms)
    if any(settings.weights[name] != 0.0 for name in unknown):
        raise RewardError(
            f"the model artefact has no reward terms {unknown}; its terms: {', '.join(description.reward_terms)}"
        )
    weights = np.array([settings.weights.get(name, 0.0) for name in description.reward_terms])
    defaults = {parameter.name: parameter.default_array for parameter in term_parameters(description.reward_terms)}
    parameters = {name: settings.parameters.get(name, default) for name, default in defaults.items()}
    feasible = feasible_set(settings.constraints, settings.parameters, tick + np.arange(description.rows))
    feasible.free_observation(0)
    return Guidance(weights, parameters, feasible, key=(mode, settings.revision))


class DiffusionMpcPlanner:
    """A :class:`planners.base.Planner`; :meth:`plan_batch` plans for many robots at once."""

    def __init__(self, artefact: Artefact, config: DiffusionMpcConfig, backend: StepBackend | None = None) -> None:
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
        if backend is None:
            backend = make_backend(artefact, config.backend, config.threads, config.precision)
        self._sampler = DiffusionSampler(description, backend, config.sampling)

    def plan(self, request: PlanRequest) -> Plan:
        """Plan for one robot; ``joint_targets (H, 12)``. Raises :class:`PlanError` or :class:`RewardError`."""
        committed = request.committed_actions
        if committed is not None:
            committed = committed[:, None, :]
        plan = self.plan_batch(request.tick, request.observation[None], committed, request.rewards, request.mode)
        return Plan(
            plan.start_tick, plan.joint_targets[:, 0], float(plan.reward), plan.reward_revision,
            plan.denoising_steps, plan.plan_time, plan.trajectory[0],
        )

    def plan_batch(
        self, tick: int, observation: np.ndarray, committed_actions: np.ndarray | None, settings: RewardSettings,
        mode: str = "walking",
    ) -> Plan:
        """Plan for B robots at the same tick: ``observation (B, 45)``, ``committed_actions (d, B, 12)`` or None.

        -> a plan with ``joint_targets (H, B, 12)``, ``trajectory (B, T, 57)`` and the mean reward. The early-step
        cache is shared: a refresh for one robot refreshes all.
        """
        start = time.perf_counter()
        if not np.isfinite(observation).all():
            raise PlanError(f"the observation of tick {tick} holds numbers that are not finite")
        guidance = make_guidance(self.artefact.description, settings, tick, mode)
        committed = committed_actions if self.config.hold_committed else None
        sample = self._sampler.sample(tick, observation, committed, guidance)
        return Plan(
            tick, sample.joint_targets, float(np.mean(sample.reward)), settings.revision, sample.denoising_steps,
            time.perf_counter() - start, sample.trajectory,
        )

    def check_rewards(self, settings: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no plan can be made with."""
        make_guidance(self.artefact.description, settings, tick=0)

    def reset(self) -> None:
        """Forget the cached sample and restart the random numbers from the seed."""
        self._sampler.reset()

    def warm_up(self, batch: int = 1) -> None:
        """Plan once for ``batch`` standing robots, then forget it."""
        zeros = np.zeros(3)
        standing = make_observation(
            base_ang_vel=zeros, projected_gravity=np.array([0.0, 0.0, -1.0]), command=zeros,
            joint_pos=DEFAULT_JOINT_POS, joint_vel=np.zeros(NUM_JOINTS), previous_action=DEFAULT_JOINT_POS,
        )
        self.plan_batch(0, np.broadcast_to(standing, (batch, OBSERVATION_DIM)), None, RewardSettings())
        self.reset()
