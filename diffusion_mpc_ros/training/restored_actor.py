"""The actor of an exported demonstrator, put back into rsl-rl; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from rsl_rl.models import MLPModel

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.policies.demonstrator import MODEL_FILE, DemonstratorPolicy

# In action units, of 0.25 rad: the file has no exploration noise. Within what the demonstrations are disturbed by
# (0.1 to 0.8), so that the demonstrator stays on its feet, and a third of what it began to learn with.
EXPLORATION_STD = 0.3


def restore_actor(actor: MLPModel, folder: Path) -> str:
    """Weights and normaliser of the demonstrator in ``folder`` into ``actor``; the SHA-256 of its file.

    The actor then gives the file's joint targets, with :data:`EXPLORATION_STD` around them. How many observations the
    normaliser is of the file does not say: :func:`keep_normaliser`. Raises :class:`ArtefactError` for a folder that
    :class:`DemonstratorPolicy` refuses, :class:`ConfigurationError` for other hidden layers than the actor's.
    """
    sha256 = DemonstratorPolicy(folder).sha256
    graph = onnx.load_model(folder / MODEL_FILE, load_external_data=False).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    mean, divisor = _normaliser(graph, constants, folder)
    std = np.maximum(divisor - actor.obs_normalizer.eps, 0.0)
    state = {
        **{name: constants.get(f"actor.{name}") for name in actor.state_dict() if name.startswith("mlp.")},
        "obs_normalizer._mean": mean, "obs_normalizer._std": std, "obs_normalizer._var": std**2,
    }  # fmt: skip
    known = actor.state_dict()
    if any(value is None or value.shape != tuple(known[name].shape) for name, value in state.items()):
        layers = _layers(constants, "actor.")
        raise ConfigurationError(
            f"the demonstrator in {folder} has layers of {layers}, this run's policy of {_layers(known)}: "
            f"hidden must be {layers[:-1]}"
        )
    actor.load_state_dict(known | {name: torch.tensor(value) for name, value in state.items()})
    with torch.no_grad():
        actor.distribution.std_param.fill_(EXPLORATION_STD)
    return sha256


def keep_normaliser(actor: MLPModel) -> None:
    """The actor's normaliser stays as it is, however few observations it is of; a checkpoint does not hold this."""
    actor.obs_normalizer.until = 0


def _normaliser(
    graph: onnx.GraphProto, constants: Mapping[str, np.ndarray], folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and divisor (std + eps), ``(1, 51)`` each, of the graph's ``(input - mean) / divisor``."""
    subtracted = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "Sub"}
    pairs = [
        (subtracted[node.input[0]], node.input[1])
        for node in graph.node
        if node.op_type == "Div" and node.input[0] in subtracted
    ]
    if len(pairs) != 1 or not constants.keys() >= set(pairs[0]):
        raise ConfigurationError(
            f"{folder / MODEL_FILE} has no single normaliser (observation - mean) / divisor of constants: --initial "
            "takes a policy that `diffusion-mpc train demonstrator` exported"
        )
    return constants[pairs[0][0]], constants[pairs[0][1]]


def _layers(parameters: Mapping[str, np.ndarray | torch.Tensor], prefix: str = "") -> list[int]:
    """Widths of the layers behind the input, the output's last."""
    return [
        value.shape[0]
        for name, value in parameters.items()
        if name.startswith(f"{prefix}mlp.") and name.endswith(".weight")
    ]
