"""What batches are drawn from: the last few iterations' lessons and the demonstrations that are replayed."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import torch

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.training.finetuning.recipes import Lesson
from diffusion_mpc_ros.training.pretrain import WindowSampler


class LessonBuffer:
    """The newest ``kept`` lessons, and ``replay``, of which a share ``replay_share`` of every batch is drawn."""

    def __init__(
        self, rows: int, normalizer: Normalizer, kept: int, replay: WindowSampler | None, replay_share: float
    ) -> None:
        self._rows, self._normalizer = rows, normalizer
        self._replay, self._share = replay, replay_share if replay is not None else 0.0
        self._arrays: deque[dict[str, Any]] = deque(maxlen=kept)
        self._samplers: deque[WindowSampler] = deque(maxlen=kept)

    @property
    def filled(self) -> bool:
        """Whether there is a lesson."""
        return bool(self._samplers)

    def add(self, lesson: Lesson) -> None:
        """Take a lesson; one without a window that counts teaches nothing and is left out."""
        if np.any(lesson.arrays["weight"]):
            self._arrays.append(lesson.arrays)
            self._samplers.append(WindowSampler(lesson.arrays, self._rows, self._normalizer))

    def draw(self, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of windows ``(B, T, 57)`` and what was executed ``(B, T, 12)``, normalised.

        Windows are drawn as often as their weight says: the expectation of the weighted loss, at less variance. Raises
        :class:`ConfigurationError` when there is nothing to draw from.
        """
        if not self._samplers and self._replay is None:
            raise ConfigurationError(
                "no rollout holds a window that counts, and nothing is replayed: roll out more robots, or longer"
            )
        demonstrated = round(self._share * batch) if self._samplers else batch
        counts = np.full(len(self._samplers), (batch - demonstrated) // max(len(self._samplers), 1))
        counts[: (batch - demonstrated) - int(counts.sum())] += 1
        draws = [sampler.draw(int(count), generator) for sampler, count in zip(self._samplers, counts) if count]
        if demonstrated and self._replay is not None:
            draws.append(self._replay.draw(demonstrated, generator))
        tau0, executed = zip(*draws)
        return torch.cat(tau0), torch.cat(executed)

    def stored(self) -> list[dict[str, torch.Tensor]]:
        """The lessons for a checkpoint."""
        return [{name: torch.from_numpy(np.asarray(array)) for name, array in each.items()} for each in self._arrays]

    def restore(self, stored: list[dict[str, torch.Tensor]]) -> None:
        """Take back what :meth:`stored` gave."""
        for each in stored:
            self.add(Lesson({name: array.numpy() for name, array in each.items()}, {}))
