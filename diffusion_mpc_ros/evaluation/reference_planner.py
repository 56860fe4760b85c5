"""Algorithm 1 (arXiv 2510.04234) in PyTorch, straightforwardly: what the product is measured against.

As it stands in the paper with ``survivors`` 1; else with the candidates resampled on the way, as the product does.

Same weights, same settings and, when asked for, same noise as :class:`planners.diffusion_mpc.DiffusionMpcPlanner`, but
none of its code for sampling: agreement of the two is a test of both.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from diffusion_mpc_ros.artefacts.kinds import DENOISER, REWARD_MODEL
from diffusion_mpc_ros.constraints.kind import Units
from diffusion_mpc_ros.constraints.registry import bounds_in, project
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.go2 import clip_joint_targets
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.trajectory import (
    ACTION,
    COMMAND,
    FIELDS,
    OBSERVATION,
    PREVIOUS_ACTION,
    ROW_DIM,
    fields_of,
)
from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, Timing
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.sampler import RESAMPLED, SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc.guidance import make_guidance, predicted_outcomes
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS, outcomes_of
from diffusion_mpc_ros.rewards.registry import composed_reward, get_term
from diffusion_mpc_ros.rewards.terms import Segment

Randn = Callable[[tuple[int, ...]], torch.Tensor]


def numpy_randn(seed: int) -> Randn:
    """Return the product's random numbers, drawn in its order."""
    generator = np.random.Generator(np.random.SFC64(seed))
    return lambda shape: torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))


def missing_compiler() -> str:
    """Why ``torch.compile`` cannot work here, "" when it can."""
    names = (os.environ.get("CXX") or "g++", "clang++")
    return "" if any(map(shutil.which, names)) else f"no C++ compiler on PATH (looked for {', '.join(names)})"


def _traced_gradient(function: Callable[[torch.Tensor], torch.Tensor], tau: torch.Tensor) -> torch.Tensor:
    return torch.func.grad(function)(tau)


def _eager_gradient(function: Callable[[torch.Tensor], torch.Tensor], tau: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        leaf = tau.detach().requires_grad_(True)
        # Of a copy: what counts FLOPs takes no leaf as the input of a network.
        return torch.autograd.grad(function(leaf.clone()), leaf)[0]


class ReferencePlanner:
    """A :class:`planners.base.Planner`.

    ``networks``: the denoiser ``(tau (N, T, 57), row_features (N, T, 3)) -> x0 (N, T, 57)`` and, where the artefact has
    one, the reward model, of the same inputs ``-> (N, P)``. ``randn`` draws the noise; ``compiled``: each step goes
    through ``torch.compile``. Early-step caching is not part of Algorithm 1: raises :class:`ConfigurationError` for
    ``cached_steps``.
    """

    name = "reference"

    def __init__(
        self,
        artefact: Prior,
        networks: Mapping[str, nn.Module],
        timing: Timing,
        sampling: SamplingOptions,
        randn: Randn = torch.randn,
        compiled: bool = False,
    ) -> None:
        if sampling.cached_steps:
            raise ConfigurationError("the reference knows no cached steps: take cached_steps 0")
        self.artefact, self.timing, self.sampling, self.randn = artefact, timing, sampling, randn
        self._description = artefact.description
        self.identity, self.reward_terms = artefact.identity, tuple(artefact.description.reward_terms)
        self.provides = predicted_outcomes(artefact.description)
        self._denoiser, self._reward_model = networks[DENOISER], networks.get(REWARD_MODEL)
        normalizer = self._description.normalizer
        self._mean = torch.tensor(normalizer.mean, dtype=torch.float32)
        self._std = torch.tensor(normalizer.std, dtype=torch.float32)
        scale = sampling.noise_scale
        self._noise_scale = self._description.noise_scale if scale is None else scale
        self._run_step = torch.compile(self._step) if compiled else self._step
        # The compiler looks into torch.func.grad; without it the other one is faster.
        self._gradient = _traced_gradient if compiled else _eager_gradient

    def check(self, rewards: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no plan can be made with."""
        make_guidance(self._description, rewards, 0, self.name)

    def describe(self) -> str:
        """Candidates and steps."""
        return f"reference, N = {self.sampling.candidates}, {self.sampling.steps} steps"

    def facts(self) -> dict[str, object]:
        """Candidates and steps, by name."""
        return {"candidates": self.sampling.candidates, "steps": self.sampling.steps}

    def reset(self) -> None:
        """Nothing is remembered from plan to plan."""

    def warm_up(self) -> None:
        """Nothing but compilation is to be done beforehand, and the first plan of a kind does that."""

    @torch.no_grad()
    def plan(self, request: PlanRequest) -> Plan:
        """Plan for the one robot of a request with B = 1."""
        start, description = time.perf_counter(), self._description
        known, mask, flags = self._known(request)
        guidance = make_guidance(description, request.rewards, request.tick, self.name, request.mode)
        weights = torch.tensor(guidance.weights, dtype=torch.float32) if np.any(guidance.weights) else None
        parameters = {name: torch.tensor(value, dtype=torch.float32) for name, value in guidance.parameters.items()}
        limits = bounds_in(guidance.bounds, Units(description.normalizer.mean, description.normalizer.std))
        bounds = {name: torch.tensor(value, dtype=torch.float32) for name, value in limits.items()}
        tau = torch.where(mask, known, self._noise())
        levels = description.schedule.levels(self.sampling.steps)
        alphas_cumprod = torch.tensor(description.schedule.alphas_cumprod)  # f64: coefficients, not arrays
        clean = self._features(alphas_cumprod[0], flags, tau)
        steps, resampled = len(levels) - 1, self._resampled(len(levels) - 1)
        for step in range(1, steps + 1):
            level, next_level = levels[step - 1], levels[step]
            noise = self._noise() if next_level > 0 and self.sampling.sampler == "ddpm" else torch.zeros_like(tau)
            tau, x0 = self._run_step(
                tau,
                noise,
                alphas_cumprod[level],
                alphas_cumprod[next_level],
                flags,
                known,
                mask,
                weights,
                parameters,
                bounds,
            )
            if weights is not None and step in resampled:
                tau = self._survivors(tau, self._reward(torch.where(mask, known, x0), clean, weights, parameters))
        reward = self._reward(tau, clean, weights, parameters) if weights is not None else torch.zeros(len(tau))
        best = int(torch.argmax(reward))
        trajectory = (tau[best] * self._std + self._mean).numpy()
        targets = trajectory[: description.horizon, ACTION].astype(np.float64)
        if request.committed_actions is not None:
            targets[: len(request.committed_actions)] = request.committed_actions[:, 0]
        return Plan(
            request.tick,
            clip_joint_targets(targets)[:, None],
            float(reward[best]),
            request.rewards.revision,
            time.perf_counter() - start,
            trajectory[None],
            request.command,
            self.name,
            self.timing.replan_margin,
            {"denoising_steps": self.sampling.steps},
        )

    def _resampled(self, steps: int) -> list[int]:
        """After which of the steps 1 .. ``steps`` candidates are resampled: the last one adds no noise, DDIM none."""
        chosen: list[int] = []
        if self.sampling.sampler == "ddpm" and self.sampling.surviving < self.sampling.candidates:
            for step in (round(share * steps) for share in RESAMPLED):
                if 0 < step < steps - 1 and step - 1 not in chosen:
                    chosen.append(step)
        return chosen

    def _survivors(self, tau: torch.Tensor, reward: torch.Tensor) -> torch.Tensor:
        """Return the best of candidates ``tau (N, T, 57)`` by ``reward (N,)``, again and again until there are N."""
        best = torch.topk(reward, self.sampling.surviving).indices.sort().values
        return tau[best.repeat(len(tau))[: len(tau)]]

    def _noise(self) -> torch.Tensor:
        return self._noise_scale * self.randn((self.sampling.candidates, self._description.rows, ROW_DIM))

    def _known(self, request: PlanRequest) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what is given: values ``(T, 57)`` normalised, their mask ``(T, 57)``, committed rows ``(T,)``."""
        rows, committed = self._description.rows, request.committed_actions
        values, mask, flags = np.zeros((rows, ROW_DIM)), np.zeros((rows, ROW_DIM), dtype=bool), np.zeros(rows)
        observation = observe(request.state, request.command, request.state.previous_action)
        values[0, OBSERVATION], mask[0, OBSERVATION] = observation[0], True
        values[:, COMMAND], mask[:, COMMAND] = request.command[0], True
        if committed is not None:
            for row, action in enumerate(committed[:, 0]):
                values[row, ACTION], mask[row, ACTION], flags[row] = action, True, 1.0
                values[row + 1, PREVIOUS_ACTION], mask[row + 1, PREVIOUS_ACTION] = action, True
        known = torch.tensor(self._description.normalizer.normalize(values), dtype=torch.float32)
        return known, torch.from_numpy(mask), torch.tensor(flags, dtype=torch.float32)

    def _reward(self, tau, features, weights, parameters) -> torch.Tensor:
        predicts = [bool(get_term(name).reads) for name in self._description.reward_terms]
        predicted = tau.new_zeros((len(tau), len(PREDICTIONS)))
        if weights[predicts].any():
            predicted = self._reward_model(tau, features)
        segment = Segment.of(tau * self._std + self._mean, outcomes_of(predicted))
        return composed_reward(self._description.reward_terms, segment, weights, parameters)

    def _features(self, alpha_bar, flags, tau) -> torch.Tensor:
        """Row features ``(N, T, 3)`` of the noise level ``alpha_bar`` (0-dimensional)."""
        level = torch.stack([torch.sqrt(alpha_bar), torch.sqrt(1 - alpha_bar)]).to(tau.dtype)
        return torch.cat([level.expand(tau.shape[1], 2), flags[:, None]], dim=1).expand(len(tau), -1, -1)

    def _project(self, tau, bounds) -> torch.Tensor:
        fields = project(fields_of(tau), bounds, Units(self._mean, self._std))
        return torch.cat([fields[name] for name in FIELDS], dim=-1)

    def _step(
        self, tau, noise, alpha_bar, alpha_bar_next, flags, known, mask, weights, parameters, bounds
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Lines 4 to 7 from noise level ``alpha_bar`` to ``alpha_bar_next`` (0-dimensional), all candidates.

        -> the next ``tau`` and the prediction ``x0``, ``(N, T, 57)`` each.
        """
        clip = self._description.x0_clip
        x0 = self._denoiser(tau, self._features(alpha_bar, flags, tau)).clamp(-clip, clip)
        alpha = alpha_bar / alpha_bar_next
        variance = (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha)
        if self.sampling.sampler == "ddim":
            epsilon = (tau - torch.sqrt(alpha_bar) * x0) / torch.sqrt(1 - alpha_bar)
            tau = torch.sqrt(alpha_bar_next) * x0 + torch.sqrt(1 - alpha_bar_next) * epsilon
        else:
            tau = (
                torch.sqrt(alpha_bar_next) * (1 - alpha) / (1 - alpha_bar) * x0
                + torch.sqrt(alpha) * (1 - alpha_bar_next) / (1 - alpha_bar) * tau
                + torch.sqrt(variance) * noise
            )
        tau = torch.where(mask, known, tau)
        if weights is not None:
            features = self._features(alpha_bar_next, flags, tau)
            gradient = self._gradient(lambda x: self._reward(x, features, weights, parameters).sum(), tau)
            bound = torch.sqrt(variance).to(tau.dtype)
            tau = tau + torch.clamp(self.sampling.guidance_scale * variance * gradient, -bound, bound)
        return torch.where(mask, known, self._project(tau, bounds)), x0
