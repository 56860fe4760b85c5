"""Denoisers: ``tau (B, T, 57) normalised, row_features (B, T, 3) -> x0 (B, T, 57)``.

The row features are ``sqrt(abar)`` and ``sqrt(1 - abar)`` of the row's noise level and whether the row's action is
already committed; every row has a level of its own, so that early-step caching can treat rows without a predecessor
differently from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ROW_DIM

ROW_FEATURES = 3


class ResidualMLP(nn.Module):
    """Pre-norm residual MLP on the flattened window: a tenth of the U-Net's arithmetic per parameter."""

    def __init__(self, rows: int, width: int = 512, blocks: int = 3) -> None:
        super().__init__()
        self.rows = rows
        self.entry = nn.Linear(rows * (ROW_DIM + ROW_FEATURES), width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.exit = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, rows * ROW_DIM))
        for block in self.blocks:
            nn.init.zeros_(block[-1].weight)

    def forward(self, tau: torch.Tensor, row_features: torch.Tensor) -> torch.Tensor:
        """See the module's docstring."""
        hidden = self.entry(torch.cat([tau, row_features], dim=-1).flatten(1))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.exit(hidden).unflatten(1, (self.rows, ROW_DIM))


class _ConvBlock(nn.Module):
    """Conv1d - GroupNorm - Mish, twice, with a residual connection."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(8, outputs), nn.Mish()
        )
        self.second = nn.Sequential(
            nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(8, outputs), nn.Mish()
        )
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x)) + self.skip(x)


class TemporalUnet(nn.Module):
    """Temporal U-Net (Janner et al., arXiv 2205.09991) over the rows; the row features enter as channels."""

    def __init__(self, rows: int, width: int = 32, multipliers: tuple[int, ...] = (1, 2, 4), kernel: int = 5) -> None:
        super().__init__()
        stride = 2 ** (len(multipliers) - 1)
        if rows % stride:
            raise ConfigurationError(f"a U-Net of {len(multipliers)} levels needs rows divisible by {stride}: {rows}")
        channels = [ROW_DIM + ROW_FEATURES, *(width * m for m in multipliers)]
        pairs = list(zip(channels[:-1], channels[1:], strict=True))
        self.down = nn.ModuleList(_ConvBlock(i, o, kernel) for i, o in pairs)
        self.downsample = nn.ModuleList(nn.Conv1d(o, o, 3, stride=2, padding=1) for _, o in pairs[:-1])
        self.middle = _ConvBlock(channels[-1], channels[-1], kernel)
        self.upsample = nn.ModuleList(
            nn.ConvTranspose1d(o, i, 4, stride=2, padding=1) for i, o in reversed(pairs[1:])
        )
        self.up = nn.ModuleList(_ConvBlock(2 * i, i, kernel) for i, _ in reversed(pairs[1:]))
        self.exit = nn.Conv1d(channels[1], ROW_DIM, 1)

    def forward(self, tau: torch.Tensor, row_features: torch.Tensor) -> torch.Tensor:
        """See the module's docstring."""
        x = torch.cat([tau, row_features], dim=-1).transpose(1, 2)
        skips = []
        for level, block in enumerate(self.down):
            x = block(x)
            if level < len(self.downsample):
                skips.append(x)
                x = self.downsample[level](x)
        x = self.middle(x)
        for upsample, block in zip(self.upsample, self.up, strict=True):
            x = block(torch.cat([upsample(x), skips.pop()], dim=1))
        # Contiguous: the export compares strides with those of the trajectory.
        return self.exit(x).transpose(1, 2).contiguous()


@dataclass(frozen=True)
class NetworkConfig:
    """``kind``: ``residual_mlp`` (width, blocks) or ``temporal_unet`` (width, blocks = levels)."""

    kind: str = "residual_mlp"
    width: int = 512
    blocks: int = 3


def build_denoiser(config: NetworkConfig, rows: int) -> nn.Module:
    """The network of ``config`` for ``rows`` = H + 1; raises ConfigurationError for an unknown kind."""
    if config.kind == "residual_mlp":
        return ResidualMLP(rows, config.width, config.blocks)
    if config.kind == "temporal_unet":
        return TemporalUnet(rows, config.width, tuple(2**level for level in range(config.blocks)))
    raise ConfigurationError(f"unknown network {config.kind!r}; valid: residual_mlp, temporal_unet")
