"""One entry of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.faults.expectation import Expectation
from diffusion_mpc_ros.faults.harness import Setup
from diffusion_mpc_ros.faults.injections.injection import Injection
from diffusion_mpc_ros.faults.recovery import FORWARD


@dataclass(frozen=True)
class Fault:
    """One entry; ``duration`` [s] is how long the fault acts before the outcome is judged.

    ``held``: as long as it acts the fault must not let itself be cleared.
    """

    name: str
    injected: str
    expected: Expectation
    injection: Injection
    duration: float = 3.0
    setup: Setup = Setup()
    cmd_vel: tuple[float, float, float] = FORWARD
    quick: bool = False
    held: bool = False
