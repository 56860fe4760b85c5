"""Clocks and freshness."""

from __future__ import annotations

from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import faults
from diffusion_mpc_ros.faults.harness import Setup
from diffusion_mpc_ros.faults.injections import basic, clock

CLOCKS = Setup(clocks=True)
AGE, STALLED = "LowState age", "control loop stalled"


def _lowstate(name: str, injected: str, duration: float, quick: bool = False, **fault: float | str) -> Fault:
    return Fault(f"clock: {name}", injected, faults(AGE), basic.lowstate(**fault), duration, quick=quick)


CLOCK = (
    _lowstate("LowState frozen", "the same sample again and again", 1.0, quick=True, frozen="tick frozen"),
    _lowstate("LowState frozen, its clock runs on", "the same measurement under a new tick", 1.0,
              frozen="tick running"),
    _lowstate("delay grows to 150 ms", "by 50 ms a second", 4.0, delay_rate=0.05, delay_max=0.15),
    _lowstate("delay grows to 440 ms", "by 20 ms a second", 8.0, delay_rate=0.02, delay_max=0.44),
    *(
        Fault(f"clock: stopped within its step, {number}", "SIGSTOP of command_publisher for 150 ms", faults(STALLED),
              clock.stopped_at_random(0.15), 0.5)
        for number in range(1, 5)
    ),
    Fault("clock: computer suspended", "for 1 s: CLOCK_MONOTONIC stands still", faults(STALLED),
          clock.computer_stands_still(1.0, False), 0.5, CLOCKS),
    Fault("clock: virtual machine paused", "for 1 s: every clock that counts stands still",
          faults("the robot's clock ran on"), clock.computer_stands_still(1.0, True), 0.5, CLOCKS),
)  # fmt: skip
