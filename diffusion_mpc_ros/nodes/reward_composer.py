"""The node ``reward_composer``: reward weights, parameters and constraints of the planner, changed while it runs.

Services ``set_reward_weights`` and ``get_reward_weights``; the weights are also the ROS parameters ``weights.<term>``.
With ``slope_presets`` the slope of the ground, from ``robot_state``, weighs what the operator does not. Publishes
``reward_weights``, transient-local: the settings in force, at every tick of a ramp.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from diffusion_mpc_msgs.msg import RewardWeights
from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter as RosParameter

from diffusion_mpc_ros.constraints.registry import CONSTRAINTS, check_feasible
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.settings import values_of
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.nodes import reward_requests
from diffusion_mpc_ros.nodes.conversions.rewards import reward_weights_message
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.qos import SETTINGS
from diffusion_mpc_ros.nodes.reward_settings import RewardComposerSettings
from diffusion_mpc_ros.nodes.runtime import run
from diffusion_mpc_ros.nodes.slope_presets import SlopePresets
from diffusion_mpc_ros.rewards.by_slope import DOWNHILL, UPHILL
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.rewards.presets import load_presets

# Prefix of the weights among the parameters.
WEIGHTS = "weights."


class RewardComposerNode(ManagedNode):
    """Decodes requests for the :class:`RewardComposer`, publishes what it composes, mirrors the weights."""

    def __init__(self) -> None:
        super().__init__("reward_composer")
        settings = self.declare(RewardComposerSettings)
        presets = load_presets(config_file("rewards.yaml"))
        self._composer = RewardComposer(presets, CONSTRAINTS, settings.ramp_time, check=check_feasible)
        initial = values_of(settings.weights)
        if initial != self._composer.target.weights:
            self._composer.apply(time.monotonic(), initial, ramp_time=0.0)
        self._mirroring = False
        self.add_on_set_parameters_callback(self._on_parameters)
        self._publisher = self.create_publisher(RewardWeights, "reward_weights", SETTINGS)
        self._ramp = self.every(CONTROL_DT, self._publish)
        self.create_service(SetRewardWeights, "set_reward_weights", self._on_set)
        self.create_service(GetRewardWeights, "get_reward_weights", self._on_get)
        self._slope_presets = SlopePresets(self, settings.slope_threshold, self._fill)
        self._check_slope_presets(settings.slope_presets)
        self._slope_presets.switch(settings.slope_presets)

    def _publish(self) -> None:
        """Return the settings in force now; the timer rests once a ramp has ended."""
        settings = self._composer.at(time.monotonic())
        self._publisher.publish(reward_weights_message(settings, self.stamp()))
        if settings is self._composer.goal:
            self._ramp.cancel()

    def _change(self, change: Callable[[], RewardSettings]) -> RewardSettings:
        """Apply ``change`` and start publishing its ramp; raises RewardError, changing nothing."""
        settings = change()
        self.get_logger().info(f"reward revision {settings.revision}: {reward_requests.describe(settings)}")
        self._ramp.reset()
        return settings

    def _check_slope_presets(self, wanted: bool) -> None:
        """Raise RewardError where rewards.yaml lacks one that is ``wanted``."""
        for name in (UPHILL, DOWNHILL) if wanted else ():
            self._composer.preset_settings(name)

    def _fill(self, preset: str, slope: float) -> None:
        """Weigh what the operator does not by ``preset`` from now on, because of a ``slope`` [rad]."""
        settings = self._composer.fill(time.monotonic(), preset)
        ground = f"{'up' if slope > 0.0 else 'down'}hill of {abs(math.degrees(slope)):.0f} deg"
        said = f"{ground if math.isfinite(slope) else 'unknown slope'}: {f'preset {preset}' if preset else 'no preset'}"
        self.get_logger().info(f"{said}; reward revision {settings.revision}: {reward_requests.describe(settings)}")
        self._ramp.reset()

    def _on_set(
        self, request: SetRewardWeights.Request, response: SetRewardWeights.Response
    ) -> SetRewardWeights.Response:
        try:
            settings = self._change(lambda: reward_requests.apply(self._composer, request, time.monotonic()))
            response.success, response.message = True, reward_requests.describe(settings)
            self._mirror(settings)
        except RewardError as error:
            response.success, response.message = False, str(error)
        response.revision = self._composer.target.revision
        return response

    def _on_get(self, _: GetRewardWeights.Request, response: GetRewardWeights.Response) -> GetRewardWeights.Response:
        current = reward_weights_message(self._composer.target, self.stamp())
        return reward_requests.fill(response, current, self._composer)

    def _mirror(self, settings: RewardSettings) -> None:
        """Show the new target in the ROS parameters."""
        self._mirroring = True
        try:
            self.set_parameters([RosParameter(WEIGHTS + name, value=value) for name, value in settings.weights.items()])
        finally:
            self._mirroring = False

    def _on_parameters(self, parameters: list[RosParameter]) -> SetParametersResult:
        values = {parameter.name: parameter.value for parameter in parameters}
        weights = {name.removeprefix(WEIGHTS): value for name, value in values.items() if name.startswith(WEIGHTS)}
        try:
            self._check_slope_presets(values.get("slope_presets", False))
            if weights and not self._mirroring:
                self._change(lambda: self._composer.apply(time.monotonic(), weights))
        except RewardError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if "slope_threshold" in values:
            self._slope_presets.set_threshold(values["slope_threshold"])
        if "slope_presets" in values:
            self._slope_presets.switch(values["slope_presets"])
        return SetParametersResult(successful=True)


def main() -> None:
    """Console entry point."""
    run(RewardComposerNode)


if __name__ == "__main__":
    main()
