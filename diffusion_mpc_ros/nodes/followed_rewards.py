"""The reward settings that plans are made with: such as the planner can follow, whichever artefact it plans with."""

from __future__ import annotations

import threading

from diffusion_mpc_ros.constraints.registry import CONSTRAINTS, check_feasible
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner
from diffusion_mpc_ros.rewards.composition import RewardComposer


class FollowedRewards:
    """The newest settings that ``planner`` can follow; any thread may call.

    What comes is checked against a successor as well, once it is to make the next plan; until then the successor is
    checked against what has come. One of them at a time.
    """

    def __init__(self, planner: AnytimePlanner) -> None:
        self.settings = RewardSettings()
        self._planner, self._deciding = planner, threading.Lock()
        self._composer = RewardComposer({}, CONSTRAINTS, check=check_feasible)

    def take(self, rewards: RewardSettings) -> None:
        """Plan with ``rewards`` from now on; raises :class:`RewardError`, changing nothing, where that cannot be."""
        with self._deciding:
            try:
                self._composer.validate(rewards)
                self._planner.check(rewards)
            except RewardError as error:
                text = f"reward revision {rewards.revision} is not followed, {self.settings.revision} stays: {error}"
                raise RewardError(text) from error
            self.settings = rewards

    def hand_over(self, successor: AnytimePlanner) -> None:
        """Let ``successor`` make the next plan; raises :class:`RewardError` where it cannot follow the settings."""
        with self._deciding:
            successor.check(self.settings)
            self._planner.succeed(successor)
