"""The levels of Diffusion-MPC, from the best plans to the quickest: what a time budget chooses from."""

from __future__ import annotations

import functools
from dataclasses import replace

from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.inference import make_backend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner

# Denoising steps that run at the levels below one candidate; the earlier ones are cached.
REMAINING_STEPS = (5, 3)


class _SharedSteps:
    """Binds each batch size once for all levels, which plan one after another."""

    def __init__(self, backend: StepBackend) -> None:
        self.bind = functools.cache(backend.bind)


def sampling_levels(configured: SamplingOptions) -> tuple[SamplingOptions, ...]:
    """Level 0 is ``configured``; every further level takes less time and gives up what matters least of the rest.

    1. Candidates, halved down to one. A single one walks as well, and the reward gradient goes on steering it; what
       choosing among candidates adds to a reward is lost.
    2. Early denoising steps, which the last plan replaces. A robot walks no worse so, but its rewards weigh less: the
       gradient acts in fewer steps. A run from noise takes no more steps than a cached one, else a change of command,
       which needs one, would take as long as before.
    """
    levels = [configured]
    while levels[-1].candidates > 1:
        levels.append(replace(levels[-1], candidates=levels[-1].candidates // 2))
    for steps in REMAINING_STEPS:
        if steps < (configured.refresh_steps or configured.steps):
            cached = max(configured.steps - steps, configured.cached_steps)
            levels.append(replace(levels[-1], cached_steps=cached, refresh_steps=steps))
    return tuple(levels)


def make_ladder(artefact: Prior, config: DiffusionMpcConfig, levels: bool = True) -> list[DiffusionMpcPlanner]:
    """Return a planner for each level, all on one set of weights; without ``levels`` that of ``config`` alone.

    Raises what :class:`DiffusionMpcPlanner` raises.
    """
    steps = _SharedSteps(make_backend(artefact, config.backend, config.threads, config.precision))
    samplings = sampling_levels(config.sampling) if levels else (config.sampling,)
    return [DiffusionMpcPlanner(artefact, replace(config, sampling=sampling), steps) for sampling in samplings]
