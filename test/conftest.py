"""Fixtures shared by the packages' tests."""

import fcntl
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from hosts import hosts  # noqa: F401 - a fixture
from hypothesis import settings
from launch_file import launch_file  # noqa: F401 - a fixture

# How long an example takes says nothing about the code on a busy machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Before torch is imported: several busy threads of several tests on few cores slow each other down many times over.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Whoever uses one of these talks over DDS or to a browser, and needs real time as the tests that are marked so.
REAL_TIME_FIXTURES = {"ros_domain", "free_domain", "hosts", "chromium"}

# A test that needs real time is run again, so many times in all, when it failed while the machine itself stood still
# for so long [s]: the robot then rightly damps, whatever the test is about. On a machine that keeps time it fails at
# once.
ATTEMPTS, STALL = 3, 0.04
STALL_MONITOR = Path(__file__).with_name("stall_monitor.py")

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


@contextmanager
def watch_stalls() -> Iterator[list[float]]:
    """A list that holds, once the ``with`` statement is left, how long [s] the machine stood still at worst."""
    worst: list[float] = []
    monitor = subprocess.Popen([sys.executable, "-IS", STALL_MONITOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield worst
    finally:
        worst.append(float(monitor.communicate()[0] or 0.0))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use one of :data:`REAL_TIME_FIXTURES`, before `-m` selects."""
    for item in items:
        if REAL_TIME_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("real_time")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test that needs real time up to :data:`ATTEMPTS` times; any other one as usual."""
    if item.get_closest_marker("real_time") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempts_left in reversed(range(ATTEMPTS)):
        with watch_stalls() as worst:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not (attempts_left and worst[0] >= STALL and any(report.failed for report in reports)):
            break
        item.warn(pytest.PytestWarning(f"run again: it failed, and the machine stood still for {worst[0]:.3f} s"))
        item._initrequest()  # fixtures are set up anew
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture(autouse=True)
def _environment_put_back() -> Iterator[None]:
    """A command that is run in this process sets environment variables; the next test has its own."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def random_artefact(tmp_path_factory) -> Path:
    """Folder of an artefact of small untrained networks: H = 11, D = 3, K = 10, all reward terms.

    Its export takes long: of the processes that share a folder (tools/run_tests.py) the first one does it for all.
    """
    shared = os.environ.get("SHARED_BY_TESTS")
    path = (Path(shared) if shared else tmp_path_factory.mktemp("models")) / "random"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _export_random(path)
    return path


def _export_random(path: Path) -> None:
    import numpy as np
    import torch
    from torch import nn

    from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
    from diffusion_mpc_ros.core.trajectory import ACTION, JOINT_POS, PREVIOUS_ACTION, PROJECTED_GRAVITY
    from diffusion_mpc_ros.diffusion.normalizer import Normalizer
    from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
    from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact
    from diffusion_mpc_ros.training.networks import RewardModel

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
    networks = {"denoiser": {"kind": "small"}, "reward_model": {"width": 16}}
    metadata = ArtefactMetadata("random", horizon=11, replan_margin=3, networks=networks, seeds={"torch": 0})
    denoiser, reward_model = SmallDenoiser(), RewardModel(12, width=16)
    for parameter in reward_model.parameters():
        nn.init.normal_(parameter, std=0.3)
    export_artefact(denoiser, Normalizer(mean, std), NoiseSchedule(10), metadata, path, reward_model)


@pytest.fixture(scope="session")
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
