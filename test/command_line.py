"""``diffusion-mpc`` in a process of its own, as a user runs it from this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_to_the_end(arguments: list[str], *modules: Path, timeout: float = 180.0) -> None:
    """Run it to its end, which must be a good one; ``modules``: more folders for the PYTHONPATH."""
    path = [*map(str, (ROOT, *modules)), os.environ.get("PYTHONPATH", "")]
    finished = subprocess.run(
        [sys.executable, "-m", "diffusion_mpc_ros.cli", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
