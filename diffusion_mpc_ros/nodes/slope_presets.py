"""Where ``reward_composer`` hears of the ground's slope: from ``robot_state``, while it is asked to."""

from __future__ import annotations

import math
from collections.abc import Callable

from diffusion_mpc_msgs import msg as messages
from rclpy.subscription import Subscription

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.estimation.ground_slope import GroundSlope
from diffusion_mpc_ros.nodes.conversions.robot_states import read_robot_state
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.qos import LATEST
from diffusion_mpc_ros.rewards.by_slope import PresetBySlope

# A choice is made each so many seconds, from a state that is no older than this [s].
PERIOD, STALE = 0.1, 0.5


class SlopePresets:
    """Calls ``fill`` of ``node`` with a preset ("" for none) and the slope [rad] that asks for it, at every change.

    It subscribes while it is switched :attr:`on`; ``threshold`` [deg] as of :class:`PresetBySlope`.
    """

    def __init__(self, node: ManagedNode, threshold: float, fill: Callable[[str, float], None]) -> None:
        self._node, self._fill = node, fill
        self._choice = PresetBySlope(threshold)
        self._subscription: Subscription | None = None
        self._ground, self._slope, self._heard = GroundSlope(), math.nan, -math.inf
        self._timer = node.every(PERIOD, self._choose)
        self._timer.cancel()

    def switch(self, on: bool) -> None:
        """Listen and choose from now on, or no longer; then there is no preset."""
        if on and self._subscription is None:
            self._ground = GroundSlope()
            self._subscription = self._node.intake.subscribe(
                messages.RobotState, "robot_state", read_robot_state, self._on_state, LATEST
            )
            self._timer.reset()
        elif not on and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._timer.cancel()
            if self._choice.preset:
                self._fill("", self._slope)
            self._choice = PresetBySlope(self._choice.threshold)

    def set_threshold(self, threshold: float) -> None:
        """Choose by another slope [deg] from now on."""
        self._choice.threshold = threshold

    def _on_state(self, state: RobotState) -> None:
        self._slope, self._heard = float(self._ground.update(state)[0]), clock.now()

    def _choose(self) -> None:
        now, before = clock.now(), self._choice.preset
        slope = self._slope if now - self._heard <= STALE else math.nan
        if self._choice.update(now, slope) != before:
            self._fill(self._choice.preset, slope)
