"""Temporal U-Net, the paper's kind of network: convolutions over the rows."""

from __future__ import annotations

import torch
from torch import nn

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ROW_DIM
from diffusion_mpc_ros.training.networks.layers import ROW_INPUTS

# Groups of channels that are normalised together.
GROUPS = 8


class GroupNorm(nn.Module):
    """Group normalisation of ``(B, channels, T)``, written as the layer normalisation that it is.

    Scale and shift have the shape in which they are applied: the export would replace torch's own by nameless ones.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels, rows = x.shape[1:]
        grouped = x.reshape(-1, GROUPS, channels // GROUPS * rows)
        normal = nn.functional.layer_norm(grouped, grouped.shape[-1:])
        return normal.reshape(-1, channels, rows) * self.weight + self.bias


class _ConvBlock(nn.Module):
    """Conv1d - GroupNorm - Mish, twice, with a residual connection."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), GroupNorm(outputs), nn.Mish()
        )
        self.second = nn.Sequential(
            nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2), GroupNorm(outputs), nn.Mish()
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
        channels = [ROW_INPUTS, *(width * m for m in multipliers)]
        pairs = list(zip(channels[:-1], channels[1:], strict=True))
        self.down = nn.ModuleList(_ConvBlock(i, o, kernel) for i, o in pairs)
        self.downsample = nn.ModuleList(nn.Conv1d(o, o, 3, stride=2, padding=1) for _, o in pairs[:-1])
        self.middle = _ConvBlock(channels[-1], channels[-1], kernel)
        self.upsample = nn.ModuleList(nn.ConvTranspose1d(o, i, 4, stride=2, padding=1) for i, o in reversed(pairs[1:]))
        self.up = nn.ModuleList(_ConvBlock(2 * i, i, kernel) for i, _ in reversed(pairs[1:]))
        self.exit = nn.Conv1d(channels[1], ROW_DIM, 1)

    def forward(self, tau: torch.Tensor, row_features: torch.Tensor) -> torch.Tensor:
        """See the package's docstring."""
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
