"""Presets: named settings of rewards and constraints, from ``config/rewards.yaml``, alone or several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError, RewardError, brief
from diffusion_mpc_ros.core.parameters import Parameter
from diffusion_mpc_ros.rewards.registry import RewardTerm

# Between the names of presets that are asked for at once.
SEPARATOR = "+"


@dataclass(frozen=True)
class Preset:
    """A named setting; what it does not mention is at its default."""

    name: str
    description: str = ""
    weights: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, float | tuple[float, ...] | np.ndarray] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()


def load_presets(path: str | Path) -> dict[str, Preset]:
    """Presets of ``rewards.yaml`` by name; raises :class:`ConfigurationError` for an unreadable or unknown entry."""
    return parse_presets(config_files.read(path), str(path))


def parse_presets(data: Any, path: str) -> dict[str, Preset]:
    """Check ``data``, as read from ``path``; see :func:`load_presets`."""
    if not isinstance(data, dict) or set(data) != {"presets"} or not isinstance(data["presets"], dict):
        raise ConfigurationError(f"{path} needs a mapping 'presets' of name to weights, parameters, constraints")
    presets = {}
    for name, entry in data["presets"].items():
        where = f"preset {brief(name)} of {path}"
        if SEPARATOR in name or not isinstance(entry, dict) or "name" in entry:
            raise ConfigurationError(f"{where} needs a name without {SEPARATOR!r} and a mapping, got {brief(entry)}")
        presets[name] = config_files.build(Preset, {"name": name, **entry}, where)
    return presets


def combine(presets: Sequence[Preset], terms: Mapping[str, RewardTerm], parameters: Mapping[str, Parameter]) -> Preset:
    """Return the sum of ``presets`` (arXiv 2510.04234, IV-B) over the root of their number, and all constraints.

    A preset alone is tuned to pull about as hard as a walk stands. Pulls that know nothing of each other add up to a
    root of their number: divided by it, several pull as hard as one. Presets without weights do not count.
    A term that several presets weight gets the sum of the weights, no more than its bound, and the mean of its
    parameters with these weights: of squared distances to targets, this is the sum but for a constant. Parameters of
    what no two presets weight must agree: :class:`RewardError` names the one that does not.
    """
    if len(presets) == 1:
        return presets[0]
    share = max(1, sum(any(preset.weights.values()) for preset in presets)) ** -0.5
    weights: dict[str, float] = {}
    for preset in presets:
        for name, weight in preset.weights.items():
            weights[name] = weights.get(name, 0.0) + share * weight
    bounded = {name: min(weight, terms[name].max_weight) for name, weight in weights.items()}
    owner = {parameter.name: term.name for term in terms.values() for parameter in term.parameters}
    named = dict.fromkeys(name for preset in presets for name in preset.parameters)
    return Preset(
        SEPARATOR.join(preset.name for preset in presets),
        " ".join(preset.description for preset in presets),
        bounded,
        {name: _combined_parameter(parameters[name], owner.get(name, ""), presets) for name in named},
        tuple(dict.fromkeys(name for preset in presets for name in preset.constraints)),
    )


def _combined_parameter(parameter: Parameter, term: str, presets: Sequence[Preset]) -> np.ndarray:
    """``term``: whose parameter it is, "" for that of a constraint alone."""
    setting = [preset for preset in presets if parameter.name in preset.parameters]
    values = [parameter.validate(preset.parameters[parameter.name]) for preset in setting]
    weighting = [preset for preset in presets if preset.weights.get(term, 0.0) > 0.0]
    if all(preset in weighting for preset in setting):
        shares = [preset.weights[term] for preset in weighting]
        asked = [parameter.validate(preset.parameters.get(parameter.name, parameter.default)) for preset in weighting]
        return np.average(asked, axis=0, weights=shares)
    if any((value != values[0]).any() for value in values):
        names = " and ".join(preset.name for preset in setting)
        raise RewardError(f"the presets {names} ask for different {parameter.name!r}: ask for one of them")
    return values[0]
