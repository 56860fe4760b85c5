"""bfloat16 only where the processor computes in it."""

import pytest
import torch

from diffusion_mpc_ros.diffusion import processor
from diffusion_mpc_ros.training.precision import autocast

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("flags", "wanted", "dtype"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16 amx_tile\n", True, torch.bfloat16),
        ("flags\t\t: fpu avx2 amx_bf16\n", True, torch.bfloat16),
        ("flags\t\t: fpu avx2 avx512_bf16\n", False, torch.float32),
        ("flags\t\t: fpu sse4_2 avx2\n", True, torch.float32),
        ("Features\t: fp asimd bf16\n", True, torch.bfloat16),
        ("Features\t: fp asimd\n", True, torch.float32),
        ("", True, torch.float32),
    ],
)
def test_networks_compute_in_bfloat16_where_the_processor_does(tmp_path, monkeypatch, flags, wanted, dtype):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(flags)
    monkeypatch.setattr(processor, "CPUINFO", cpuinfo)
    processor.computes_in_bfloat16.cache_clear()
    try:
        with autocast(CPU, wanted):
            computed = torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 3))
    finally:
        processor.computes_in_bfloat16.cache_clear()
    assert computed.dtype == dtype
