"""Fixtures shared by the packages' tests."""

import itertools
import os
import socket

import pytest
from hypothesis import settings

# How long an example takes says nothing about the code on a busy machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Before torch is imported: several busy threads of several tests on few cores slow each other down many times over.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Domains whose default ports lie below Linux's ephemeral ones; 0 and 1 are the robot's and the simulator's.
DOMAINS = range(10, 100)


def _free(domain: int) -> bool:
    """Whether nobody uses the unicast ports of the domain's first participant (RTPS: 7410 + 250 * domain)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", 7410 + 250 * domain))
        except OSError:
            return False
    return True


# Round and round: a domain comes again only after all others, when whoever used it has long left.
_domains = itertools.cycle([*DOMAINS[os.getpid() % len(DOMAINS) :], *DOMAINS[: os.getpid() % len(DOMAINS)]])


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


@pytest.fixture
def free_domain():
    """A function that returns a DDS domain id which nobody uses, another one at each call."""

    def next_free() -> int:
        for domain in itertools.islice(_domains, len(DOMAINS)):
            if _free(domain):
                return domain
        pytest.fail(f"every DDS domain of {DOMAINS} is in use")

    return next_free


@pytest.fixture
def ros_domain(free_domain, monkeypatch) -> int:
    """A ROS domain of this test's own, set in the environment, and limited to this machine."""
    domain = free_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return domain
