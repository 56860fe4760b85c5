"""Networks in torch from the weights of an artefact, and the weights of a network for one."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from diffusion_mpc_ros.artefacts.artefact import Artefact
from diffusion_mpc_ros.artefacts.kinds import DENOISER
from diffusion_mpc_ros.artefacts.weights import read_weights
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.training.networks import build_network


def parameters(network: nn.Module) -> dict[str, np.ndarray]:
    """Return what ``network`` has learnt, by name."""
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def load_weights(network: nn.Module, artefact: Artefact, name: str = DENOISER) -> nn.Module:
    """Give ``network`` the weights that ``artefact`` has for the one called ``name``; -> the same network, to be used.

    Raises :class:`ArtefactError` when there are none, or they are those of another architecture.
    """
    weights = read_weights(artefact)
    if name not in weights:
        raise ArtefactError(f"the artefact {str(artefact.path)!r} has no {name}; it has {', '.join(weights)}")
    try:
        network.load_state_dict({key: torch.from_numpy(value) for key, value in weights[name].items()})
    except RuntimeError as error:
        raise ArtefactError(f"the weights of {artefact.path} are not those of the network: {error}") from None
    return network.eval()


def load_network(artefact: Artefact, name: str, rows: int) -> nn.Module:
    """Return the network ``name`` of ``artefact``, for ``rows`` = H + 1, with its weights.

    Raises :class:`ArtefactError` when the card does not describe such a one, or its weights do not fit.
    """
    try:
        network = build_network(name, artefact.networks[name], rows)
    except (KeyError, TypeError, ConfigurationError) as error:
        raise ArtefactError(f"the card of {artefact.path} does not describe a {name} that is known: {error}") from None
    return load_weights(network, artefact, name)


def load_networks(artefact: Prior) -> dict[str, nn.Module]:
    """Return the networks of ``artefact`` by name; raises as :func:`load_network`."""
    return {name: load_network(artefact, name, artefact.description.rows) for name in artefact.networks}
