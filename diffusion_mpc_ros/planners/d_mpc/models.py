"""The three models of D-MPC as functions: physical arrays in, physical arrays out.

Each stands for itself, with its own normaliser in its own part of the card, so that any of them can be another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusion_mpc_ros.core import transition
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, NUM_JOINTS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.transition import ACTION, COMMAND, STATE, STATE_DIM
from diffusion_mpc_ros.diffusion.conditional import Denoiser, sample
from diffusion_mpc_ros.diffusion.normalizer import TransitionNormalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule

LEVEL = 2
# Of the predictions: mean squared tracking error of the second after the window (training/d_mpc/value.py).
COST_TO_GO = "tracking_cost_to_go"
# Rows that a model may have.
MAX_ROWS = 256


def border() -> dict[str, Any]:
    """Return what a model must have in common with this controller, as the card says it."""
    return {
        "control_dt": CONTROL_DT,
        "state": dict(transition.STATE_FIELDS),
        "joint_order": list(JOINT_NAMES),
        "gains": {"kp": WALKING_KP, "kd": WALKING_KD},
    }


@dataclass(frozen=True)
class Description:
    """What a model's part of the card says: ``rows`` F, its normaliser and schedule, and what it alone has.

    ``replan_margin``: of proposals, the most committed actions that they were trained with. ``scale (F, 34)``: of
    dynamics, how far states get from the first one, normalised. ``predictions``: of values, their units by name.
    What a model has not is 0 or empty.
    """

    rows: int
    normalizer: TransitionNormalizer
    schedule: NoiseSchedule
    replan_margin: int = 0
    scale: np.ndarray = field(default_factory=lambda: np.zeros((0, STATE_DIM)))
    predictions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the part of the card."""
        schedule = {"steps": self.schedule.steps, "offset": self.schedule.offset, "max_beta": self.schedule.max_beta}
        part = {"rows": self.rows, "normalizer": self.normalizer.to_json(), "schedule": schedule, **border()}
        part["replan_margin"] = self.replan_margin
        part["scale"] = self.scale.tolist()
        part["predictions"] = dict(self.predictions)
        return part

    @classmethod
    def from_json(cls, part: Any, name: str) -> Description:
        """Inverse of :meth:`to_json`; raises :class:`ArtefactError` naming the model and what does not fit."""
        try:
            rows, scale = part["rows"], np.asarray(part["scale"], dtype=np.float64).reshape(-1, STATE_DIM)
            if type(rows) is not int or not 1 <= rows <= MAX_ROWS:
                raise ArtefactError(f"rows are 1 .. {MAX_ROWS}, got {rows!r}")
            for key, expected in border().items():
                if part.get(key) != expected:
                    raise ArtefactError(f"its {key!r} is {part.get(key)!r}, this controller needs {expected!r}")
            if len(scale) not in (0, rows) or not np.isfinite(scale).all():
                raise ArtefactError(f"its scale must be finite numbers ({rows}, {STATE_DIM})")
            return cls(
                rows,
                TransitionNormalizer.from_json(part["normalizer"]),
                NoiseSchedule(**part["schedule"]),
                int(part["replan_margin"]),
                scale,
                dict(part["predictions"]),
            )
        except (LookupError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
            raise ArtefactError(f"the card's part of the {name} is not readable: {error!r}") from None


def proposal_sizes(rows: int) -> dict[str, int]:
    """Return the inputs of the proposals' graph: noisy actions, level, and the condition of :meth:`Proposals`."""
    return {"noisy": rows * NUM_JOINTS, "level": LEVEL, "condition": STATE_DIM + NUM_JOINTS + 3 + rows}


def dynamics_sizes(rows: int) -> dict[str, int]:
    """Return the inputs of the dynamics' graph: noisy changes, level, and the condition of :meth:`Dynamics`."""
    return {"noisy": rows * STATE_DIM, "level": LEVEL, "condition": STATE_DIM + NUM_JOINTS + rows * NUM_JOINTS}


def value_sizes(rows: int) -> dict[str, int]:
    """Return the input of the values' graph."""
    return {"features": STATE_DIM + 3 + rows * (NUM_JOINTS + STATE_DIM)}


class Proposals:
    """``rho(a_{t:t+F} | s_t, a_{t-1}, command)``: action sequences, of which leading ones may be given."""

    def __init__(self, description: Description, network: Denoiser, steps: int) -> None:
        self.description, self._network, self.steps = description, network, steps

    def __call__(
        self,
        noise: np.ndarray,
        state: np.ndarray,
        previous: np.ndarray,
        command: np.ndarray,
        committed: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return actions ``(n, F, 12)`` [rad] from standard normal ``noise (n, F, 12)``.

        ``state (n, 34)``, ``previous (n, 12)``, ``command (n, 3)``; ``committed (n, d, 12)``: the first d actions.
        """
        normalizer, rows = self.description.normalizer, self.description.rows
        count = 0 if committed is None else committed.shape[1]
        flags = np.broadcast_to(np.arange(rows) < count, (len(noise), rows))
        condition = np.concatenate(
            [
                normalizer.normalize(state, STATE),
                normalizer.normalize(previous, ACTION),
                normalizer.normalize(command, COMMAND),
                flags,
            ],
            axis=1,
        )
        known = np.zeros(noise.shape)
        if committed is not None:
            known[:, :count] = normalizer.normalize(committed, ACTION)
        is_known = np.repeat(np.arange(rows) < count, NUM_JOINTS)
        flat = sample(
            self._network, self.description.schedule, noise.reshape(len(noise), -1), condition, self.steps,
            known.reshape(len(noise), -1), is_known,
        )  # fmt: skip
        actions = normalizer.unnormalize(flat.reshape(noise.shape), ACTION)
        if committed is not None:
            actions[:, :count] = committed
        return actions


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
