"""MLP-mixer over the rows (Tolstikhin et al., arXiv 2105.01601)."""

from __future__ import annotations

import torch
from torch import nn

from diffusion_mpc_ros.core.trajectory import ROW_DIM
from diffusion_mpc_ros.training.networks.layers import ROW_INPUTS, feed_forward

# Hidden channels of the channel mixing, in widths (the paper's).
EXPANSION = 4


class _MixerBlock(nn.Module):
    """Pre-norm on ``(B T, width)``: first the T rows of each channel are mixed, then the channels of each row."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.rows, self.width = rows, width
        self.row_norm = nn.LayerNorm(width)
        # Hidden size as in the paper: half the width.
        self.row_mixing = feed_forward(rows, width // 2)
        self.channel_norm = nn.LayerNorm(width)
        self.channel_mixing = feed_forward(width, EXPANSION * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels = self.row_norm(x).reshape(-1, self.rows, self.width).transpose(1, 2).reshape(-1, self.rows)
        mixed = self.row_mixing(channels).reshape(-1, self.width, self.rows).transpose(1, 2)
        x = x + mixed.reshape(-1, self.width)
        return x + self.channel_mixing(self.channel_norm(x))


class Mixer(nn.Module):
    """Rows keep their own ``width`` channels; the weights of the row mixing tell the rows apart."""

    def __init__(self, rows: int, width: int = 128, blocks: int = 4) -> None:
        super().__init__()
        self.entry = nn.Linear(ROW_INPUTS, width)
        self.blocks = nn.Sequential(*(_MixerBlock(rows, width) for _ in range(blocks)))
        self.exit = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, ROW_DIM))

    def forward(self, tau: torch.Tensor, row_features: torch.Tensor) -> torch.Tensor:
        """See the package's docstring."""
        x = self.entry(torch.cat([tau, row_features], dim=-1).flatten(0, 1))
        return self.exit(self.blocks(x)).reshape(tau.shape)
