"""The three models of D-MPC as functions: physical arrays in, physical arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusion_mpc_ros.core.go2 import NUM_JOINTS
from diffusion_mpc_ros.core.transition import ACTION, COMMAND, STATE
from diffusion_mpc_ros.diffusion.conditional import Denoiser, sample
from diffusion_mpc_ros.planners.d_mpc.description import Description


class Proposals:
    """``rho(a_{t:t+F} | s_t, a_{t-1}, command)``: action sequences, of which leading ones may be given."""

    def __init__(self, description: Description, network: Denoiser, steps: int) -> None:
        self.description, self._network, self.steps = description, network, steps

    def with_steps(self, steps: int) -> Proposals:
        """Return the same model, sampling by other ``steps``; one step from noise 0 says the mean."""
        return Proposals(self.description, self._network, steps)

    def __call__(
        self, noise: np.ndarray, state: np.ndarray, previous: np.ndarray, command: np.ndarray, committed: np.ndarray
    ) -> np.ndarray:
        """Return actions ``(n, F, 12)`` [rad] from standard normal ``noise (n, F, 12)``.

        ``state (n, 34)``, ``previous (n, 12)``, ``command (n, 3)``; ``committed (n, d, 12)``: the first d actions.
        """
        normalizer, rows = self.description.normalizer, self.description.rows
        count = committed.shape[1]
        condition = np.concatenate(
            [
                normalizer.normalize(state, STATE),
                normalizer.normalize(previous, ACTION),
                normalizer.normalize(command, COMMAND),
                np.broadcast_to(np.arange(rows) < count, (len(noise), rows)),
            ],
            axis=1,
        )
        known = np.zeros(noise.shape)
        known[:, :count] = normalizer.normalize(committed, ACTION)
        is_known = np.repeat(np.arange(rows) < count, NUM_JOINTS)
        flat = sample(
            self._network, self.description.schedule, noise.reshape(len(noise), -1), condition, self.steps,
            known.reshape(len(noise), -1), is_known,
        )  # fmt: skip
        return normalizer.unnormalize(flat.reshape(noise.shape), ACTION)


class Dynamics:
    """``p(s_{t+1:t+F} | s_t, a_{t-1}, a_{t:t+F})``: what F actions lead to, all ticks at once."""

    def __init__(self, description: Description, network: Denoiser, steps: int) -> None:
        self.description, self._network, self.steps = description, network, steps
        normalizer = description.normalizer
        self._scale = description.scale * normalizer.std[STATE]  # (F, 34), physical

    def with_steps(self, steps: int) -> Dynamics:
        """Return the same model, sampling by other ``steps``."""
        return Dynamics(self.description, self._network, steps)

    @property
    def samples(self) -> bool:
        """Whether it draws samples; with one step it says the mean."""
        return self.steps > 1

    def __call__(self, noise: np.ndarray, state: np.ndarray, previous: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return states ``(n, F, 34)`` after each of ``actions (n, F, 12)`` [rad].

        ``state (n, 34)``, ``previous (n, 12)``; ``noise (n, F, 34)`` is standard normal, and read where it
        :attr:`samples`.
        """
        normalizer = self.description.normalizer
        condition = np.concatenate(
            [
                normalizer.normalize(state, STATE),
                normalizer.normalize(previous, ACTION),
                normalizer.normalize(actions, ACTION).reshape(len(actions), -1),
            ],
            axis=1,
        )
        begin = noise.reshape(len(noise), -1) if self.samples else np.zeros((len(actions), self._scale.size))
        flat = sample(self._network, self.description.schedule, begin, condition, self.steps)
        return state[:, None] + self._scale * flat.reshape(len(actions), *self._scale.shape)


class Values:
    """Outcomes of what F actions did, and what comes after: named predictions of a window."""

    def __init__(self, description: Description, network: Any) -> None:
        self.description, self._network = description, network

    def __call__(
        self, state: np.ndarray, command: np.ndarray, actions: np.ndarray, states: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the predictions ``(n,)`` by name, for ``state (n, 34)`` and what followed it (as in Dynamics)."""
        normalizer = self.description.normalizer
        features = np.concatenate(
            [
                normalizer.normalize(state, STATE),
                normalizer.normalize(command, COMMAND),
                normalizer.normalize(actions, ACTION).reshape(len(actions), -1),
                normalizer.normalize(states, STATE).reshape(len(states), -1),
            ],
            axis=1,
        )
        predicted = self._network(features)
        return dict(zip(self.description.predictions, predicted.T))
