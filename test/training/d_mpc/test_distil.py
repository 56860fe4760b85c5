"""A reactive policy of what D-MPC does: what it learns from, what it is, and that its walks are kept."""

from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.artefacts.artefact import load_artefact
from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.training.d_mpc import distil
from diffusion_mpc_ros.training.d_mpc.distil import DATA_FILE, DistilConfig
from diffusion_mpc_ros.training.finetuning.actors import SETTLING
from diffusion_mpc_ros.training.networks.conditional_mlp import MLPConfig


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A short run of the shipped planner."""
    made = DistilConfig(
        candidates=2, robots=8, ticks=60, iterations=200, warmup=10, learning_rate=3e-3, ema=0.9,
        network=MLPConfig(64, 1), run_dir=tmp_path_factory.mktemp("distilled"),
    )  # fmt: skip
    distil.main(made)
    return made


def test_it_acts_like_the_planner_does(config):
    policy = DemonstratorPolicy(config.run_dir / "artefact")
    assert not policy.gait_parameters and not policy.has_clock
    with np.load(config.run_dir / DATA_FILE) as data:
        observation, action, settled = (data[name] for name in ("observation", "action", "settled"))
    assert observation.shape == (8, 60, 45) and not settled[:, :SETTLING].any() and settled[:, -1].any()
    said = DemonstratorWalker(policy, GaitCommand.default(7)).act(observation[1:, -1].astype(float))
    # One robot of eight is held out; the others are learnt, better than their mean.
    assert np.square(said - action[1:, -1]).mean() < 0.5 * np.square(action - action.mean(axis=(0, 1))).mean()
    error = load_artefact(config.run_dir / "artefact").card["scores"]["held_out_error"]
    assert 0.0 < error < 0.3
    standing = DemonstratorWalker(policy, GaitCommand.default(1)).joint_targets(RobotState.standing(), np.zeros((1, 3)))
    assert (standing >= go2.JOINT_POS_MIN).all() and (standing <= go2.JOINT_POS_MAX).all()


def test_walks_are_kept_and_another_run_is_refused(config):
    before = (config.run_dir / DATA_FILE).stat().st_mtime_ns
    distil.main(config)
    assert (config.run_dir / DATA_FILE).stat().st_mtime_ns == before
    with pytest.raises(ConfigurationError, match="is of another run .*iterations"):
        distil.main(replace(config, iterations=300))
    with pytest.raises(ConfigurationError, match="of 8 robots a share of 0.01 cannot be held out"):
        replace(config, held_out=0.01)
    with pytest.raises(ConfigurationError, match="ticks must be at least 1, got 0"):
        replace(config, ticks=0)
