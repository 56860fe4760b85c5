"""Networks in bfloat16 where that is quicker."""

from __future__ import annotations

import torch

from diffusion_mpc_ros.diffusion.processor import computes_in_bfloat16


def autocast(device: torch.device, bfloat16: bool) -> torch.autocast:
    """A context in which networks compute in bfloat16 where that is wanted and ``device`` has instructions for it.

    A processor without them computes in it all the same, tens of times slower than in f32.
    """
    has = torch.cuda.is_bf16_supported() if device.type == "cuda" else computes_in_bfloat16()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16 and has)
