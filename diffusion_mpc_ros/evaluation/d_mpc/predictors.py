"""Who predicts where actions lead, side by side: ``stretches, F -> states (n, F, 34)``, NaN where one says nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from diffusion_mpc_ros.constraints.registry import feasible_bounds
from diffusion_mpc_ros.core import trajectory
from diffusion_mpc_ros.core.transition import FIELDS as STATE_PARTS
from diffusion_mpc_ros.core.transition import STATE_DIM, STATE_FIELDS
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.inference import make_backend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.sampler import DiffusionSampler, Guidance, SamplingOptions
from diffusion_mpc_ros.evaluation.d_mpc.recording import Stretches, robot_states
from diffusion_mpc_ros.planners.d_mpc.models import Dynamics
from diffusion_mpc_ros.rewards.following import parameters_of
from diffusion_mpc_ros.simulation.batch import BATCH_TIMESTEP
from diffusion_mpc_ros.simulation.model import ModelIndices, ModelOptions, build_model
from diffusion_mpc_ros.simulation.randomization import add_payload
from diffusion_mpc_ros.simulation.rollout import Rollouts

Predictor = Callable[[Stretches, int], np.ndarray]


def unchanged(stretches: Stretches, rows: int) -> np.ndarray:
    """The state as it was: what is to be beaten."""
    return np.repeat(stretches.state[:, None], rows, axis=1)


def rolled_out(dynamics: Dynamics, seed: int = 0) -> Predictor:
    """``dynamics``, block after block of its own ticks, each from its own last prediction."""

    def predict(stretches: Stretches, rows: int) -> np.ndarray:
        rng, own = np.random.default_rng(seed), dynamics.description.rows
        state, previous, blocks = stretches.state, stretches.previous, []
        for first in range(0, rows, own):
            actions = stretches.actions[:, first : min(first + own, rows)]
            # Of a last block that is cut short, what comes after is no matter: dynamics look at no later action.
            padded = np.concatenate([actions, np.repeat(actions[:, -1:], own - actions.shape[1], axis=1)], axis=1)
            noise = rng.standard_normal((len(state), own, STATE_DIM))
            blocks.append(dynamics(noise, state, previous, padded)[:, : actions.shape[1]])
            state, previous = blocks[-1][:, -1], actions[:, -1]
        return np.concatenate(blocks, axis=1)

    return predict


def joint_prior(artefact: Prior, seed: int = 0) -> Predictor:
    """The prior of Diffusion-MPC, the actions in-painted: joints and orientation over its H rows, no velocity."""
    description = artefact.description
    sampler = DiffusionSampler(
        description, make_backend(artefact, "onnxruntime"), SamplingOptions(candidates=1, seed=seed)
    )
    settings = RewardSettings()

    def predict(stretches: Stretches, rows: int) -> np.ndarray:
        ahead = min(rows, description.horizon)
        guidance = Guidance(
            np.zeros(len(description.reward_terms)),
            parameters_of(description.reward_terms, settings),
            feasible_bounds((), {}, np.arange(description.rows)),
        )
        sample = sampler.sample(
            0, stretches.observation, stretches.actions[:, : description.horizon].swapaxes(0, 1), guidance
        )
        states = np.full((len(stretches), rows, STATE_DIM), np.nan)
        for name in STATE_FIELDS:
            if name in trajectory.FIELDS:
                states[:, :ahead, STATE_PARTS[name]] = sample.trajectory[:, 1 : ahead + 1, trajectory.FIELDS[name]]
        return states

    return predict


def physics(payload: float, position_b: np.ndarray) -> Predictor:
    """MuJoCo itself, from the full state, believing in a payload [kg] at ``position_b (3,)`` [m] that is not there."""
    model = copy.copy(build_model(ModelOptions(timestep=BATCH_TIMESTEP)))
    add_payload(model, ModelIndices.of(model).base, payload, position_b)
    rollouts = Rollouts(model, threads=1)

    def predict(stretches: Stretches, rows: int) -> np.ndarray:
        state, states = stretches.full, []
        # Tick by tick, as it was recorded: the contact solver starts anew at each.
        for tick in range(rows):
            done = rollouts.run(state, stretches.actions[:, None, tick : tick + 1])
            state = done.final[:, 0]
            states.append(robot_states(done.ticks)[:, 0, 0])
        return np.stack(states, axis=1)

    return predict
