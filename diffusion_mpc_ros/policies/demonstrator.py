"""The exported PPO demonstrator as a batch policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from diffusion_mpc_ros.artefacts import kinds
from diffusion_mpc_ros.artefacts.artefact import load_artefact
from diffusion_mpc_ros.artefacts.card import CARD_FILE
from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.trajectory import COMMAND
from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS, GaitClock, GaitCommand, GaitParameter

# Who walks as it is told, and who was trained further for an objective.
DEMONSTRATOR, SPECIALIST = "demonstrator", "specialist"
MODEL_FILE = kinds.DEMONSTRATOR.main

# (observation (B, 45), gait, clock (B, 2)) -> joint targets (B, 12) [rad]
GaitPolicy = Callable[[np.ndarray, GaitCommand, np.ndarray], np.ndarray]


def specialist_folder(models: Path, objective: str) -> Path:
    """Return where the specialist for ``objective`` is, among ``models`` or among runs."""
    return models / f"{SPECIALIST}_{objective}"


class DemonstratorPolicy:
    """``policy(observation (B, 45), gait, clock (B, 2)) -> joint targets (B, 12)`` [rad].

    ``gait_parameters``: the hidden numbers that this demonstrator takes, with its own ranges; what else a
    :class:`GaitCommand` says, and the clock where ``has_clock`` is False, it does not heed. Raises
    :class:`ArtefactError` as :func:`load_artefact` does, and for another joint order, or other inputs
    than the card says.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        artefact = load_artefact(folder, kinds.DEMONSTRATOR)
        self.sha256, card = artefact.identity, artefact.card["model"]
        card_path, model_path = folder / CARD_FILE, folder / MODEL_FILE
        if not isinstance(card, dict) or tuple(card.get("joint_order", ())) != go2.JOINT_NAMES:
            raise ArtefactError(f"{card_path} has not the joint order of this controller: {go2.JOINT_NAMES}")
        try:
            self.gait_parameters = {name: _parameter(name, entry) for name, entry in card["gait"].items()}
            self.has_clock = bool(card["clock"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtefactError(f"{card_path} does not say which gait inputs the demonstrator has: {error}") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            artefact.graphs[MODEL_FILE], options, providers=["CPUExecutionProvider"]
        )
        named = ["observation", *self.gait_parameters, *(["clock"] if self.has_clock else [])]
        inputs = [entry.name for entry in self._session.get_inputs()]
        if inputs != named:
            raise ArtefactError(f"{model_path} has the inputs {inputs}, {card_path} names {named}")

    def __call__(self, observation: np.ndarray, gait: GaitCommand, clock: np.ndarray) -> np.ndarray:
        inputs = {"observation": observation, "clock": clock} if self.has_clock else {"observation": observation}
        inputs |= {name: getattr(gait, name)[:, None] for name in self.gait_parameters}
        inputs = {name: value.astype(np.float32) for name, value in inputs.items()}
        return self._session.run(["joint_targets"], inputs)[0].astype(np.float64)


def _parameter(name: str, entry: dict[str, Any]) -> GaitParameter:
    if name not in GAIT_PARAMETERS:
        raise ValueError(f"unknown gait parameter {name!r}; there are {list(GAIT_PARAMETERS)}")
    known = GAIT_PARAMETERS[name]
    low, high = map(float, entry["range"])
    if entry["unit"] != known.unit or not low < high:
        raise ValueError(f"{name} is {entry}, not a range low < high in {known.unit}")
    return known._replace(low=low, high=high)


class DemonstratorWalker:
    """The demonstrator walking B robots: a batch controller that keeps each one's gait and clock."""

    def __init__(self, policy: GaitPolicy, gait: GaitCommand) -> None:
        self._policy = policy
        self.gait = gait
        self.clock = GaitClock(len(gait.base_height))

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """Joint targets ``(B, 12)`` [rad] for commands ``(B, 3)``; the clock advances by one tick."""
        return self.act(observe(state, command, state.previous_action))

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return the same for observations ``(B, 45)``."""
        command = observation[:, COMMAND]
        targets = self._policy(observation, self.gait, self.clock.features(command))
        self.clock.step(command, self.gait.step_frequency)
        return targets
