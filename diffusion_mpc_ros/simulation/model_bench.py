"""What a cheaper model gets wrong and how fast it is, beside the full one at 2 ms, on the same starts and targets."""

from __future__ import annotations

import time

import numpy as np

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.simulation.planner_models import PLANNER_MODELS, planner_model
from diffusion_mpc_ros.simulation.rollout import Rollout, Rollouts
from diffusion_mpc_ros.simulation.state import State

REFERENCE = next(iter(PLANNER_MODELS))
# A trot on the spot, from which every candidate's targets deviate: its frequency [Hz], and amplitudes [rad].
TROT_FREQUENCY, TROT_AMPLITUDES = 2.0, np.array([0.0, 0.15, -0.3])
_TROT_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])  # FR FL RR RL


def targets(candidates: int, horizon: int, seed: int) -> np.ndarray:
    """Joint targets ``(1, N, H, 12)`` [rad]: a trot with another phase, size and smooth noise for each candidate."""
    rng = np.random.default_rng(seed)
    ticks = go2.CONTROL_DT * np.arange(horizon)
    phase = 2.0 * np.pi * (TROT_FREQUENCY * ticks + rng.uniform(size=(candidates, 1)))
    wave = np.sin(phase)[:, :, None, None] * _TROT_SIGNS[:, None] * TROT_AMPLITUDES
    size = rng.uniform(0.3, 1.5, size=(candidates, 1, 1, 1))
    knots = rng.normal(0.0, 0.1, size=(candidates, 5, go2.NUM_JOINTS))
    at = np.linspace(0.0, 4.0, horizon)
    low = np.minimum(at.astype(int), 3)
    noise = knots[:, low] + (at - low)[:, None] * (knots[:, low + 1] - knots[:, low])
    moved = go2.DEFAULT_JOINT_POS + (size * wave).reshape(candidates, horizon, go2.NUM_JOINTS) + noise
    return go2.clip_joint_targets(moved)[None]


def measure(name: str, candidates: int, horizon: int, repeats: int, seed: int = 0) -> dict[str, float]:
    """Errors at the end of ``horizon`` ticks against the reference, and the time of the rollouts, the best of runs.

    ``velocity_error`` [m/s], ``position_error`` [m] and ``tilt_error`` [-] of the base are root mean squares over the
    candidates; ``steps_per_second``, ``ticks_per_second`` and ``milliseconds`` of one thread.
    """
    wanted = targets(candidates, horizon, seed)
    expected, _, _ = _run(REFERENCE, wanted, 1)
    done, seconds, steps = _run(name, wanted, repeats)

    def error(field: str) -> float:
        difference = getattr(done.ticks, field) - getattr(expected.ticks, field)
        return float(np.sqrt((difference[:, :, -1] ** 2).sum(axis=-1).mean()))

    return {
        "velocity_error": error("base_lin_vel_b"),
        "position_error": error("base_pos"),
        "tilt_error": error("projected_gravity_b"),
        "steps_per_second": candidates * horizon * steps / seconds,
        "ticks_per_second": candidates * horizon / seconds,
        "milliseconds": 1e3 * seconds,
    }


def _run(name: str, wanted: np.ndarray, repeats: int) -> tuple[Rollout, float, int]:
    model = planner_model(name)
    rollouts = Rollouts(model, threads=1)
    start = State.zeros(model, (1,))
    start.qpos[:, 2], start.qpos[:, rollouts.indices.qpos] = go2.STANDING_HEIGHT, go2.DEFAULT_JOINT_POS
    best = np.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        done = rollouts.run(start, wanted)
        best = min(best, time.perf_counter() - begin)
    return done, best, rollouts.steps
