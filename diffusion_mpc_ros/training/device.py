"""Where torch computes."""

from __future__ import annotations

import os

import torch

from diffusion_mpc_ros.core.errors import ConfigurationError


def pick_device(name: str) -> torch.device:
    """``auto``: the GPU when there is one, under `torchrun` the one of this process; or a device's name.

    Raises ConfigurationError when it is not there.
    """
    if name == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"no device {name!r} here ({error}); auto picks one that is") from None
    return device
