"""The matrix products of a plan: how many FLOPs they are, and how long they alone would take on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ROW_DIM
from diffusion_mpc_ros.diffusion.prior import STEP_INPUTS

# Rows, columns and depth of the product that the machine's GEMM rate is measured with.
SQUARE = 1024

Product = tuple[int, int, int]  # (m, k, n): (m, k) @ (k, n), 2 m k n FLOPs

_aten = torch.ops.aten


class _Recorder(TorchDispatchMode):
    """Notes the shape of every matrix product, in order; a convolution as the product it amounts to."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[Product] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function in (_aten.mm.default, _aten.addmm.default):
            left, right = args[-2:]
            self.products.append((left.shape[0], left.shape[1], right.shape[1]))
        elif function in (_aten.bmm.default, _aten.baddbmm.default):
            left, right = args[-2:]
            self.products += [(left.shape[1], left.shape[2], right.shape[2])] * left.shape[0]
        elif function is _aten.convolution.default:
            self.products.append(_convolution(args[0], args[1], result, transposed=args[6]))
        elif "attention" in function.name():
            raise ConfigurationError(f"the products inside {function.name()} are not counted: run it unfused")
        return result


def _convolution(inputs: torch.Tensor, weight: torch.Tensor, outputs: torch.Tensor, transposed: bool) -> Product:
    """Every position of the output (transposed: of the input) times the kernel."""
    positions = inputs if transposed else outputs
    return positions.shape[0] * prod(positions.shape[2:]), prod(weight.shape[1:]), weight.shape[0]


def count_flops(products: Sequence[Product]) -> int:
    """``2 m k n`` a product: a multiplication and an addition for each term. Nothing else is counted."""
    return sum(2 * m * k * n for m, k, n in products)


def matrix_products(function: Callable[[], object]) -> list[Product]:
    """Return the matrix products that ``function`` computes in torch, in order.

    Raises :class:`ConfigurationError` for fused attention, which hides its products, and when torch counts other FLOPs.
    """
    with FlopCounterMode(display=False) as counter, _Recorder() as recorder:
        function()
    seen, counted = count_flops(recorder.products), counter.get_total_flops()
    if seen != counted:
        raise ConfigurationError(f"the matrix products seen are {seen} FLOPs, torch counts {counted}")
    return recorder.products


def network_size(denoiser: nn.Module, rows: int) -> dict[str, int]:
    """``parameters``, and ``step_flops``: the FLOPs of one denoising step of one candidate of ``rows`` rows.

    ``denoiser``: ``(tau (B, T, 57), row_features (B, T, 3)) -> x0``. Rewards multiply no matrices.
    """
    features = STEP_INPUTS["row_features"][1][-1]
    tau, row_features = torch.zeros(1, rows, ROW_DIM), torch.zeros(1, rows, features)
    with torch.no_grad():
        products = matrix_products(lambda: denoiser(tau, row_features))
    parameters = sum(parameter.numel() for parameter in denoiser.parameters())
    return {"parameters": parameters, "step_flops": count_flops(products)}


def gemm_rate(repetitions: int = 12) -> float:
    """FLOP/s of a large f32 product in torch's BLAS with the threads that torch has: the best of ``repetitions``."""
    left, right = torch.randn(SQUARE, SQUARE), torch.randn(SQUARE, SQUARE)
    return count_flops([(SQUARE, SQUARE, SQUARE)]) / _times(lambda: left @ right, repetitions).min()


def products_time(products: Sequence[Product], repetitions: int = 12) -> float:
    """Median time [s] of doing ``products`` one after the other in torch's BLAS, each with a matrix of its own."""
    operands = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in products]

    def run() -> None:
        for left, right in operands:
            torch.mm(left, right)

    return float(np.median(_times(run, repetitions)))


def _times(function: Callable[[], object], repetitions: int) -> np.ndarray:
    function()
    times = np.empty(repetitions)
    for index in range(repetitions):
        start = time.perf_counter()
        function()
        times[index] = time.perf_counter() - start
    return times
