"""Counting the FLOPs of matrix products, by hand."""

import pytest
import torch
from torch import nn

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation import matrix_products
from diffusion_mpc_ros.evaluation.matrix_products import count_flops, products_time


def products_of(module, *inputs):
    with torch.no_grad():
        return matrix_products.matrix_products(lambda: module(*inputs))


def test_a_small_network_by_hand():
    network = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.SiLU(), nn.Linear(4, 3, bias=False))
    products = products_of(network, torch.ones(2, 5))
    assert products == [(2, 5, 4), (2, 4, 3)]
    # 2 (2 * 5 * 4) + 2 (2 * 4 * 3) = 80 + 48; biases, LayerNorm and SiLU are not counted.
    assert count_flops(products) == 128


def test_a_batch_of_products_is_one_for_each_element():
    products = matrix_products.matrix_products(lambda: torch.bmm(torch.ones(3, 2, 5), torch.ones(3, 5, 4)))
    assert products == [(2, 5, 4)] * 3


def test_a_convolution_is_each_output_position_times_the_kernel():
    # 2 x 12 positions of the output, 7 channels x 5 taps, 6 channels out.
    assert products_of(nn.Conv1d(7, 6, 5, padding=2), torch.ones(2, 7, 12)) == [(24, 35, 6)]
    # 2 x 6 positions with stride 2.
    assert products_of(nn.Conv1d(7, 6, 3, stride=2, padding=1), torch.ones(2, 7, 12)) == [(12, 21, 6)]


def test_a_transposed_convolution_is_each_input_position_times_the_kernel():
    # 2 x 6 positions of the input, 7 channels in, 6 channels out x 4 taps.
    products = products_of(nn.ConvTranspose1d(7, 6, 4, stride=2, padding=1), torch.ones(2, 7, 6))
    assert count_flops(products) == 2 * (2 * 6) * 7 * (6 * 4)


def test_products_of_the_gradient_count_too():
    weight = torch.ones(5, 4)
    gradient = torch.func.grad(lambda x: (x @ weight).square().sum())
    # Forward (2, 5) @ (5, 4); backward (2, 4) @ (4, 5).
    products = matrix_products.matrix_products(lambda: gradient(torch.ones(2, 5)))
    assert sorted(products) == [(2, 4, 5), (2, 5, 4)]


def test_products_that_cannot_be_seen_are_not_left_out_silently():
    query = torch.ones(1, 2, 8, 16)
    with pytest.raises(ConfigurationError, match="attention"):
        matrix_products.matrix_products(lambda: nn.functional.scaled_dot_product_attention(query, query, query))


def test_a_count_unlike_torchs_own_is_refused(monkeypatch):
    monkeypatch.setattr(matrix_products, "count_flops", lambda products: 1)
    with pytest.raises(ConfigurationError, match="torch counts 80"):
        matrix_products.matrix_products(lambda: torch.ones(2, 5) @ torch.ones(5, 4))


def test_times_are_positive():
    assert 0.0 < products_time([(2, 5, 4), (2, 4, 3)], repetitions=2) < 1.0
    assert 1e6 < matrix_products.gemm_rate(repetitions=1) < 1e15
