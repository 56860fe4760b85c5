"""Run the tests in two halves: what needs no real time on all cores, then what is marked `real_time`, alone.

Arguments go to pytest in both halves, where `-m` narrows each. The second half runs whatever the first came to. The
exit status is that of the first half that failed; no tests in one of them is a failure only if the other has none, too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PASSED, NO_TESTS = 0, 5  # exit statuses of pytest
# Each takes up to 1.5 GB of memory.
MAX_WORKERS = 4


def halves(given: Sequence[str], cores: int) -> list[list[str]]:
    """Return pytest's arguments for each half, of those that were ``given``."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", dest="selection", default="")
    options, others = parser.parse_known_args(given)
    also = f"({options.selection}) and " if options.selection else ""
    # Whoever is done with its share of the tests takes some of another's.
    return [
        ["-n", str(cores), "--dist", "worksteal", *others, "-m", f"{also}not real_time"],
        [*others, "-m", f"{also}real_time"],
    ]


def overall(statuses: Sequence[int]) -> int:
    """Return the exit status of both halves."""
    failures = [status for status in statuses if status not in (PASSED, NO_TESTS)]
    return failures[0] if failures else min(statuses)


def main() -> int:
    """Run both; the exit status."""
    workers = min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    with tempfile.TemporaryDirectory() as folder:
        # What takes long to make is made once, for all workers and both halves (test/conftest.py).
        environment = {**os.environ, "SHARED_BY_TESTS": folder}
        statuses = [
            subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment).returncode
            for arguments in halves(sys.argv[1:], workers)
        ]
    return overall(statuses)


if __name__ == "__main__":
    sys.exit(main())
