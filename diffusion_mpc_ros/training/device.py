"""Where torch computes."""

from __future__ import annotations

import torch

from diffusion_mpc_ros.core.errors import ConfigurationError


def pick_device(name: str) -> torch.device:
    """``auto``: the GPU when there is one; or a device's name. Raises ConfigurationError when it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"no device {name!r} here ({error}); auto picks one that is") from None
    return device
