"""Held up by others."""

from __future__ import annotations

from diffusion_mpc_ros.faults.catalogue.basic import STOP_TICKS
from diffusion_mpc_ros.faults.catalogue.ending import DAMPED
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import WALKS_ON, faults
from diffusion_mpc_ros.faults.harness import Setup
from diffusion_mpc_ros.faults.injections import basic, held, operator

FULL_PIPES = Setup(full_pipes=True)

HELD = (
    Fault("held: watchdog hung", "SIGSTOP of command_publisher's child", WALKS_ON, held.hung_watchdog(False), 6.0),
    Fault("held: watchdog hung, command_publisher killed", "SIGSTOP of the child, SIGKILL of its parent after 5 s",
          DAMPED, held.hung_watchdog(True), 1.0),
    Fault("held: commands cannot be sent", "the DDS writer is out of resources", faults("commands cannot be sent"),
          held.broken_writer(), 2.0, Setup(broken_writer=True), quick=True),
    Fault("held: output to full pipes", "nobody reads standard output and error", WALKS_ON, basic.nothing(), 5.0,
          FULL_PIPES),
    Fault("held: stop with output to full pipes", "the same, and a stop for 0 ms", faults("emergency stop", STOP_TICKS),
          operator.pulse(0.0), 0.5, FULL_PIPES),
)  # fmt: skip
