"""What a planner makes of reward settings: may it follow them, and what is a trajectory worth under them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.rewards.registry import TERMS, composed_reward, term_parameters
from diffusion_mpc_ros.rewards.terms import Array, Segment


def terms_reading(provides: Collection[str]) -> tuple[str, ...]:
    """Return the names of all terms that read no other outcomes than ``provides``, in the registry's order."""
    return tuple(name for name, term in TERMS.items() if set(term.reads) <= set(provides))


def weighted_terms(settings: RewardSettings) -> list[str]:
    """Return the names of the terms that have a weight."""
    return [name for name, weight in settings.weights.items() if weight != 0.0]


def check_followed(
    settings: RewardSettings, planner: str, reward_terms: Collection[str], provides: Collection[str]
) -> None:
    """Raise :class:`RewardError` for a weight that ``planner`` does not follow: its outcome is missing, or the term.

    ``reward_terms``: those that it follows; ``provides``: the outcomes that it knows of its trajectories.
    """
    for name in weighted_terms(settings):
        missing = [outcome for outcome in TERMS[name].reads if outcome not in provides] if name in TERMS else []
        if missing:
            raise RewardError(
                f"the reward term {name!r} reads the outcome {missing[0]!r}, which the planner {planner!r} does not "
                f"provide; it provides: {', '.join(sorted(provides)) or 'none'}"
            )
        if name not in reward_terms:
            raise RewardError(
                f"the planner {planner!r} does not follow the reward term {name!r}; it follows: "
                f"{', '.join(reward_terms) or 'none'}"
            )


def parameters_of(names: Iterable[str], settings: RewardSettings) -> dict[str, np.ndarray]:
    """Return the parameters of the terms ``names`` by full name; what ``settings`` leave open is at its default."""
    return {p.name: settings.parameters.get(p.name, p.default_array) for p in term_parameters(names)}


def reward_of(segment: Segment, settings: RewardSettings) -> np.ndarray:
    """Return what N trajectories are worth under ``settings``, in NumPy: ``(N,)``; 0 where nothing has a weight.

    ``segment`` needs the outcomes that the terms with a weight read: :func:`check_followed` first.
    """
    names = weighted_terms(settings)
    if not names:
        return np.zeros(len(segment.action))
    weights = np.array([settings.weights[name] for name in names])
    return composed_reward(names, segment, weights, parameters_of(names, settings))


def term_values(names: Iterable[str], segment: Segment, settings: RewardSettings) -> Mapping[str, Array]:
    """Return the value of each of the terms ``names``, by the parameters of ``settings``: ``(N,)`` each."""
    parameters = parameters_of(names, settings)
    return {name: TERMS[name](segment, parameters) for name in names}
