"""Models of D-MPC whose answers are known: a network is a function of its inputs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, NUM_JOINTS
from diffusion_mpc_ros.core.transition import ACTION, BASE_HEIGHT, BASE_LIN_VEL, JOINT_POS, STATE_DIM, TRANSITION_DIM
from diffusion_mpc_ros.diffusion.normalizer import TransitionNormalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.planners.d_mpc.description import COST_TO_GO, Description
from diffusion_mpc_ros.planners.d_mpc.loading import Models
from diffusion_mpc_ros.planners.d_mpc.models import Dynamics, Proposals, Values
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS

ROWS = 12


def normalizer() -> TransitionNormalizer:
    """Actions in units of 0.1 rad from the default pose, all else as it is."""
    mean, std = np.zeros(TRANSITION_DIM), np.ones(TRANSITION_DIM)
    mean[ACTION], std[ACTION] = DEFAULT_JOINT_POS, 0.1
    return TransitionNormalizer(mean, std)


def description(**changes) -> Description:
    """Of F = :data:`ROWS`; changes come in the units of the state."""
    values = {"rows": ROWS, "normalizer": normalizer(), "schedule": NoiseSchedule(10), "replan_margin": 3}
    predictions = {**PREDICTIONS, COST_TO_GO: "m^2/s^2"}
    return Description(**{**values, "scale": np.ones((ROWS, STATE_DIM)), "predictions": predictions, **changes})


def noise_is_the_sample(noisy, level, condition):
    """Proposals that are what they were begun with, in units of 0.1 rad."""
    return noisy


def first_joint_is_the_speed(noisy, level, condition):
    """Dynamics: joints are where they are told to be, the base moves at 10 x the first joint's offset [m/s, rad]."""
    actions = condition[:, STATE_DIM + NUM_JOINTS :].reshape(len(noisy), ROWS, NUM_JOINTS) * 0.1  # [rad] offset
    states = np.zeros((len(noisy), ROWS, STATE_DIM))
    states[..., BASE_LIN_VEL.start] = 10.0 * actions[..., 0]
    states[..., BASE_HEIGHT] = 0.3
    states[..., JOINT_POS] = DEFAULT_JOINT_POS + actions
    return (states - condition[:, None, :STATE_DIM]).reshape(len(noisy), -1)


def nothing_to_come(features):
    """Values: no outcome, no cost."""
    return np.zeros((len(features), len(PREDICTIONS) + 1))


def models(proposals=noise_is_the_sample, dynamics=first_joint_is_the_speed, values=nothing_to_come) -> Models:
    """Three models of these networks, proposals and dynamics in one step."""
    artefact = SimpleNamespace(name="stand-in", identity="0" * 64)
    return Models(
        artefact,
        Proposals(description(), proposals, 1),
        Dynamics(description(), dynamics, 1),
        Values(description(), values),
    )
