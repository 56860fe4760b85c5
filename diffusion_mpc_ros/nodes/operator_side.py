"""The operator as the control loop sees one: who holds the robot, what is asked for, who has stopped it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from diffusion_mpc_ros.control.authority import REMOTE, Holding
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs, Request

NOBODY = Holding("", False, np.zeros(3))


class OperatorSide:
    """``inputs``, and what reads the operator's topics into them; for the control loop's thread but :meth:`remote`.

    ``read(lowstate, walking)`` tells who holds the robot, ``read_stops`` reads emergency stops alone. What the first
    raises is counted in ``failures``, and then nobody holds the robot.
    """

    def __init__(
        self,
        inputs: OperatorInputs,
        read: Callable[[LowState | None, bool], Holding] = lambda lowstate, walking: NOBODY,
        read_stops: Callable[[], None] = lambda: None,
    ) -> None:
        self.inputs, self.failures = inputs, 0
        self._read, self._read_stops = read, read_stops

    def holding(self, lowstate: LowState | None, walking: bool) -> Holding:
        """Read the operator's topics; where a foreign message breaks that, nobody holds the robot."""
        try:
            return self._read(lowstate, walking)
        except Exception:  # noqa: BLE001
            self.failures += 1
            return NOBODY

    def request(self, refusal: str = "") -> Request | None:
        """Return the next request that nobody refuses; with a ``refusal`` that one is answered by it."""
        request = self.inputs.take()
        if request is not None and refusal:
            request.answer(False, f"{request.event.value} refused: {refusal}")
            return None
        return request

    def refuse_all(self, refusal: str) -> None:
        """Answer every request with ``refusal``."""
        while (request := self.inputs.take()) is not None:
            request.answer(False, f"{request.event.value} refused: {refusal}")

    def read_stops(self) -> None:
        """Read emergency stops that have come since."""
        self._read_stops()

    def remote(self, state: GamepadState) -> None:
        """Take a state of the robot's remote, from any thread."""
        self.inputs.gamepad(REMOTE, state, math.inf)
