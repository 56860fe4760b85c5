"""Reward terms on what robots really did: the functions that guide a plan, in NumPy, with measured outcomes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffusion_mpc_ros.core.go2 import clip_joint_targets
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.trajectory import fields_of
from diffusion_mpc_ros.core.types import RewardSettings, RobotState
from diffusion_mpc_ros.policies.closed_loop import BatchController
from diffusion_mpc_ros.rewards.following import term_values, terms_reading
from diffusion_mpc_ros.rewards.outcomes import MEASURED, measure
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.rewards.terms import Segment
from diffusion_mpc_ros.simulation.batch import BatchState


def asked_terms(settings: RewardSettings) -> list[str]:
    """Return the terms that ``settings`` weigh, or set a parameter of, and whose outcomes a walk can be measured by."""

    def is_asked(name: str) -> bool:
        parameters = TERMS[name].parameters
        changed = any((settings.parameters.get(p.name, p.default_array) != p.default_array).any() for p in parameters)
        return changed or settings.weights.get(name, 0.0) != 0.0

    return [name for name in terms_reading(MEASURED) if is_asked(name)]


class TermMeter:
    """A :class:`BatchController` that measures the walk: penalties of terms, mean over windows of ``horizon`` ticks.

    ``presets``: whose terms, by whose parameters. Windows follow each other from control tick ``first`` on.
    """

    def __init__(
        self,
        controller: BatchController,
        presets: Mapping[str, RewardSettings],
        initial: BatchState,
        first: int,
        horizon: int,
    ) -> None:
        self._controller, self._presets, self._before = controller, presets, initial
        self._first, self._horizon = first, horizon
        self._rows: list[dict[str, np.ndarray]] = []
        self._sums: dict[tuple[str, str], np.ndarray] = {}
        self._windows = 0

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """Return what the controller answers."""
        targets = self._controller.joint_targets(state, command)
        if state.tick >= self._first:
            observation = observe(state, command, state.previous_action)
            self._rows.append(
                {
                    "row": np.concatenate([observation, clip_joint_targets(targets)], axis=-1),
                    "base_height": np.asarray(state.base_height),
                    "base_lin_vel": state.base_lin_vel,
                    "foot_height": self._before.foot_height,
                    "foot_positions": self._before.foot_pos,
                }
            )
        return targets

    def add(self, now: BatchState) -> None:
        """Take the state ``now`` after the tick that :meth:`joint_targets` was asked for."""
        self._before = now
        if self._rows:
            self._rows[-1]["mechanical_power"] = now.mechanical_power
        if len(self._rows) == self._horizon:
            self._add_window()

    def _add_window(self) -> None:
        window = {name: np.stack([row[name] for row in self._rows], axis=1) for name in self._rows[0]}
        segment = Segment(**fields_of(window.pop("row")), outcomes=measure(window))
        for preset, settings in self._presets.items():
            for term, value in term_values(asked_terms(settings), segment, settings).items():
                self._sums[preset, term] = self._sums.get((preset, term), 0.0) - value
        self._rows, self._windows = [], self._windows + 1

    def means(self) -> dict[tuple[str, str], np.ndarray]:
        """Penalties ``(B,)`` by preset and term; none before a whole window."""
        return {key: total / self._windows for key, total in self._sums.items()}
