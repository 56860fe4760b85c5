"""Rollouts plan as the shipped graph does, and always with the weights as they are now."""

import numpy as np
import pytest
import torch

from diffusion_mpc_ros.artefacts.kinds import DENOISER, REWARD_MODEL
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.training.finetuning.torch_steps import TorchSteps
from diffusion_mpc_ros.training.weights import load_networks

CONFIG = DiffusionMpcConfig(Timing(), SamplingOptions(candidates=1, seed=3))


@pytest.fixture(scope="module")
def artefact():
    return load(model_folder("go2"))


@pytest.fixture
def networks(artefact):
    return load_networks(artefact)


def plan(planner, **rewards):
    planner.reset()
    request = PlanRequest(RobotState.standing(0, 3), np.tile([0.5, 0.0, 0.0], (3, 1)), RewardSettings(1, **rewards))
    return planner.plan(request)


@pytest.mark.parametrize(
    "rewards",
    [
        {},
        {"weights": {"joint_velocity": 0.01}},
        {"weights": {"base_height": 8000.0}, "parameters": {"base_height.target": np.array([0.25])}},
        {"constraints": ("joint_velocity",), "parameters": {"joint_velocity.max": np.full(12, 4.0)}},
        {"constraints": ("torque",)},
    ],
    ids=["alone", "analytic", "predicted", "box", "coupled"],
)
def test_it_plans_what_the_shipped_graph_plans(artefact, networks, rewards):
    steps = TorchSteps(networks[DENOISER], networks[REWARD_MODEL], artefact.description)
    mine, shipped = (DiffusionMpcPlanner(artefact, CONFIG, backend) for backend in (steps, None))
    np.testing.assert_allclose(plan(mine, **rewards).joint_targets, plan(shipped, **rewards).joint_targets, atol=2e-3)


def test_weights_that_change_change_the_next_plan(artefact, networks):
    planner = DiffusionMpcPlanner(artefact, CONFIG, TorchSteps(networks[DENOISER], None, artefact.description))
    before = plan(planner).joint_targets
    with torch.no_grad():
        for parameter in networks[DENOISER].parameters():
            parameter.mul_(0.9)
    assert np.abs(plan(planner).joint_targets - before).max() > 0.01
