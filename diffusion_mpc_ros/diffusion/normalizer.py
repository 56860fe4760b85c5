"""Per-feature z-score between physical units and the network's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.trajectory import ROW_DIM
from diffusion_mpc_ros.core.transition import TRANSITION_DIM

Kind = TypeVar("Kind", bound="Normalizer")


@dataclass(frozen=True)
class Normalizer:
    """``z = clip((x - mean) / std, -clamp, clamp)`` with ``mean (57,)`` and ``std (57,)`` in physical units.

    Raises :class:`ArtefactError` unless shapes fit, all numbers are finite, and ``std`` and ``clamp`` are positive.
    Rows of another layout have a class of their own, with another ``size``.
    """

    size: ClassVar[int] = ROW_DIM

    mean: np.ndarray
    std: np.ndarray
    clamp: float = 6.0

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.shape != (self.size,) or not np.isfinite(array).all():
                raise ArtefactError(
                    f"normaliser {name} must be {self.size} finite numbers, got shape {array.shape}, "
                    f"finite: {bool(np.isfinite(array).all())}"
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if not (self.std > 0.0).all():
            raise ArtefactError(f"normaliser std must be positive, the smallest is {self.std.min()}")
        if not (np.isfinite(self.clamp) and self.clamp > 0.0):
            raise ArtefactError(f"normaliser clamp must be positive and finite, got {self.clamp}")

    @classmethod
    def fit(cls: type[Kind], rows: np.ndarray, clamp: float = 6.0, min_std: float = 1e-2) -> Kind:
        """Statistics of ``rows (..., size)``; features that hardly vary get ``min_std``."""
        flat = np.asarray(rows).reshape(-1, cls.size)
        mean = flat.mean(axis=0, dtype=np.float64)
        # In pieces: millions of rows in double precision do not fit beside themselves.
        pieces = np.array_split(flat, len(flat) // 100_000 + 1)
        variance = sum(((piece - mean) ** 2).sum(axis=0) for piece in pieces) / len(flat)
        return cls(mean, np.maximum(np.sqrt(variance), min_std), clamp)

    def normalize(self, values: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        """Physical ``(..., size)``, or those entries of rows that are ``part`` -> normalised, clamped."""
        return np.clip((values - self.mean[part]) / self.std[part], -self.clamp, self.clamp)

    def unnormalize(self, values: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        """Inverse of :meth:`normalize` within the clamp."""
        return values * self.std[part] + self.mean[part]

    def to_json(self) -> dict[str, Any]:
        """Plain lists; ``json`` writes floats in their shortest exact form, so the round trip loses nothing."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist(), "clamp": self.clamp}

    @classmethod
    def from_json(cls: type[Kind], data: dict[str, Any]) -> Kind:
        """Inverse of :meth:`to_json`; raises :class:`ArtefactError` when a field is missing or not numeric."""
        try:
            return cls(np.asarray(data["mean"], float), np.asarray(data["std"], float), float(data["clamp"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"normaliser of the card is not readable: {error!r}") from None


@dataclass(frozen=True)
class TransitionNormalizer(Normalizer):
    """The same for the rows of transition models (:mod:`core.transition`), ``(49,)``."""

    size: ClassVar[int] = TRANSITION_DIM
