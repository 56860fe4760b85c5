"""The int8 graph of an artefact: the denoiser's products in 8-bit integers; :mod:`training.quantise` makes it.

It has the inputs and outputs of the f32 graph, and everything but those products is computed as there. ONNX Runtime and
OpenVINO both run it.
"""

from __future__ import annotations

from dataclasses import replace

from diffusion_mpc_ros.artefacts.kinds import PRIOR
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.processor import INT8_INSTRUCTIONS, computes_in_int8

(INT8_MODEL_FILE,) = PRIOR.variants


def int8_artefact(artefact: Prior) -> Prior:
    """``artefact`` with its int8 graph in the place of ``model``; its identity stays that of the f32 graph.

    Raises :class:`ConfigurationError` where the processor lacks the instructions or the artefact the graph.
    """
    if not computes_in_int8():
        raise ConfigurationError(
            f"this processor does not compute in int8 (it has none of {', '.join(sorted(INT8_INSTRUCTIONS))}): take f32"
        )
    model = artefact.graphs.get(INT8_MODEL_FILE)
    if model is None:
        raise ConfigurationError(
            f"the model artefact {artefact.name!r} has no int8 graph {INT8_MODEL_FILE!r}: take f32, or make one with "
            f"`diffusion-mpc train quantise --artefact {artefact.path}`"
        )
    return replace(artefact, model=model)
