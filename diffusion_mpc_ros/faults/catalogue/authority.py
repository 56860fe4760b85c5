"""Who may move the robot."""

from __future__ import annotations

from diffusion_mpc_ros.faults.catalogue.basic import STOP_TICKS
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.expectation import HALTS, WALKS_ON, faults
from diffusion_mpc_ros.faults.injections import authority as inject
from diffusion_mpc_ros.faults.injections.authority import pad

STILL = (0.0, 0.0, 0.0)


def _moves_nothing(name: str, injected: str, injection, cmd_vel=STILL, quick: bool = False) -> Fault:
    return Fault(f"authority: {name}", injected, HALTS, injection, 3.0, cmd_vel=cmd_vel, quick=quick)


AUTHORITY = (
    _moves_nothing("gamepad of eight 1.0", "a Joy of eight 1.0 is the first message", inject.joy(pad(11, 8, (4,), 1.0)),
                   quick=True),
    _moves_nothing("gamepad without dead-man", "a stick pushed, the dead-man button not held",
                   inject.stick_without_dead_man()),
    _moves_nothing("unknown gamepad", "5 buttons and 3 axes, all pushed", inject.joy(pad(5, 3, (0, 1), 1.0))),
    _moves_nothing("gamepad held still falls silent", "its messages end with the stick pushed; cmd_vel goes on",
                   inject.held_still_beside_a_program(), cmd_vel=(0.4, 0.0, 0.0)),
    Fault("authority: B of a gamepad of 12 buttons and 6 axes", "its third button",
          faults("emergency stop", STOP_TICKS), inject.joy(pad(12, 6, (2,))), 0.5, held=True),
    Fault("authority: second program", "another publisher of cmd_vel asks for the opposite at 50 Hz", WALKS_ON,
          inject.second_program((-0.9, 0.3, 1.0))),
    _moves_nothing("nobody", "the only publisher of cmd_vel goes", inject.nobody(), cmd_vel=(0.4, 0.0, 0.0)),
    Fault("authority: held down", "somebody leans on it with 600 N", faults("is blocked"), inject.held_down(600.0),
          3.0),
)  # fmt: skip
