"""What one turn of the control loop did: what is reported of it."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.control.authority import Holding
from diffusion_mpc_ros.control.supervisor import SupervisorOutput
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.realtime.action_buffer import ExecutedRow


@dataclass(frozen=True)
class ControlStep:
    """One turn of the loop: what was sent for ``tick``, from which row, ``lateness`` [s] after the deadline."""

    tick: int
    output: SupervisorOutput
    row: ExecutedRow | None
    lowstate: LowState | None
    holding: Holding
    lateness: float
