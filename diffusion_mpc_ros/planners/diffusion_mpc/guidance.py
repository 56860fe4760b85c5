"""From the operator's settings to what guides the sampling."""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.constraints.registry import feasible_bounds, kind_of, release_observation
from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.diffusion.artefact import ModelDescription
from diffusion_mpc_ros.diffusion.sampler import Guidance
from diffusion_mpc_ros.rewards.registry import term_parameters


def make_guidance(
    description: ModelDescription, settings: RewardSettings, tick: int, mode: str = "walking"
) -> Guidance:
    """The operator's settings for a plan from ``tick``; parameters that are not set take their defaults.

    Raises :class:`RewardError` when a weight names a term, or a constraint needs a set, that the artefact was exported
    without.
    """
    unknown = sorted(name for name in settings.weights if name not in description.reward_terms)
    if any(settings.weights[name] != 0.0 for name in unknown):
        raise RewardError(
            f"the model artefact has no reward terms {unknown}; its terms: {', '.join(description.reward_terms)}"
        )
    weights = np.array([settings.weights.get(name, 0.0) for name in description.reward_terms])
    defaults = {parameter.name: parameter.default_array for parameter in term_parameters(description.reward_terms)}
    parameters = {name: settings.parameters.get(name, default) for name, default in defaults.items()}
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
