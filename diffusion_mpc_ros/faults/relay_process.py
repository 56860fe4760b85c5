"""The parent's side of the relay between robot and controller."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.commands.answering_child import AnsweringChild
from diffusion_mpc_ros.faults.lowstate_faults import LowStateFault

STOP_TIMEOUT = 5.0


class RelayProcess(AnsweringChild):
    """``python -m diffusion_mpc_ros.faults.relay`` while a ``with`` statement lasts."""

    def __init__(self, network_interface: str, robot_domain: int, controller_domain: int, log: Path) -> None:
        arguments = [network_interface, str(robot_domain), str(controller_domain)]
        super().__init__("relay", "diffusion_mpc_ros.faults.relay", arguments, log, STOP_TIMEOUT)
        self.realtime = bool(self.first["realtime"])

    def set_fault(self, fault: LowStateFault, seed: int = 0) -> float:
        """Have LowStates suffer ``fault`` from the returned local monotonic time [s] on."""
        return self.ask(do="fault", seed=seed, **asdict(fault))["time"]

    def shift_clock(self, milliseconds: int) -> float:
        """Have the robot's clock jump; the returned local monotonic time [s] is when."""
        return self.ask(do="shift_clock", milliseconds=milliseconds)["time"]

    def permit(self) -> None:
        """Say that the operator is about to ask for motion."""
        self.ask(do="permit")

    def hold(self, held: bool) -> None:
        """Say whether somebody holds the robot from now on."""
        self.ask(do="hold", held=held)

    def expect_silence(self) -> None:
        """Say that the computer of the controller stands still: nobody is there who could say anything."""
        self.ask(do="expect_silence")

    def report(self, since: float) -> dict[str, Any]:
        """Return what crossed after monotonic ``since`` [s], and what of all was unsafe (``LowCmdAudit.report``)."""
        return self.ask(do="report", since=since)
