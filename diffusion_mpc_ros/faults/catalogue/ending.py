"""Endings: every way that command_publisher or its launcher can end, in every mode of the robot."""

from __future__ import annotations

import dataclasses
import signal

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import DAMPED_BY_WATCHDOG, IMPACT, LET_DOWN
from diffusion_mpc_ros.faults.harness import Setup
from diffusion_mpc_ros.faults.injections import ending as inject

# An orderly end, and one after which the watchdog has the last word.
ORDERLY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
KILLS = (signal.SIGKILL, signal.SIGQUIT, signal.SIGSEGV)
DAMPED = dataclasses.replace(DAMPED_BY_WATCHDOG, max_impact=IMPACT)


def _name(mode: Mode) -> str:
    return mode.value.replace("_", " ")


def _ended(number: signal.Signals, mode: Mode, quick: bool = False) -> Fault:
    expected = LET_DOWN if number in ORDERLY else DAMPED
    injection = inject.by_signal(number, mode)
    name = f"ending: {number.name} in {_name(mode)}"
    return Fault(name, "to command_publisher", expected, injection, 1.0, quick=quick)


def _launcher(mode: Mode) -> Fault:
    injection = inject.of_the_launcher(mode)
    setup = Setup(launched=True)
    return Fault(f"ending: launcher killed in {_name(mode)}", "SIGKILL", LET_DOWN, injection, 1.0, setup)


ENDING = (
    *(_ended(signal.SIGTERM, mode, quick=mode is Mode.WALKING) for mode in Mode),
    *(_ended(signal.SIGKILL, mode) for mode in Mode),
    *(_ended(number, Mode.WALKING) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV)),
    Fault("ending: SIGINT twice", "the second after 0.7 s, while the robot sits down", LET_DOWN,
          inject.by_signal(signal.SIGINT, Mode.WALKING, again=0.7), 1.0),
    *(_launcher(mode) for mode in (Mode.WALKING, Mode.STANDING, Mode.FAULT)),
)  # fmt: skip
