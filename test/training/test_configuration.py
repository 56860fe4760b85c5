"""The shipped configuration files are read strictly and say what the defaults say."""

from pathlib import Path

import pytest

from diffusion_mpc_ros.core.config_files import build, load
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.training.collect import CollectConfig
from diffusion_mpc_ros.training.d_mpc.dynamics import DynamicsConfig
from diffusion_mpc_ros.training.demonstrator import DemonstratorConfig
from diffusion_mpc_ros.training.networks import NETWORKS
from diffusion_mpc_ros.training.pretrain import PretrainConfig
from diffusion_mpc_ros.training.quantise import QuantiseConfig
from diffusion_mpc_ros.training.release import ExportConfig
from diffusion_mpc_ros.training.reward_model import RewardModelConfig
from diffusion_mpc_ros.training.runs import configuration_json
from diffusion_mpc_ros.training.specialist import SpecialistConfig

FILES = {
    "demonstrator": DemonstratorConfig,
    "specialist": SpecialistConfig,
    "collect": CollectConfig,
    "pretrain": PretrainConfig,
    "reward_model": RewardModelConfig,
    "export": ExportConfig,
    "quantise": QuantiseConfig,
}


@pytest.mark.parametrize("name", FILES)
def test_shipped_files_agree_with_the_defaults(name):
    assert load(FILES[name], config_file(f"training/{name}.yaml")) == FILES[name]()


def test_the_datasets_of_the_models_are_those_that_the_shipped_files_collect():
    folder = config_file("training/collect.yaml").parent
    configs = [load(CollectConfig, path) for path in sorted(folder.glob("collect*.yaml"))]
    assert {config.output for config in configs} == {*PretrainConfig().datasets, *DynamicsConfig().datasets}
    assert len({config.seed for config in configs}) == len(configs)


def test_compared_networks_differ_in_nothing_but_the_network():
    folder = config_file("training/pretrain.yaml").parent / "networks"
    configs = {path.stem: load(PretrainConfig, path) for path in sorted(folder.glob("*.yaml"))}
    assert {config.network.kind for config in configs.values()} == set(NETWORKS)
    for name, config in configs.items():
        network = config.network
        assert name == f"{network.kind}_{network.width}x{network.blocks}"
        assert config == PretrainConfig(run_dir=Path("runs") / name, network=network)


@pytest.mark.parametrize("kind", FILES.values())
def test_what_a_run_says_of_itself_is_read_back(kind):
    assert build(kind, configuration_json(kind()), "run.json") == kind()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("sed: 3", "sed"),
        ("network: {kind: residual_mlp, width: wide}", "width"),
        ("- 1", "must map names"),
        ("a: [", "cannot be read"),
    ],
)
def test_bad_files_name_the_cause(tmp_path, text, cause):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=cause) as error:
        load(PretrainConfig, path)
    assert str(path) in str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="nothing.yaml"):
        load(PretrainConfig, tmp_path / "nothing.yaml")
