"""Residual MLP on the flattened window."""

from __future__ import annotations

import torch
from torch import nn

from diffusion_mpc_ros.core.trajectory import ROW_DIM
from diffusion_mpc_ros.training.networks.layers import ROW_INPUTS


class ResidualMLP(nn.Module):
    """Pre-norm residual MLP on the flattened window: a tenth of the U-Net's arithmetic per parameter."""

    def __init__(self, rows: int, width: int = 512, blocks: int = 3) -> None:
        super().__init__()
        self.rows = rows
        self.entry = nn.Linear(rows * ROW_INPUTS, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.exit = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, rows * ROW_DIM))
        for block in self.blocks:
            nn.init.zeros_(block[-1].weight)

    def forward(self, tau: torch.Tensor, row_features: torch.Tensor) -> torch.Tensor:
        """See the package's docstring."""
        hidden = self.entry(torch.cat([tau, row_features], dim=-1).flatten(1))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.exit(hidden).unflatten(1, (self.rows, ROW_DIM))
