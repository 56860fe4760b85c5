"""How much of what a reward term penalises the robot does, by what is measured of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.trajectory import ACTION
from diffusion_mpc_ros.core.types import RewardSettings, RobotState
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.rewards.terms import Segment

# Outcomes that the robot's state tells, and the terms that need no others.
OUTCOMES = ("base_height", "base_lin_vel", "mechanical_power")
MEASURED = tuple(name for name, term in TERMS.items() if set(term.reads) <= set(OUTCOMES))
# Where nothing is asked for.
DEFAULT = "joint_velocity"
# Rows that a term is averaged over: the horizon, and the one that terms leave out.
ROWS = 12


class Penalty:
    """The terms' own functions on the last :data:`ROWS` ticks of the walk, in the place of a plan's."""

    def __init__(self) -> None:
        self._rows: deque[np.ndarray] = deque(maxlen=ROWS)
        self._outcomes: dict[str, deque[np.ndarray]] = {name: deque(maxlen=ROWS) for name in OUTCOMES}
        self._tick = -1

    def add(self, state: RobotState, velocity: np.ndarray) -> None:
        """Take the robot's state at a tick and the velocity asked for ``(3,)``; a gap between ticks starts anew."""
        if state.tick != self._tick + 1:
            self._rows.clear()
        self._tick = state.tick
        row = observe(state, velocity, state.previous_action)
        # The action of a tick is the previous action of the next one.
        if self._rows:
            self._rows[-1][ACTION] = state.previous_action
        self._rows.append(np.concatenate([row, state.previous_action]))
        power = np.abs(state.joint_torque * state.joint_vel).sum()
        for name, value in zip(OUTCOMES, (state.base_height, state.base_lin_vel[:2], power)):
            self._outcomes[name].append(np.asarray(value))

    @property
    def known(self) -> bool:
        """Whether there are enough ticks to tell any."""
        return len(self._rows) == ROWS

    def active(self, settings: RewardSettings | None) -> str:
        """Return the measured term that weighs most now: weight times penalty; DEFAULT where none is asked for."""
        weights = {} if settings is None else settings.weights
        asked = {name: weights[name] for name in MEASURED if weights.get(name, 0.0) > 0.0}
        if not asked or not self.known:
            return DEFAULT
        return max(asked, key=lambda name: asked[name] * self.of(name, settings.parameters))

    def of(self, name: str, parameters: Mapping[str, np.ndarray]) -> float:
        """Return ``-R`` of the term, in its unit, at least 0; NaN before there are enough ticks."""
        if not self.known:
            return float("nan")
        term = TERMS[name]
        values = {p.name: parameters.get(p.name, p.default_array) for p in term.parameters}
        # Means over the rows, as a plan's.
        outcomes = {name: np.mean(list(seen)[:-1], axis=0)[None] for name, seen in self._outcomes.items()}
        return -float(term(Segment.of(np.stack(self._rows)[None], outcomes), values)[0])
