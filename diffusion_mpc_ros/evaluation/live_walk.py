"""A walk in real time by the five processes, as `diffusion-mpc run` starts and measures it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.simulation.randomization import Randomization

# Beside the walk itself [s]: starting, standing up, sitting down.
OVERHEAD = 150.0


class LiveWalkError(DiffusionMpcError):
    """Processes that did not start, died, or measured nothing."""


@dataclass(frozen=True)
class LiveWalk:
    """What came of one: ``distance`` [m] along the base's x axis, ``velocity_error`` [m/s] of every tick up to a fall.

    ``stood``: no fall, no fault. ``plan_p99`` [s]; ``late_share`` of the commands, more than 5 ms late or left out.
    """

    stood: bool
    distance: float
    velocity_error: float
    plan_p99: float
    late_share: float


def walk_live(
    command: Sequence[float], seconds: float, parameters: Sequence[str] = (), planner: str = "", ground: str = "flat"
) -> LiveWalk:
    """Walk at ``command`` (vx, vy [m/s], yaw rate [rad/s]); ``parameters`` as `diffusion-mpc run` takes them.

    Raises :class:`LiveWalkError` with what the processes said.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "walk.json"
        options = ["--headless", "--duration", f"{seconds:g}", "--cmd-vel", *map(str, command), "--ground", ground]
        options += ["--json", str(path), *(["--planner", planner] if planner else [])]
        options += ["--parameters", *parameters] if parameters else []
        program = [sys.executable, "-m", "diffusion_mpc_ros.cli", "run", *options]
        try:
            done = subprocess.run(
                program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds + OVERHEAD
            )
        except subprocess.TimeoutExpired as error:
            raise LiveWalkError(f"{' '.join(program)} did not end within {error.timeout:.0f} s") from error
        if not path.exists():
            raise LiveWalkError(f"{' '.join(program)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
        result = json.loads(path.read_text())
    return LiveWalk(
        stood=not (result["fell"] or result["fault"]),
        distance=result["mean_vx"] * result["duration"],
        velocity_error=result["velocity_error"],
        plan_p99=result["plan_ms"]["p99"] * 1e-3,
        late_share=result["late_ticks"] / result["ticks"],
    )


def randomised_robot(ranges: Randomization, rng: np.random.Generator) -> list[str]:
    """Parameters of the simulated Go2 drawn from ``ranges``: payload and its place, friction, motor strengths."""
    position = [rng.uniform(*getattr(ranges, f"mass_position_{axis}")) for axis in ("x", "y", "z")]
    strength = rng.uniform(*ranges.motor_strength, size=NUM_JOINTS)
    values = {
        "payload": f"{rng.uniform(*ranges.base_mass):.3f}",
        "payload_position": _list(position),
        "friction": f"{rng.uniform(*ranges.friction):.3f}",
        "motor_strength": _list(strength),
    }
    return [f"go2_simulator.{name}={value}" for name, value in values.items()]


def _list(values: Sequence[float] | np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.3f}" for value in values) + "]"
