"""Measuring the references that the product is compared with: Algorithm 1 in torch, and its matrix products alone."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.evaluation.matrix_products import count_flops, gemm_rate, matrix_products, products_time
from diffusion_mpc_ros.evaluation.planner_bench import Combination, compared_plans
from diffusion_mpc_ros.evaluation.reference_planner import ReferencePlanner, missing_compiler, numpy_randn
from diffusion_mpc_ros.planners.latency import plan_times, standing_request

# The networks of an artefact, by name.
Load = Callable[[Prior], Mapping[str, nn.Module]]


class _Repeatable(ReferencePlanner):
    """Draws the product's random numbers, from the seed again after each reset."""

    def reset(self) -> None:
        self.randn = numpy_randn(self.sampling.seed)


def measure_reference(case: Combination, load_networks: Load) -> dict[str, Any]:
    """Eager torch and the matrix products: medians [ms], FLOPs of a plan, and the plans to compare."""
    torch.set_num_threads(case.threads)
    loaded, networks = _load(case, load_networks)
    timing, rewards = case.timing(loaded), case.rewards(loaded)
    planner = ReferencePlanner(loaded, networks, timing, case.sampling)
    products = matrix_products(lambda: planner.plan(standing_request(timing, rewards)))
    flops = count_flops(products)
    repeatable = _Repeatable(loaded, networks, timing, case.sampling)
    return {
        "torch_ms": float(np.median(plan_times(planner, case.plans, rewards))) * 1e3,
        "gemm_ms": flops / gemm_rate() * 1e3,
        # The steps are alike: one step's weights, used again and again as in a plan.
        "gemm_same_shapes_ms": products_time(products[: len(products) // case.steps]) * case.steps * 1e3,
        "flops": flops,
        "joint_targets": compared_plans(repeatable, case, loaded),
    }


def measure_compiled(case: Combination, load_networks: Load) -> dict[str, Any]:
    """Return the same under ``torch.compile``: the median [ms] and the time to compile [s], or ``skipped``: why not."""
    reason = missing_compiler()
    if reason:
        return {"skipped": reason}
    torch.set_num_threads(case.threads)
    loaded, networks = _load(case, load_networks)
    planner = ReferencePlanner(loaded, networks, case.timing(loaded), case.sampling, compiled=True)
    start = time.perf_counter()
    try:
        warnings.simplefilter("ignore")  # the compiler's remarks on what it looks into
        planner.plan(standing_request(planner.timing, case.rewards(loaded)))
    except Exception as error:  # the compiler's failures share no base but Exception
        return {"skipped": f"torch.compile fails here: {str(error).splitlines()[0]}"}
    compiled = time.perf_counter() - start
    return {
        "torch_compile_ms": float(np.median(plan_times(planner, case.plans, case.rewards(loaded)))) * 1e3,
        "compile_s": compiled,
    }


def _load(case: Combination, load_networks: Load):
    loaded = case.load()
    return loaded, load_networks(loaded)
