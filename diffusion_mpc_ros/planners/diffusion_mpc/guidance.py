"""From the operator's settings to what guides the sampling."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.constraints.registry import feasible_bounds, kind_of, release_observation
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.prior import ModelDescription
from diffusion_mpc_ros.diffusion.sampler import Guidance
from diffusion_mpc_ros.rewards.following import check_followed, parameters_of
from diffusion_mpc_ros.rewards.registry import get_term


def predicted_outcomes(description: ModelDescription) -> frozenset[str]:
    """Return the outcomes that the artefact's graph predicts: what its own terms read."""
    return frozenset(outcome for name in description.reward_terms for outcome in get_term(name).reads)


def make_guidance(
    description: ModelDescription, settings: RewardSettings, tick: int, planner: str, mode: str = "walking"
) -> Guidance:
    """Return the operator's settings for a plan of ``planner`` from ``tick``; parameters not set take their defaults.

    Raises :class:`RewardError` when a weight names a term, or a constraint needs a set, that the artefact was exported
    without.
    """
    check_followed(settings, planner, description.reward_terms, predicted_outcomes(description))
    weights = np.array([settings.weights.get(name, 0.0) for name in description.reward_terms])
    parameters = parameters_of(description.reward_terms, settings)
    for name in settings.constraints:
        kind = kind_of(name)
        if not all(bound.name in description.bounds for bound in kind.bounds):
            raise RewardError(
                f"constraint {name!r}: the model artefact was exported without sets of the kind {kind.name!r}; "
                f"it knows the bounds {', '.join(description.bounds)}"
            )
    bounds = feasible_bounds(settings.constraints, settings.parameters, tick + np.arange(description.rows))
    release_observation(bounds, 0)
    return Guidance(weights, parameters, bounds, key=(mode, settings.revision))
