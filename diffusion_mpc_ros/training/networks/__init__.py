"""Denoisers: ``tau (B, T, 57) normalised, row_features (B, T, 3) -> x0 (B, T, 57)``, a file each.

The row features are ``sqrt(abar)`` and ``sqrt(1 - abar)`` of the row's noise level and whether the row's action is
already committed; every row has a level of its own, so that early-step caching can treat rows without a predecessor
differently from the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.training.networks.mixer import Mixer
from diffusion_mpc_ros.training.networks.residual_mlp import ResidualMLP
from diffusion_mpc_ros.training.networks.reward_model import RewardModel
from diffusion_mpc_ros.training.networks.temporal_unet import TemporalUnet
from diffusion_mpc_ros.training.networks.transformer import Transformer


@dataclass(frozen=True)
class NetworkConfig:
    """``kind``: ``residual_mlp`` (width of the layers, blocks), ``temporal_unet`` (channels of the first level, blocks
    = levels), ``mixer`` or ``transformer`` (channels of a row, blocks).
    """

    kind: str = "residual_mlp"
    width: int = 512
    blocks: int = 3


NETWORKS: dict[str, Callable[[NetworkConfig, int], nn.Module]] = {
    "residual_mlp": lambda config, rows: ResidualMLP(rows, config.width, config.blocks),
    "temporal_unet": lambda config, rows: TemporalUnet(
        rows, config.width, tuple(2**level for level in range(config.blocks))
    ),
    "mixer": lambda config, rows: Mixer(rows, config.width, config.blocks),
    "transformer": lambda config, rows: Transformer(rows, config.width, config.blocks),
}


def build_denoiser(config: NetworkConfig, rows: int) -> nn.Module:
    """Return the network of ``config`` for ``rows`` = H + 1; raises ConfigurationError for an unknown kind."""
    if config.kind not in NETWORKS:
        raise ConfigurationError(f"unknown network {config.kind!r}; valid: {', '.join(NETWORKS)}")
    return NETWORKS[config.kind](config, rows)


def build_network(name: str, settings: Mapping[str, Any], rows: int) -> nn.Module:
    """Return the ``denoiser`` or ``reward_model`` of an artefact by its ``settings`` on the card."""
    return RewardModel(rows, **settings) if name == "reward_model" else build_denoiser(NetworkConfig(**settings), rows)
