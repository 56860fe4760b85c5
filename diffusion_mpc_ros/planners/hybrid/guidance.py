"""Which of the operator's wishes guide the prior, and which the rollouts measure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.rewards.following import terms_reading
from diffusion_mpc_ros.rewards.outcomes import MEASURED

ALL, UNMEASURED = "all", "unmeasured"
GUIDED_BY = (ALL, UNMEASURED)


def guiding(settings: RewardSettings, by: str, follows: Collection[str]) -> RewardSettings:
    """Return the part of ``settings`` that guides a prior which ``follows`` these terms; constraints all do.

    ``by`` :data:`ALL`: every term that it follows; :data:`UNMEASURED`: those of them that no rollout measures.
    """
    measured = set(terms_reading(MEASURED)) if by == UNMEASURED else set()
    weights = {name: weight for name, weight in settings.weights.items() if name in follows and name not in measured}
    return replace(settings, weights=weights)
