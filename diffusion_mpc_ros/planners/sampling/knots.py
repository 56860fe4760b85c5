"""Control sequences as splines through a few knots: what is searched over has a quarter of their dimension."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import make_interp_spline

from diffusion_mpc_ros.core.errors import ConfigurationError


@dataclass(frozen=True)
class Knots:
    """``count`` knots at equal distances over ``horizon`` control ticks, the first at row 0, the last at the last row.

    ``degree`` of the spline through them: 1 linear, 2 quadratic (the authors'), 3 cubic. Raises
    :class:`ConfigurationError` where so few knots hold no spline of that degree, or where there are more than rows.
    """

    horizon: int
    count: int
    degree: int = 2

    def __post_init__(self) -> None:
        if self.degree not in (1, 2, 3):
            raise ConfigurationError(f"a spline of degree {self.degree}; there is 1 linear, 2 quadratic, 3 cubic")
        if not self.degree < self.count <= self.horizon:
            raise ConfigurationError(
                f"{self.count} knots over {self.horizon} rows: a spline of degree {self.degree} needs "
                f"{self.degree + 1} to {self.horizon} knots"
            )

    @cached_property
    def basis(self) -> np.ndarray:
        """The control rows of each knot alone, ``(H, K)``: rows = ``basis @ knots``."""
        return self._spline(np.linspace(0.0, self.horizon - 1.0, self.count), np.arange(self.horizon))

    def rows(self, knots: np.ndarray) -> np.ndarray:
        """Return the spline through knots ``(..., K, A)`` at every control tick, ``(..., H, A)``."""
        return self.basis @ knots

    def shifted(self, knots: np.ndarray, ticks: int, end: np.ndarray) -> np.ndarray:
        """Return the knots ``(..., K, A)`` of the same rows from ``ticks`` control ticks later on.

        Rows beyond the old end are ``end``, broadcast to ``(..., A)``: the receding horizon of Algorithm 1, line 10.
        """
        rows = self.rows(knots)
        moved = np.empty_like(rows)
        kept = max(0, self.horizon - ticks)
        moved[..., :kept, :] = rows[..., self.horizon - kept :, :]
        moved[..., kept:, :] = np.asarray(end)[..., None, :]
        return self.fitted(moved)

    def fitted(self, rows: np.ndarray) -> np.ndarray:
        """Return the knots ``(..., K, A)`` whose spline comes closest to ``rows (..., H, A)`` by least squares.

        The first knot is row 0 exactly: that row is the one that will be executed.
        """
        free = rows - self.basis[:, :1] * rows[..., :1, :]
        return np.concatenate([rows[..., :1, :], self._fit @ free], axis=-2)

    @cached_property
    def _fit(self) -> np.ndarray:
        return np.linalg.pinv(self.basis[:, 1:])

    def _spline(self, at: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return make_interp_spline(at, np.eye(self.count), k=self.degree)(rows)
