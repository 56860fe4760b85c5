"""Short stops on the topic e_stop: each one has to be held, however short it is and whoever says it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from std_msgs.msg import Bool

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.operator import FALSE, QOS, TRUE

# Panels of each quality of service; one more repeats false all the time.
PANELS = 2
# A pulse is as long as this at most [s].
LONGEST = 0.02
# A stop is held that is still there so long after it was released [s]; one that is not there by then is lost.
HELD, LOST = 0.06, 0.5
# The first commands, and a fault that is cleared, come within this [s].
STARTED, CLEARED = 60.0, 2.0


class NotReady(DiffusionMpcError):
    """command_publisher does not do what the measurement needs."""


def measure(harness: Harness, pulses: int, seed: int) -> Iterator[dict[str, Any]]:
    """Try ``pulses`` stops of random panels and lengths; yields one row for each."""
    random, monitor = np.random.default_rng(seed), harness.monitor
    if not monitor.wait(lambda: monitor.mode() is not None, STARTED):
        raise NotReady(f"no commands within {STARTED:.0f} s")
    with ExitStack() as stack:
        panels = [
            (name, stack.enter_context(harness.publisher(Bool, "e_stop", qos)))
            for name, qos in QOS.items()
            for _ in range(PANELS)
        ]
        repeat = stack.enter_context(harness.publisher(Bool, "e_stop"))
        timer = harness.operator.node.create_timer(0.01, lambda: repeat(FALSE))
        stack.callback(harness.operator.node.destroy_timer, timer)
        for _ in range(pulses):
            name, publish = panels[random.integers(len(panels))]
            yield {"qos": name, **_pulse(harness, publish, float(random.uniform(0.0, LONGEST)))}


def _pulse(harness: Harness, publish: Callable[[Bool], None], length: float) -> dict[str, Any]:
    monitor = harness.monitor
    start = time.monotonic()
    publish(TRUE)
    time.sleep(length)
    publish(FALSE)
    monitor.wait(lambda: monitor.mode() is Mode.FAULT, LOST)
    time.sleep(HELD)
    commands = monitor.since(start)
    stopped = [sent for sent in commands if sent.mode is Mode.FAULT]
    held = bool(stopped) and commands[-1].mode is Mode.FAULT
    row = {
        "length_ms": round(1e3 * length, 2),
        "held": held,
        "ticks": sum(sent.mode is not Mode.FAULT for sent in commands) if stopped else None,
        "reaction_ms": round(1e3 * (stopped[0].time - start), 2) if stopped else None,
    }
    if stopped:
        harness.request("clear_fault")
        if not monitor.wait(lambda: monitor.mode() is Mode.DAMPING, CLEARED):
            raise NotReady("a fault that was cleared stays")
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of all rows."""
    reactions = [row["reaction_ms"] for row in rows if row["reaction_ms"] is not None]
    ticks = [row["ticks"] for row in rows if row["ticks"] is not None]
    p50, p99, worst = np.percentile(reactions, [50, 99, 100]).round(2).tolist() if reactions else (None,) * 3
    return {
        "pulses": len(rows),
        "held": sum(row["held"] for row in rows),
        "within_two_ticks": sum(count <= 2 for count in ticks),
        "ticks_max": max(ticks, default=None),
        "reaction_ms": {"p50": p50, "p99": p99, "max": worst},
        "by_qos": {
            name: {"pulses": len(of), "held": sum(row["held"] for row in of)}
            for name in QOS
            if (of := [row for row in rows if row["qos"] == name])
        },
    }
