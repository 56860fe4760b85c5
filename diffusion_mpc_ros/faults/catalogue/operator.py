"""The operator's stop, however short, hidden, early or lossy."""

from __future__ import annotations

import struct

from diffusion_mpc_ros.faults.catalogue.basic import STOP_TICKS
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import HALTS, faults
from diffusion_mpc_ros.faults.injections import operator as inject
from diffusion_mpc_ros.faults.injections.injection import Injection

STOPPED = "emergency stop"


def _stop(name: str, injected: str, injection: Injection, ticks: int | None = STOP_TICKS, **more: bool) -> Fault:
    return Fault(f"operator: {name}", injected, faults(STOPPED, ticks), injection, 0.5, **more)


def _pulse(milliseconds: int, quick: bool = False) -> Fault:
    injected = f"true, then false after {milliseconds} ms"
    return _stop(f"stop for {milliseconds} ms", injected, inject.pulse(milliseconds * 1e-3), quick=quick)


OPERATOR = (
    _pulse(0, quick=True),
    _pulse(5),
    _pulse(10),
    _stop("stop beside another panel", "true, then false at once; a second panel repeats false at 100 Hz",
          inject.beside_a_repeating_panel()),
    _stop("stop cleared by another", "a second person says false and clears", inject.cleared_by_another(), held=True),
    _stop("best-effort stop", "a publisher of lossy quality of service", inject.asserted("best effort"), held=True),
    _stop("transient-local stop", "a publisher that keeps its last word", inject.asserted("transient local"),
          held=True),
    _stop("remote's B with a stick at 1.06", "beyond what a stick can read", inject.remote(struct.pack("<f", 1.06)),
          held=True),
    _stop("remote's B with a stick that is NaN", "no number", inject.remote(struct.pack("<f", float("nan"))),
          held=True),
    _stop("remote's B for 6 ms", "pressed and released between two control ticks", inject.remote(duration=6e-3)),
    _stop("service stop in another fault", "called in FAULT for another cause, which is then cleared",
          inject.service_during_another_fault(), None),
    _stop("teleop's output blocked", "nobody reads its terminal; the space bar",
          inject.teleop_with_its_output_blocked(), 6, held=True),
    Fault("operator: teleop left alone", "it drives, then no key is pressed", HALTS, inject.teleop_left_alone(), 3.0),
    _stop("stop before the start", "a panel asserts, command_publisher is started after it", inject.before_the_start(),
          None, held=True),
    _stop("service stop while waiting", "called while the robot's own controller is active",
          inject.service_while_waiting(), None),
)  # fmt: skip
