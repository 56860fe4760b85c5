"""Where an artefact comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path


def source_commit() -> str:
    """Return the checked-out commit, marked ``-dirty`` with uncommitted changes; ``unknown`` outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else "unknown"
