"""Neighbours on the wire."""

from __future__ import annotations

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import Expectation, faults
from diffusion_mpc_ros.faults.injections import neighbour as inject

SECOND, OTHERS = "a second source of LowState", "other publishers of rt/lowcmd"
REFUSED = Expectation("refused in words, stays damped", (Mode.DAMPING,), upright=False, lies=True)

NEIGHBOUR = (
    Fault("neighbour: second LowState while walking", "another robot's, its clock 100 s behind", faults(SECOND),
          inject.second_lowstate(100_000), 1.0, quick=True),
    Fault("neighbour: replayed LowState", "a recording of a second ago", faults(SECOND), inject.second_lowstate(1_000),
          1.0),
    Fault("neighbour: second LowState at stand-up", "another source while the robot lies", REFUSED,
          inject.second_lowstate_at_stand_up(), 1.0),
    Fault("neighbour: LowCmd writer whose user data is no text", "FF FE", faults(OTHERS),
          inject.odd_writer(b"\xff\xfe"), 1.0),
    Fault("neighbour: LowCmd writer whose partition is no text", "FF FE", faults(OTHERS),
          inject.odd_writer(b"", b"\xff\xfe"), 1.0),
)  # fmt: skip
