"""What the networks share.

The row-wise networks run every linear layer on a matrix ``(n, width)``: in ONNX it is then one Gemm with its bias, and
the weights keep their names (a product of higher rank is exported as a nameless transposed copy of its weight).
"""

from __future__ import annotations

from torch import nn

from diffusion_mpc_ros.core.trajectory import ROW_DIM

ROW_FEATURES = 3
ROW_INPUTS = ROW_DIM + ROW_FEATURES


def feed_forward(width: int, hidden: int) -> nn.Sequential:
    """``(n, width) -> (n, width)`` for a residual branch; the last weights start at zero, the block as the identity."""
    layers = nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, width))
    nn.init.zeros_(layers[-1].weight)
    return layers
