"""Sampling from a denoiser that is given a condition: DDIM or DDPM from noise, known entries put back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule

# ``noisy (n, m), level (2,), condition (n, c) -> x0 (n, m)``, all normalised.
Denoiser = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
# x0 beyond it is no sample of the data, and would be carried on from step to step.
X0_CLIP = 5.0


def level_features(schedule: NoiseSchedule, level: int) -> np.ndarray:
    """Return ``(2,)``: ``sqrt(abar)`` and ``sqrt(1 - abar)`` of a noise level."""
    return schedule.row_features(np.array([level]), np.zeros(1))[0, :2]


def sample(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    noise: np.ndarray,
    condition: np.ndarray,
    steps: int,
    known: np.ndarray | None = None,
    is_known: np.ndarray | None = None,
) -> np.ndarray:
    """Return samples x0 ``(n, m)`` by ``steps`` DDIM steps from ``noise (n, m)``; one step from zero noise is the mean.

    ``known (n, m)`` where ``is_known (m,)`` is put back before every step (in-painting). The same noise gives the same
    samples (eta = 0, Song et al., equation 12).
    """
    levels = schedule.levels(steps)
    noisy = noise
    for level, following in zip(levels[:-1], levels[1:]):
        if known is not None and is_known is not None:
            noisy = np.where(is_known, known, noisy)
        x0 = np.clip(denoiser(noisy, level_features(schedule, level), condition), -X0_CLIP, X0_CLIP)
        c_x0, c_noisy, _, _ = schedule.transition(np.array([level]), np.array([following]), "ddim")[0]
        noisy = c_x0 * x0 + c_noisy * noisy
    return noisy if known is None or is_known is None else np.where(is_known, known, noisy)
