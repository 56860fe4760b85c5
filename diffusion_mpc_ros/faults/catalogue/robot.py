"""What the robot says of itself."""

from __future__ import annotations

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import WALKS_ON, Expectation, faults
from diffusion_mpc_ros.faults.injections import basic as inject
from diffusion_mpc_ros.faults.injections.robot import motor_off_at_stand_up

REFUSED = Expectation("refused in words, stays damped", (Mode.DAMPING,), upright=False, lies=True)


def _says(name: str, injected: str, quick: bool = False, **says: float) -> Fault:
    return Fault(f"robot: {name}", injected, WALKS_ON, inject.lowstate(**says), 4.0, quick=quick)


ROBOT = (
    Fault("robot: motor out of servo mode while walking", "one motor's mode is 0",
          faults("FL_calf_joint motor is not in servo mode"), inject.lowstate(motor_mode=0), 1.0, quick=True),
    Fault("robot: motor out of servo mode at stand-up", "one motor's mode is 0", REFUSED, motor_off_at_stand_up(), 1.0),
    _says("battery reads 0 now and then", "one sample of fifty", soc=0, odd=0.02),
    _says("hot motor now and then", "120 degC, one sample of fifty", temperature=120, odd=0.02),
    _says("battery reads 200 %", "every sample", soc=200),
    _says("all-zero battery", "every sample", no_battery=True),
    _says("motor at -5 degC", "the byte 251", temperature=251),
    _says("dead foot sensor", "one of four reads 0", foot_gain=0.0),
    _says("weak foot sensor", "one of four at three tenths", foot_gain=0.3),
    _says("weak foot sensors", "all four at half", feet_gain=0.5),
)  # fmt: skip
