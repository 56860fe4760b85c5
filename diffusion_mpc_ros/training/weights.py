"""The networks of an artefact, with its weights."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion.artefact import DENOISER, Artefact, network_settings
from diffusion_mpc_ros.training.networks import build_network


def load_weights(network: nn.Module, artefact: Artefact, name: str = DENOISER) -> nn.Module:
    """``network`` with the weights that the artefact's graph has for the one called ``name``.

    Raises :class:`ArtefactError` when they do not fit.
    """
    prefix, weights = f"{name}.", {}
    for tensor in _constants(onnx.load_model_from_string(artefact.model).graph):
        if tensor.name.startswith(prefix):
            weights[tensor.name.removeprefix(prefix)] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ArtefactError(f"the weights of {artefact.model_path} are not those of the network: {error}") from None
    return network.eval()


def load_networks(artefact: Artefact) -> dict[str, nn.Module]:
    """The artefact's networks by name, with its weights; raises what the functions above raise."""
    rows = artefact.description.rows
    return {
        name: load_weights(build_network(name, settings, rows), artefact, name)
        for name, settings in network_settings(artefact).items()
    }


def _constants(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Those of the graph and of its branches."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _constants(attribute.g)
