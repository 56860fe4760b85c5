"""The denoisers keep the trajectory's shape, see every row's own features, and know the rows apart."""

import pytest
import torch
from torch import nn

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ROW_DIM
from diffusion_mpc_ros.training.networks import NetworkConfig, Transformer, build_denoiser
from diffusion_mpc_ros.training.networks.layers import ROW_FEATURES
from diffusion_mpc_ros.training.networks.temporal_unet import GroupNorm
from diffusion_mpc_ros.training.networks.transformer import HEAD_WIDTH, Attention

ROWS = 12
NETWORKS = [
    NetworkConfig("residual_mlp", 32, 2),
    NetworkConfig("temporal_unet", 16, 3),
    NetworkConfig("mixer", 16, 2),
    NetworkConfig("transformer", 64, 2),
]
each_network = pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.kind)


def random_network(config: NetworkConfig) -> nn.Module:
    """With every parameter at random: layers that start at zero would hide a missing path."""
    torch.manual_seed(0)
    network = build_denoiser(config, ROWS)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network


def random_inputs(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tau = torch.randn(batch, ROWS, ROW_DIM, generator=generator)
    return tau, torch.rand(batch, ROWS, ROW_FEATURES, generator=generator)


@each_network
def test_shape_and_dependence_on_each_rows_features(config):
    network = random_network(config)
    tau, features = random_inputs()
    output = network(tau, features)
    assert output.shape == tau.shape
    for row in (0, 5, 11):
        changed = features.clone()
        changed[:, row] += 1.0
        assert not torch.allclose(network(tau, changed), output)


@each_network
def test_every_candidate_is_denoised_by_itself(config):
    # In f64: kernels differ with the batch, and how far they round apart in f32 depends on the processor.
    network = random_network(config).double()
    tau, features = (values.double() for values in random_inputs())
    alone = torch.cat([network(tau[i : i + 1], features[i : i + 1]) for i in range(len(tau))])
    torch.testing.assert_close(network(tau, features), alone, rtol=1e-9, atol=1e-9)


@each_network
def test_gradients_reach_every_parameter(config):
    network = random_network(config)
    network(*random_inputs()).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0.0, name


@each_network
def test_the_order_of_the_rows_matters(config):
    network, order = random_network(config), torch.arange(ROWS).flip(0)
    tau, features = random_inputs()
    permuted = network(tau[:, order], features[:, order])
    assert not torch.allclose(permuted, network(tau, features)[:, order], atol=1e-2)


def test_only_the_positions_tell_a_transformer_its_rows_apart():
    network, order = random_network(NETWORKS[3]), torch.arange(ROWS).flip(0)
    nn.init.zeros_(network.positions)
    tau, features = random_inputs()
    permuted = network(tau[:, order], features[:, order])
    torch.testing.assert_close(permuted, network(tau, features)[:, order], rtol=1e-4, atol=1e-4)


def test_attention_is_torchs_own():
    torch.manual_seed(0)
    attention, batch, heads = Attention(ROWS, 2 * HEAD_WIDTH), 3, 2
    nn.init.normal_(attention.exit.weight, std=0.2)
    x = torch.randn(batch * ROWS, 2 * HEAD_WIDTH)
    query, key, value = (
        part.reshape(batch, ROWS, heads, HEAD_WIDTH).transpose(1, 2)
        for part in attention.query_key_value(x).chunk(3, dim=-1)
    )
    mixed = nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch * ROWS, -1)
    torch.testing.assert_close(attention(x), attention.exit(mixed), rtol=1e-4, atol=1e-5)


def test_group_norm_is_torchs_own():
    torch.manual_seed(0)
    ours, torchs = GroupNorm(16), nn.GroupNorm(8, 16)
    for mine, other in zip(ours.parameters(), torchs.parameters(), strict=True):
        nn.init.normal_(mine)
        other.data.copy_(mine.flatten())
    x = torch.randn(3, 16, 6)
    torch.testing.assert_close(ours(x), torchs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "rows", "parameters"),
    [
        # In 2 x 60 -> 4: 484. Block: norm 8, two layers 4 -> 4 of 20: 48. Out: norm 8, 4 -> 2 x 57: 570.
        (NetworkConfig("residual_mlp", 4, 1), 2, 484 + 48 + 578),
        # In 60 -> 4: 244. Block: norms 2 x 8; rows 2 -> 2 -> 2: 12; channels 4 -> 16 -> 4: 80 + 68. Out: norm 8,
        # 4 -> 57: 285.
        (NetworkConfig("mixer", 4, 1), 2, 244 + 16 + 12 + 148 + 293),
        # In 60 -> 32: 1952, positions 2 x 32. Block: norms 2 x 64; 32 -> 96: 3168; 32 -> 32: 1056; 32 -> 128 -> 32:
        # 4224 + 4128. Out: norm 64, 32 -> 57: 1881.
        (NetworkConfig("transformer", 32, 1), 2, 1952 + 64 + 128 + 3168 + 1056 + 8352 + 1945),
    ],
    ids=lambda value: value.kind if isinstance(value, NetworkConfig) else str(value),
)  # fmt: skip
def test_parameters_by_hand(config, rows, parameters):
    assert sum(parameter.numel() for parameter in build_denoiser(config, rows).parameters()) == parameters


def test_unknown_network_lists_the_valid_ones():
    with pytest.raises(ConfigurationError, match="'lstm'; valid: residual_mlp, temporal_unet, mixer, transformer"):
        build_denoiser(NetworkConfig("lstm"), 12)


def test_unet_refuses_rows_it_cannot_halve():
    with pytest.raises(ConfigurationError, match="divisible by 4"):
        build_denoiser(NetworkConfig("temporal_unet", 8, 3), 11)


def test_a_transformer_refuses_a_width_without_whole_heads():
    with pytest.raises(ConfigurationError, match="divisible by 32, got 100"):
        Transformer(ROWS, width=100)
