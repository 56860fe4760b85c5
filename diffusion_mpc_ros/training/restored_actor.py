"""The actor of a published demonstrator, put back into rsl-rl; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from rsl_rl.models import MLPModel

from diffusion_mpc_ros.artefacts import kinds
from diffusion_mpc_ros.artefacts.artefact import load_artefact
from diffusion_mpc_ros.artefacts.weights import read_weights
from diffusion_mpc_ros.core.errors import ConfigurationError

# In action units, of 0.25 rad: the file has no exploration noise. Within what the demonstrations are disturbed by
# (0.1 to 0.8), so that the demonstrator stays on its feet, and a third of what it began to learn with.
EXPLORATION_STD = 0.3
LAYERS, MEAN, STD, VARIANCE = "mlp.", "obs_normalizer._mean", "obs_normalizer._std", "obs_normalizer._var"


def actor_weights(actor: MLPModel) -> dict[str, np.ndarray]:
    """Return what the policy of ``actor`` is made of, by name: its layers, and mean and std of its normaliser."""
    return {name: value.cpu().numpy() for name, value in actor.state_dict().items() if _is_learnt(name)}


def restore_actor(actor: MLPModel, folder: Path) -> str:
    """Give ``actor`` the weights and the normaliser of the demonstrator in ``folder``; -> its identity.

    The actor then gives its joint targets, with :data:`EXPLORATION_STD` around them. How many observations the
    normaliser is of the artefact does not say: :func:`keep_normaliser`. Raises :class:`ArtefactError` for a folder that
    holds no demonstrator, :class:`ConfigurationError` for other hidden layers than the actor's.
    """
    artefact = load_artefact(folder, kinds.DEMONSTRATOR)
    weights, known = read_weights(artefact)[kinds.ACTOR], actor.state_dict()
    needed = {name: tuple(value.shape) for name, value in known.items() if _is_learnt(name)}
    if {name: value.shape for name, value in weights.items()} != needed:
        layers = _layers(weights)
        raise ConfigurationError(
            f"the demonstrator in {folder} has layers of {layers}, this run's policy of {_layers(known)}: "
            f"hidden must be {layers[:-1]}"
        )
    state = {**weights, VARIANCE: weights[STD] ** 2}
    actor.load_state_dict(known | {name: torch.tensor(value) for name, value in state.items()})
    with torch.no_grad():
        actor.distribution.std_param.fill_(EXPLORATION_STD)
    return artefact.identity


def keep_normaliser(actor: MLPModel) -> None:
    """Keep the actor's normaliser as it is, however few observations it is of; a checkpoint does not hold this."""
    actor.obs_normalizer.until = 0


def _is_learnt(name: str) -> bool:
    return name.startswith(LAYERS) or name in (MEAN, STD)


def _layers(parameters: Mapping[str, np.ndarray | torch.Tensor]) -> list[int]:
    """Widths of the layers behind the input, the output's last."""
    widths = {
        int(name.split(".")[1]): value.shape[0]
        for name, value in parameters.items()
        if name.startswith(LAYERS) and name.endswith(".weight")
    }
    return [widths[layer] for layer in sorted(widths)]
