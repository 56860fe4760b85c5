"""An exported demonstrator becomes the actor that it was exported from, and stays it while the critic learns."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.files import file_sha256
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.training.demonstrator import PpoConfig, export_demonstrator, make_runner
from diffusion_mpc_ros.training.restored_actor import EXPLORATION_STD, actor_weights, keep_normaliser, restore_actor
from diffusion_mpc_ros.training.walking_env import WalkingEnv, WalkingEnvConfig, action_to_joint_targets

HIDDEN = (16, 8)


@pytest.fixture(scope="module")
def make_actor(tmp_path_factory):
    env = WalkingEnv(WalkingEnvConfig(robots=2), seed=0, threads=1)

    def make(seed, hidden=HIDDEN):
        return make_runner(env, PpoConfig(seed=seed, threads=1, hidden=hidden), tmp_path_factory.mktemp("run"))

    return make


@pytest.fixture(scope="module")
def exported(make_actor, tmp_path_factory):
    """The folder of an exported actor, and the actor."""
    folder, runner = tmp_path_factory.mktemp("exported"), make_actor(1)
    normaliser, rng = runner.alg.actor.obs_normalizer, np.random.default_rng(2)
    # Each input with a spread of its own; one that is constant has std 0.
    spread = np.append(np.geomspace(0.02, 5.0, 50), 0.0)
    normaliser.train()
    normaliser.update(torch.from_numpy(1.0 + spread * rng.standard_normal((500, 51))).float())
    export_demonstrator(runner, folder, PpoConfig(hidden=HIDDEN))
    return folder, runner.alg.actor


def joint_targets(actor, seen):
    actor.eval()
    with torch.inference_mode():
        return action_to_joint_targets(actor({"policy": torch.from_numpy(seen).float()}).numpy())


def test_the_restored_actor_gives_the_joint_targets_of_the_file(exported, make_actor):
    folder, original = exported
    actor = make_actor(7).alg.actor
    assert restore_actor(actor, folder) == file_sha256(folder / "demonstrator.onnx")
    seen = 1.0 + np.random.default_rng(3).standard_normal((200, 51))
    seen[:, 50] = 1.0
    targets = DemonstratorPolicy(folder)(seen[:, :45], GaitCommand(*seen[:, 45:49].T), seen[:, 49:])
    # Not all at the limits.
    assert np.ptp(targets, axis=0).min() > 0.02
    np.testing.assert_allclose(joint_targets(actor, seen), targets, atol=1e-5)
    np.testing.assert_allclose(joint_targets(original, seen), targets, atol=1e-5)
    for name in ("_mean", "_std", "_var"):
        restored, known = getattr(actor.obs_normalizer, name), getattr(original.obs_normalizer, name)
        np.testing.assert_allclose(restored.numpy(), known.numpy(), rtol=1e-4, atol=1e-6)
    assert (actor.distribution.std_param == EXPLORATION_STD).all() and actor.distribution.std_param.requires_grad


def test_a_kept_normaliser_does_not_follow_what_is_seen(exported, make_actor):
    actor = make_actor(7).alg.actor
    restore_actor(actor, exported[0])
    keep_normaliser(actor)
    before = {name: value.clone() for name, value in actor.state_dict().items()}
    actor.train()
    actor.update_normalization({"policy": torch.full((1000, 51), 9.0)})
    assert all(torch.equal(value, before[name]) for name, value in actor.state_dict().items())


@pytest.mark.parametrize("hidden", [(16,), (16, 8, 8), (16, 9)])
def test_other_hidden_layers_are_refused(exported, make_actor, hidden):
    with pytest.raises(ConfigurationError, match=r"layers of \[16, 8, 12\], .*: hidden must be \[16, 8\]"):
        restore_actor(make_actor(7, hidden).alg.actor, exported[0])


def test_the_actor_is_the_one_that_was_exported(exported, make_actor):
    actor = make_actor(7).alg.actor
    restore_actor(actor, exported[0])
    for name, value in actor_weights(exported[1]).items():
        np.testing.assert_array_equal(actor_weights(actor)[name], value, err_msg=name)


def test_the_shipped_weights_are_those_of_the_shipped_graph(make_actor):
    folder = model_folder("demonstrator")
    actor = make_actor(7, (256, 192, 128)).alg.actor
    restore_actor(actor, folder)
    seen = 0.3 * np.random.default_rng(3).standard_normal((200, 51))
    targets = DemonstratorPolicy(folder)(seen[:, :45], GaitCommand(*seen[:, 45:49].T), seen[:, 49:])
    np.testing.assert_allclose(joint_targets(actor, seen), targets, atol=1e-5)


def test_files_that_do_not_fit_are_refused(exported, make_actor, tmp_path):
    folder, actor = shutil.copytree(exported[0], tmp_path / "spoiled"), make_actor(7).alg.actor
    (folder / "weights.safetensors").write_bytes((folder / "weights.safetensors").read_bytes()[:-1])
    with pytest.raises(ArtefactError, match="weights.safetensors is corrupt"):
        restore_actor(actor, folder)
