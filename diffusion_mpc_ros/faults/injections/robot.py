"""Injections of what the robot says of itself when it is asked to stand up."""

from __future__ import annotations

import time
from collections.abc import Iterator

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.injection import injection, must_refuse, suffering
from diffusion_mpc_ros.faults.lowstate_faults import LowStateFault

SITS = 5.0


@injection
def motor_off_at_stand_up(harness: Harness) -> Iterator[float]:
    """A motor is out of servo mode when the robot is asked to stand up."""
    harness.request("sit_down")
    harness.monitor.wait(lambda: harness.monitor.mode() is Mode.DAMPING, SITS)
    with suffering(harness, LowStateFault(motor_mode=0)) as start:
        time.sleep(0.2)
        must_refuse(harness, "stand_up", because="servo")
        yield start
