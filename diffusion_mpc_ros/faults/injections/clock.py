"""Injections of clocks that stand still, and of a process that is stopped within its step."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import numpy as np

from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.injection import injection


@injection
def computer_stands_still(harness: Harness, duration: float, paused: bool) -> Iterator[float]:
    """All of the controller is stopped for ``duration`` [s], and its clocks with it; the robot goes on.

    ``paused``: CLOCK_BOOTTIME stood still as well, as in a paused virtual machine; else the computer was suspended.
    """
    processes = harness.processes
    pids = [processes.pid(name) for name in processes.names if name != "go2_simulator"]
    pids += processes.children("command_publisher")
    start = time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    harness.relay.expect_silence()
    time.sleep(duration)
    harness.clocks.lag(duration, paused=paused)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    yield start


@injection
def stopped_at_random(harness: Harness, duration: float) -> Iterator[float]:
    """command_publisher is stopped for ``duration`` [s] at a random moment of its period."""
    time.sleep(float(np.random.default_rng(time.monotonic_ns()).uniform(0.0, 0.04)))
    start = harness.processes.send("command_publisher", signal.SIGSTOP)
    time.sleep(duration)
    harness.processes.send("command_publisher", signal.SIGCONT)
    yield start
