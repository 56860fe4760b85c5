"""Inference backends by name; each stands in a file of its own and is imported only when used."""

from __future__ import annotations

import importlib.util

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.int8 import int8_artefact
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.diffusion.processor import processor_vendor

BACKENDS = ("auto", "onnxruntime", "openvino")
PRECISIONS = ("f32", "bf16", "int8")


def choose_backend(name: str) -> str:
    """``onnxruntime`` or ``openvino`` for ``name`` in :data:`BACKENDS`.

    ``auto`` is OpenVINO where it is installed and the processor is Intel's, whom it is made for. Raises
    :class:`ConfigurationError` for an unknown name, or for OpenVINO where it is not installed.
    """
    if name not in BACKENDS:
        raise ConfigurationError(f"unknown backend {name!r}; valid backends: {', '.join(BACKENDS)}")
    if name == "auto":
        return "openvino" if has_openvino() and "GenuineIntel" in processor_vendor() else "onnxruntime"
    if name == "openvino" and not has_openvino():
        raise ConfigurationError(
            "backend 'openvino' needs the Python package openvino, which is not installed: "
            "`pip install --no-deps -r requirements/openvino.txt`, or take the backend auto or onnxruntime"
        )
    return name


def make_backend(artefact: Prior, name: str = "auto", threads: int = 1, precision: str = "f32") -> StepBackend:
    """Return the backend ``name`` with ``threads`` threads, computing in ``precision``.

    Raises :class:`ArtefactError` for a graph that does not fit its card, :class:`ConfigurationError` for what
    :func:`choose_backend` refuses, an unknown precision, or one that artefact, backend or processor lacks.
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(f"unknown precision {precision!r}; valid precisions: {', '.join(PRECISIONS)}")
    if precision == "int8":
        # What is not quantised in the int8 graph is computed in f32.
        artefact, precision = int8_artefact(artefact), "f32"
    if choose_backend(name) == "openvino":
        from diffusion_mpc_ros.diffusion.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(artefact, threads, precision)
    if precision != "f32":
        raise ConfigurationError(f"ONNX Runtime computes in f32 and int8; {precision!r} needs the backend openvino")
    from diffusion_mpc_ros.diffusion.onnx_backend import OnnxBackend

    return OnnxBackend(artefact, threads)


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None
