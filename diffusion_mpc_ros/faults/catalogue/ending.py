"""Endings: every way that a process of the controller can end, in every mode of the robot.

The table of docs/safety.md has the same ways and modes; a test compares them.
"""

from __future__ import annotations

import dataclasses
import signal

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import DAMPED_BY_WATCHDOG, IMPACT, LET_DOWN, STANDS, WALKS_ON
from diffusion_mpc_ros.faults.harness import Setup
from diffusion_mpc_ros.faults.injections import ending as inject

# Signals after which command_publisher lets the robot down, and such after which the watchdog has the last word.
ORDERLY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
KILLS = (signal.SIGKILL, signal.SIGSEGV)
LAUNCHER = "launcher killed"
DAMPED = dataclasses.replace(DAMPED_BY_WATCHDOG, max_impact=IMPACT)
# What the others leave behind that end while the robot walks.
OTHERS = {"planner": STANDS, "state_estimator": STANDS, "reward_composer": WALKS_ON}


def name_of(way: str, mode: Mode) -> str:
    """Return the name of the entry for command_publisher's end in this ``way`` in ``mode``."""
    return f"ending: {way} in {mode.value.replace('_', ' ')}"


def _ended(number: signal.Signals, mode: Mode) -> Fault:
    expected = LET_DOWN if number in ORDERLY else DAMPED
    quick = (number, mode) == (signal.SIGTERM, Mode.WALKING)
    injection = inject.by_signal(number, mode)
    return Fault(name_of(number.name, mode), "to command_publisher", expected, injection, 1.0, quick=quick)


def _launcher(mode: Mode) -> Fault:
    injection = inject.of_the_launcher(mode)
    return Fault(name_of(LAUNCHER, mode), "SIGKILL", LET_DOWN, injection, 1.0, Setup(launched=True))


def _other(process: str, number: signal.Signals) -> Fault:
    injection = inject.of_another(process, number)
    return Fault(f"ending: {number.name} of {process}", "while walking", OTHERS[process], injection, 1.0)


ENDING = (
    *(_ended(number, mode) for number in (*ORDERLY, *KILLS) for mode in Mode),
    Fault("ending: SIGINT twice", "the second after 0.7 s, while the robot sits down", LET_DOWN,
          inject.by_signal(signal.SIGINT, Mode.WALKING, again=0.7), 1.0),
    *(_other(process, number) for process in OTHERS for number in ORDERLY),
    *(_launcher(mode) for mode in Mode),
)  # fmt: skip
