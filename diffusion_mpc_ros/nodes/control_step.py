"""What one turn of the control loop did, and handing that on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffusion_mpc_ros.control.authority import Holding
from diffusion_mpc_ros.control.supervisor import SupervisorOutput
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.realtime.action_buffer import ExecutedRow
from diffusion_mpc_ros.realtime.latency import LatencyStatistics
from diffusion_mpc_ros.realtime.measurement import LATE


@dataclass(frozen=True)
class ControlStep:
    """One turn of the loop: what was sent for ``tick``, from which row, ``lateness`` [s] after the deadline."""

    tick: int
    output: SupervisorOutput
    row: ExecutedRow | None
    lowstate: LowState | None
    holding: Holding
    lateness: float


class StepReports:
    """Hands each step to ``on_step``; what that raises is counted in ``failures`` and stops nothing."""

    def __init__(self, on_step: Callable[[ControlStep], None]) -> None:
        self.failures = 0
        self.lateness = LatencyStatistics(LATE)
        self.times = LatencyStatistics(LATE)  # how long the next tick waits for the report of this one
        self._on_step = on_step

    def add(self, step: ControlStep) -> None:
        """Report ``step``."""
        self.lateness.add(step.lateness)
        start = clock.now()
        try:
            self._on_step(step)
            self.times.add(clock.now() - start)
        except Exception:  # noqa: BLE001 - a report that fails must not drop the robot
            self.failures += 1
