"""Two real processes under `torchrun`: one lesson, one step, one checkpoint."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import one_of_two
import pytest
import torch

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.training import distributed
from diffusion_mpc_ros.training.finetuning.run import Finetuning
from diffusion_mpc_ros.training.loop import LoopConfig, optimize

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SCRIPT = Path(one_of_two.__file__)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The folder of the run, and what each process says of it."""
    folder = tmp_path_factory.mktemp("two")
    ran = subprocess.run([*TORCHRUN, SCRIPT, folder], capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    # The first process alone speaks.
    assert ran.stdout.count("told") == 1
    return folder, [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_gradients_are_averaged(told):
    # Of 2 and 6.
    assert [each["gradient"] for each in told[1]] == [4.0, 4.0]


def test_all_have_the_same_lesson_weights_and_trial(told):
    first, second = told[1]
    assert (first["share"], second["share"]) == (6, 5)
    (mine,), (theirs,) = first["lessons"], second["lessons"]
    assert mine["action"].shape == (11, 20, 12)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    # Robots of the two processes do not do the same.
    assert not torch.equal(mine["action"][:5], mine["action"][6:])
    assert all(torch.equal(value, second["weights"][name]) for name, value in first["weights"].items())
    assert first["return"] == second["return"] and first["flat_error"] == second["flat_error"]


def test_all_go_on_from_the_checkpoint_of_the_first(told, tmp_path):
    folder, both = told
    assert [each["resumed"] for each in both] == [1, 1]
    # And one process goes on with what two began.
    alone = Finetuning(one_of_two.config_in(folder))
    assert alone.iteration == 1
    assert all(torch.equal(value, both[0]["weights"][name]) for name, value in alone.state.network.state_dict().items())
    assert np.isfinite(alone.iterate()["loss"])


def test_one_process_has_everything_and_the_random_numbers_of_the_first():
    assert (distributed.rank(), distributed.share(11), distributed.summed(2.5)) == (0, 11, 2.5)
    generator = torch.Generator().manual_seed(1)
    assert distributed.own_generator(generator) is generator
    drawn = [np.random.default_rng(seed).random() for seed in ([21, 3], [21, 3, 0], [21, 3, 1])]
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_is_for_one_process_is_refused_in_two(tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    with pytest.raises(ConfigurationError, match="reward model runs in one process"):
        optimize(LoopConfig(), torch.nn.Linear(1, 1), lambda _: torch.zeros(()), tmp_path, {}, "reward model")
