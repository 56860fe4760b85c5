"""The denoisers keep the trajectory's shape and see every row's own features."""

import pytest
import torch

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ROW_DIM
from diffusion_mpc_ros.training.networks import ROW_FEATURES, NetworkConfig, build_denoiser

NETWORKS = [NetworkConfig("residual_mlp", 32, 2), NetworkConfig("temporal_unet", 8, 3)]


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.kind)
def test_shape_and_dependence_on_each_rows_features(config):
    torch.manual_seed(0)
    network = build_denoiser(config, rows=12)
    for parameter in network.parameters():  # zero-initialised layers would hide a missing path
        torch.nn.init.normal_(parameter, std=0.2)
    tau, features = torch.randn(3, 12, ROW_DIM), torch.rand(3, 12, ROW_FEATURES)
    output = network(tau, features)
    assert output.shape == tau.shape
    for row in (0, 5, 11):
        changed = features.clone()
        changed[:, row] += 1.0
        assert not torch.allclose(network(tau, changed), output)


def test_unknown_network_lists_the_valid_ones():
    with pytest.raises(ConfigurationError, match="residual_mlp, temporal_unet"):
        build_denoiser(NetworkConfig("transformer"), 12)


def test_unet_refuses_rows_it_cannot_halve():
    with pytest.raises(ConfigurationError, match="divisible by 4"):
        build_denoiser(NetworkConfig("temporal_unet", 8, 3), 11)
