"""The cosine noise schedule and the transitions between noise levels.

Level 0 is clean, level K is (almost) pure noise: ``x_k = sqrt(abar_k) x_0 + sqrt(1 - abar_k) eps``. Every row of a
trajectory may be at a level of its own, and a transition may jump from any level ``a`` to any ``b < a``: strided
sampling and early-step caching need both.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError

SAMPLERS = ("ddpm", "ddim")


@dataclass(frozen=True)
class NoiseSchedule:
    """Cosine schedule of ``steps`` = K levels (Nichol and Dhariwal, arXiv 2102.09672, eq. 17).

    ``max_beta`` bounds the last step's variance, which keeps ``abar_K`` away from zero.
    """

    steps: int = 10
    offset: float = 0.008
    max_beta: float = 0.999
    _betas: np.ndarray = field(init=False, repr=False, compare=False)
    _alphas_cumprod: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.offset >= 0.0 or not 0.0 < self.max_beta < 1.0:
            raise ConfigurationError(
                f"noise schedule needs steps >= 1, offset >= 0 and 0 < max_beta < 1, got steps {self.steps}, "
                f"offset {self.offset}, max_beta {self.max_beta}"
            )
        levels = np.arange(self.steps + 1) / self.steps
        signal = np.cos((levels + self.offset) / (1.0 + self.offset) * np.pi / 2.0) ** 2
        betas = np.minimum(1.0 - signal[1:] / signal[:-1], self.max_beta)
        alphas_cumprod = np.concatenate([[1.0], np.cumprod(1.0 - betas)])
        for array in (betas, alphas_cumprod):
            array.setflags(write=False)
        object.__setattr__(self, "_betas", betas)
        object.__setattr__(self, "_alphas_cumprod", alphas_cumprod)

    @property
    def betas(self) -> np.ndarray:
        """``(K,)``; ``betas[k - 1]`` is the variance added by the step from level ``k - 1`` to ``k``."""
        return self._betas

    @property
    def alphas_cumprod(self) -> np.ndarray:
        """``(K + 1,)``; ``alphas_cumprod[0] = 1`` (clean)."""
        return self._alphas_cumprod

    def levels(self, num_steps: int, start: int | None = None) -> np.ndarray:
        """``(num_steps + 1,)`` levels from ``start`` (default K) down to 0, evenly strided.

        Raises :class:`ConfigurationError` unless ``1 <= num_steps <= start <= K``.
        """
        start = self.steps if start is None else start
        if not 1 <= num_steps <= start <= self.steps:
            raise ConfigurationError(
                f"{num_steps} denoising steps from level {start} do not fit a schedule of K = {self.steps}: "
                f"1 <= steps <= level <= K is needed"
            )
        return np.rint(np.linspace(start, 0, num_steps + 1)).astype(np.intp)

    def row_features(self, level: np.ndarray, committed: np.ndarray) -> np.ndarray:
        """``(T,)`` levels and ``(T,)`` flags of known actions -> the denoiser's row features ``(T, 3)``."""
        alpha_bar = self._alphas_cumprod[level]
        return np.stack([np.sqrt(alpha_bar), np.sqrt(1.0 - alpha_bar), committed], axis=-1)

    def transition(self, level_from: np.ndarray, level_to: np.ndarray, sampler: str = "ddpm") -> np.ndarray:
        """Coefficients ``(T, 4)``: ``c_x0, c_tau, sigma, Sigma`` of each row's reverse step ``a -> b``, ``b <= a``.

        ``x_b = c_x0 x_0 + c_tau x_a + sigma eps``. DDPM: the posterior ``q(x_b | x_a, x_0)`` (Ho et al., eq. 6-7,
        with ``alpha_ab = abar_a / abar_b`` in the place of one step's alpha). DDIM: eta = 0 (Song et al., eq. 12).
        ``Sigma`` is the DDPM posterior variance in both: it scales the reward gradient (Algorithm 1, line 5).
        Rows with ``a == b`` stay as they are.
        """
        if sampler not in SAMPLERS:
            raise ConfigurationError(f"unknown sampler {sampler!r}; valid samplers: {', '.join(SAMPLERS)}")
        level_from, level_to = np.asarray(level_from), np.asarray(level_to)
        if (level_to > level_from).any() or (level_to < 0).any() or (level_from > self.steps).any():
            raise ConfigurationError(
                f"a reverse step needs K >= from >= to >= 0 in every row, got K = {self.steps}, "
                f"from {level_from.tolist()} to {level_to.tolist()}"
            )
        stays = level_from == level_to
        abar_a, abar_b = self._alphas_cumprod[level_from], self._alphas_cumprod[level_to]
        noise_a = np.where(stays, 1.0, 1.0 - abar_a)  # a staying row may be clean: nothing to divide by
        alpha_ab = abar_a / abar_b
        variance = (1.0 - abar_b) / noise_a * (1.0 - alpha_ab)
        if sampler == "ddpm":
            c_x0 = np.sqrt(abar_b) * (1.0 - alpha_ab) / noise_a
            c_tau = np.sqrt(alpha_ab) * (1.0 - abar_b) / noise_a
            sigma = np.sqrt(variance)
        else:
            c_tau = np.sqrt((1.0 - abar_b) / noise_a)
            c_x0 = np.sqrt(abar_b) - np.sqrt(abar_a) * c_tau
            sigma = np.zeros_like(variance)
        coefficients = np.stack([c_x0, c_tau, sigma, variance], axis=-1)
        coefficients[stays] = (0.0, 1.0, 0.0, 0.0)
        return coefficients
