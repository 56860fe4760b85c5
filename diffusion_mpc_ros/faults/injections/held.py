"""Injections of what holds command_publisher up, or its watchdog."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.injection import injection

# By then a hung watchdog has been replaced [s].
REPLACED = 5.0


@injection
def broken_writer(harness: Harness) -> Iterator[float]:
    """command_publisher's DDS writer takes nothing any more."""
    start = time.monotonic()
    harness.broken_writer_switch.touch()
    try:
        yield start
    finally:
        harness.broken_writer_switch.unlink()


@injection
def hung_watchdog(harness: Harness, then_kill: bool) -> Iterator[float]:
    """The watchdog is stopped; ``then_kill``: command_publisher is killed when the watchdog has been replaced."""
    start = time.monotonic()
    for pid in harness.processes.children("command_publisher"):
        os.kill(pid, signal.SIGSTOP)
    if then_kill:
        time.sleep(REPLACED)
        start = harness.processes.kill("command_publisher")
    yield start
