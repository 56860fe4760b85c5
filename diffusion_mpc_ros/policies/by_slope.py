"""The walk of `reward_composer` with ``slope_presets`` in a batch: rewards that the slope of the ground chooses."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.estimation.ground_slope import GroundSlope
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.policies.condition_walks import shipped_planner
from diffusion_mpc_ros.policies.objectives import make_composer
from diffusion_mpc_ros.realtime.velocity_feedback import VELOCITY_FEEDBACK
from diffusion_mpc_ros.rewards.by_slope import PresetBySlope


class BySlopeController:
    """The asynchronous planner of ``artefact`` with the preset that the slope under the median robot asks for.

    A batch shares its reward weights: so the robots, all on the same slope, get the preset together. ``options``
    as of :func:`shipped_planner`.
    """

    def __init__(
        self, artefact: Prior, seed: int, *, velocity_feedback: float = VELOCITY_FEEDBACK, **options: Any
    ) -> None:
        self._composer, self._ground, self._choice = make_composer(), GroundSlope(), PresetBySlope()
        planner = shipped_planner(artefact, seed, **options)
        self._walker = AsynchronousController(
            planner, lambda tick: self._composer.at(tick * CONTROL_DT), velocity_feedback=velocity_feedback
        )

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """See :class:`BatchController`."""
        now, before = state.tick * CONTROL_DT, self._choice.preset
        if self._choice.update(now, float(np.median(self._ground.update(state)[:, 0]))) != before:
            self._composer.fill(now, self._choice.preset)
        return self._walker.joint_targets(state, command)
