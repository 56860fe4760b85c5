"""The reward model: what no row of a trajectory says, predicted from a corrupted trajectory and its noise levels."""

from __future__ import annotations

import torch
from torch import nn

from diffusion_mpc_ros.rewards.predictions import PREDICTIONS
from diffusion_mpc_ros.training.networks.layers import ROW_INPUTS


class RewardModel(nn.Module):
    """``tau (B, T, 57)`` normalised, ``row_features (B, T, 3)`` -> predictions ``(B, P)`` in their own units.

    ``f_phi(tau^(k), k)`` of arXiv 2510.04234, V-B1, one network for all predictions: its layers are shared, and so is
    the way back through them when the sampling is guided. Free of convolutions, whose gradient ONNX does not have.
    """

    def __init__(self, rows: int, width: int = 128, blocks: int = 1) -> None:
        super().__init__()
        self.entry = nn.Linear(rows * ROW_INPUTS, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.exit = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, len(PREDICTIONS)))
        # Mean and standard deviation of each prediction in the data.
        self.mean = nn.Parameter(torch.zeros(len(PREDICTIONS)), requires_grad=False)
        self.std = nn.Parameter(torch.ones(len(PREDICTIONS)), requires_grad=False)

    def standardised(self, tau: torch.Tensor, row_features: torch.Tensor) -> torch.Tensor:
        """Predictions ``(B, P)`` with mean 0 and standard deviation 1 in the data."""
        hidden = self.entry(torch.cat([tau, row_features], dim=-1).flatten(1))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.exit(hidden)

    def forward(self, tau: torch.Tensor, row_features: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return self.standardised(tau, row_features) * self.std + self.mean
