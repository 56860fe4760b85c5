"""Rollouts with numbers that are known, for tests."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.trajectory import BASE_ANG_VEL, COMMAND, OBSERVATION_DIM
from diffusion_mpc_ros.training.finetuning.rollouts import Rollouts


def made_rollouts(command: np.ndarray, velocity: np.ndarray, **changed: np.ndarray) -> Rollouts:
    """Robots told ``command (E, L, 3)`` that walk ``velocity (E, L, 3)``; nothing falls unless ``changed`` says so."""
    robots, ticks = command.shape[:2]
    observation = np.zeros((robots, ticks, OBSERVATION_DIM), dtype=np.float32)
    observation[..., COMMAND] = command
    observation[..., BASE_ANG_VEL.start + 2] = velocity[..., 2]
    base_lin_vel = np.zeros((robots, ticks, 3), dtype=np.float32)
    base_lin_vel[..., :2] = velocity[..., :2]
    nothing = np.zeros((robots, ticks), dtype=bool)
    arrays = {
        "observation": observation,
        "action": np.zeros((robots, ticks, 12), dtype=np.float32),
        "executed": np.zeros((robots, ticks, 12), dtype=np.float32),
        "base_lin_vel": base_lin_vel,
        "base_height": np.full((robots, ticks), 0.3, dtype=np.float32),
        "fresh": nothing.copy(),
        "fell": nothing.copy(),
        "pushed": nothing.copy(),
        "group": np.zeros(robots, dtype=int),
    }
    return Rollouts(**{**arrays, **changed})


def constant(robots: int, ticks: int, *values: float) -> np.ndarray:
    """``values`` at every tick of every robot ``(E, L, 3)``."""
    return np.tile(np.array(values, dtype=np.float32), (robots, ticks, 1))
