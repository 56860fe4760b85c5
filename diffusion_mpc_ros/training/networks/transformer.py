"""Transformer encoder over the rows, pre-norm (Vaswani et al., arXiv 1706.03762; Xiong et al., arXiv 2002.04745)."""

from __future__ import annotations

import torch
from torch import nn

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ROW_DIM
from diffusion_mpc_ros.training.networks.layers import ROW_INPUTS, feed_forward

# Channels of an attention head; hidden channels of the MLP, in widths.
HEAD_WIDTH, EXPANSION = 32, 4


class Attention(nn.Module):
    """Multi-head self-attention of T rows on ``(B T, width)``, every row sees every other.

    Plain products and softmax: a fused kernel would hide its products from the count of FLOPs.
    """

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.rows, self.width, self.heads = rows, width, width // HEAD_WIDTH
        self.query_key_value = nn.Linear(width, 3 * width)
        self.exit = nn.Linear(width, width)
        nn.init.zeros_(self.exit.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        split = self.query_key_value(x).reshape(-1, self.rows, 3 * self.heads, HEAD_WIDTH).transpose(1, 2)
        query, key, value = split.chunk(3, dim=1)  # (B, heads, T, HEAD_WIDTH) each
        weights = torch.softmax(HEAD_WIDTH**-0.5 * (query @ key.transpose(2, 3)), dim=-1)
        return self.exit((weights @ value).transpose(1, 2).reshape(-1, self.width))


class _TransformerBlock(nn.Module):
    """Pre-norm on ``(B T, width)``: attention, then an MLP on each row."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(rows, width))
        self.mlp = nn.Sequential(nn.LayerNorm(width), feed_forward(width, EXPANSION * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(x)
        return x + self.mlp(x)


class Transformer(nn.Module):
    """Rows as tokens; attention treats all alike, a learned position added to each tells them apart.

    Raises :class:`ConfigurationError` for a width that does not divide into heads.
    """

    def __init__(self, rows: int, width: int = 128, blocks: int = 3) -> None:
        super().__init__()
        if width % HEAD_WIDTH:
            raise ConfigurationError(f"a transformer needs a width divisible by {HEAD_WIDTH}, got {width}")
        self.rows, self.width = rows, width
        self.entry = nn.Linear(ROW_INPUTS, width)
        self.positions = nn.Parameter(0.02 * torch.randn(rows, width))
        self.blocks = nn.Sequential(*(_TransformerBlock(rows, width) for _ in range(blocks)))
        self.exit = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, ROW_DIM))

    def forward(self, tau: torch.Tensor, row_features: torch.Tensor) -> torch.Tensor:
        """See the package's docstring."""
        x = self.entry(torch.cat([tau, row_features], dim=-1).flatten(0, 1))
        x = x.reshape(-1, self.rows, self.width) + self.positions
        return self.exit(self.blocks(x.flatten(0, 1))).reshape(tau.shape)
