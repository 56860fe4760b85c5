"""The weights of an artefact's networks, as safetensors: tensors by ``<network>.<parameter>``, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from diffusion_mpc_ros.artefacts.artefact import Artefact, check_sha256
from diffusion_mpc_ros.artefacts.kinds import WEIGHTS_FILE
from diffusion_mpc_ros.core.errors import ArtefactError

# Parameters of each network by name.
Weights = Mapping[str, Mapping[str, np.ndarray]]


def weights_bytes(networks: Weights) -> bytes:
    """Return the file that holds the parameters of ``networks``; the same parameters give the same bytes."""
    tensors = {
        f"{name}.{parameter}": np.ascontiguousarray(values)
        for name, parameters in networks.items()
        for parameter, values in parameters.items()
    }
    return save(tensors)


def read_weights(artefact: Artefact) -> dict[str, dict[str, np.ndarray]]:
    """Return the parameters of each network of ``artefact`` by name, f32.

    Raises :class:`ArtefactError` when the file is another one than was checked, is no safetensors file, or holds other
    networks than the card describes, numbers of another type, or numbers that are not finite.
    """
    path = artefact.path / WEIGHTS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"the weights {path} are not readable: {error}") from None
    check_sha256(path, artefact.card["files"][WEIGHTS_FILE], hashlib.sha256(content).hexdigest())
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ArtefactError(f"{path} is no safetensors file: {error}") from None
    weights: dict[str, dict[str, np.ndarray]] = {name: {} for name in artefact.networks}
    for full_name, values in tensors.items():
        network, _, parameter = full_name.partition(".")
        if network not in weights or not parameter:
            raise ArtefactError(f"{path} has {full_name!r}; its card describes the networks {', '.join(weights)}")
        if values.dtype != np.float32 or not np.isfinite(values).all():
            raise ArtefactError(f"{path}: {full_name} is {values.dtype}, finite numbers in float32 are needed")
        weights[network][parameter] = values
    empty = [name for name, parameters in weights.items() if not parameters]
    if empty:
        raise ArtefactError(f"{path} has no weights of {', '.join(empty)}, which its card describes")
    return weights
