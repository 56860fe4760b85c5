"""Fixtures shared by the packages' tests."""

import os

import pytest

# Before torch is imported: several busy threads of several tests on few cores slow each other down many times over.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def random_artefact(tmp_path_factory):
    """Folder of an artefact exported from a small untrained denoiser: H = 11, D = 3, K = 10, all reward terms."""
    import numpy as np
    import torch
    from torch import nn

    from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
    from diffusion_mpc_ros.core.trajectory import ACTION, JOINT_POS, PREVIOUS_ACTION, PROJECTED_GRAVITY
    from diffusion_mpc_ros.diffusion.normalizer import Normalizer
    from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
    from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact

    class SmallDenoiser(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(12 * 60, 32), nn.SiLU(), nn.Linear(32, 12 * 57))

        def forward(self, tau, row_features):
            flat = torch.cat([tau, row_features], dim=-1).flatten(1)
            return self.layers(flat).reshape(tau.shape)

    mean, std = np.zeros(57), np.full(57, 0.5)
    mean[PROJECTED_GRAVITY] = [0.0, 0.0, -1.0]
    for joints in (JOINT_POS, PREVIOUS_ACTION, ACTION):
        mean[joints] = DEFAULT_JOINT_POS
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "random"
    metadata = ArtefactMetadata("random", horizon=11, replan_margin=3, seeds={"torch": 0})
    export_artefact(SmallDenoiser(), Normalizer(mean, std), NoiseSchedule(10), metadata, path)
    return path
