"""Residual MLP of the models of D-MPC: everything that it reads in one row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

# ``sqrt(abar)`` and ``sqrt(1 - abar)`` of the noise level.
LEVEL_FEATURES = 2


@dataclass(frozen=True)
class MLPConfig:
    """Width of the layers and residual blocks."""

    width: int = 384
    blocks: int = 3


class ResidualLayers(nn.Module):
    """``(B, inputs) -> (B, outputs)``: pre-norm residual blocks."""

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.entry = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.exit = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, outputs))
        for block in self.blocks:
            nn.init.zeros_(block[-1].weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        hidden = self.entry(x)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.exit(hidden)


class ConditionalMLP(nn.Module):
    """Denoiser given a condition: ``noisy (B, m), level (2,), condition (B, c) -> x0 (B, m)``, all normalised.

    ``level``, ``(2,)`` or ``(B, 2)``: the :data:`LEVEL_FEATURES` of one level, or of each row its own.
    """

    def __init__(self, size: int, condition: int, width: int = 384, blocks: int = 3) -> None:
        super().__init__()
        self.layers = ResidualLayers(size + LEVEL_FEATURES + condition, size, width, blocks)

    def forward(self, noisy: torch.Tensor, level: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """See the class."""
        features = level.expand(noisy.shape[0], LEVEL_FEATURES)
        return self.layers(torch.cat([noisy, features, condition], dim=1))


class ValueMLP(nn.Module):
    """``features (B, n)`` normalised -> predictions ``(B, P)`` in their own units."""

    def __init__(self, inputs: int, outputs: int, width: int = 256, blocks: int = 1) -> None:
        super().__init__()
        self.layers = ResidualLayers(inputs, outputs, width, blocks)
        # Mean and standard deviation of each prediction in the data.
        self.mean = nn.Parameter(torch.zeros(outputs), requires_grad=False)
        self.std = nn.Parameter(torch.ones(outputs), requires_grad=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return self.layers(features) * self.std + self.mean
