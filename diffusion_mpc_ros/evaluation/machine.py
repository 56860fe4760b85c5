"""What machine a figure was measured on."""

from __future__ import annotations

import os
import platform

from diffusion_mpc_ros.diffusion.processor import cpuinfo_entry


def describe_machine() -> dict[str, str | int]:
    """Processor, number of cores this process may use, system and Python, for reports."""
    return {
        "processor": cpuinfo_entry("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
