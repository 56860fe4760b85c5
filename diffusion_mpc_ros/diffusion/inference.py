"""Inference backends: a guided step with its inputs and outputs in preallocated arrays.

A backend is chosen by name (:func:`make_backend`); each stands in a file of its own and is imported only when used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.diffusion.artefact import Artefact, ModelDescription, canonical_json

BACKENDS = ("auto", "onnxruntime", "openvino")
PRECISIONS = ("f32", "bf16", "int8")
CPUINFO = Path("/proc/cpuinfo")
# Stands for "no bound" in the graph, in standard deviations or N m.
FREE_BOUND = 1e6
# Of a reward term that shall move every entry as far as a step allows.
HEAVY_WEIGHT = 1e6

Arrays = dict[str, np.ndarray]


class BoundStep(Protocol):
    """One guided step for a fixed batch: write ``inputs`` in place, ``run``, read ``outputs``; by name."""

    inputs: Arrays
    outputs: Arrays

    def run(self) -> None:
        """Compute ``outputs`` from ``inputs``; allocates nothing that the caller sees."""


class StepBackend(Protocol):
    """Makes bound steps of one artefact."""

    def bind(self, batch: int) -> BoundStep:
        """A guided step for ``batch`` trajectories."""


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


def make_backend(artefact: Artefact, name: str = "auto", threads: int = 1, precision: str = "f32") -> StepBackend:
    """The backend ``name`` with ``threads`` threads, computing in ``precision``.

    Raises :class:`ArtefactError` for a graph that does not fit its card, :class:`ConfigurationError` for what
    :func:`choose_backend` refuses, an unknown precision, or one that artefact, backend or processor lacks.
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(f"unknown precision {precision!r}; valid precisions: {', '.join(PRECISIONS)}")
    if precision == "int8":
        from diffusion_mpc_ros.diffusion.int8 import int8_artefact

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


def processor_vendor() -> str:
    """The processor's vendor as the kernel names it (``GenuineIntel``, ``AuthenticAMD``), "" where it does not."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")


def step_arrays(description: ModelDescription, batch: int) -> tuple[Arrays, Arrays]:
    """Inputs and outputs of a guided step for ``batch`` trajectories, zero, by name."""
    return tuple(
        {name: np.zeros(shape, dtype) for name, (dtype, shape) in tensors.items()}
        for tensors in (description.inputs(batch), description.outputs(batch))
    )


def step_difference(step: BoundStep, reference: BoundStep, description: ModelDescription) -> float:
    """Largest error of ``step`` against ``reference``, as a share of the norm, over guided steps by each reward term.

    With random trajectories half-way through the sampling and one term at a time, so heavy that every entry moves by
    the bound of its step in the direction of the term's gradient: whatever the term's scale, a wrong gradient shows.
    Leaves the arrays of both zero.
    """
    rng, rows = np.random.default_rng(0), description.rows
    level = np.full(rows, (description.schedule.steps + 1) // 2)
    arrays = {name: rng.standard_normal(array.shape) for name, array in step.inputs.items()}
    arrays |= {name: np.full(size, 0.1) for name, size in description.parameters.items()}
    arrays |= {
        "row_features": description.schedule.row_features(level, 0 * level),
        "next_row_features": description.schedule.row_features(level - 1, 0 * level),
        "transition": description.schedule.transition(level, level - 1),
        "known_mask": False, "guidance_scale": 1.0, "ranked": True, "torque_max": FREE_BOUND,
        "lower": -FREE_BOUND, "upper": FREE_BOUND, "band_lower": 0.0, "band_upper": 0.0,
    }  # fmt: skip
    worst = 0.0
    for weights in HEAVY_WEIGHT * np.eye(len(description.reward_terms)):
        for each in (step, reference):
            for name, values in {**arrays, "reward_weights": weights}.items():
                each.inputs[name][...] = values
            each.run()
        for name, expected in reference.outputs.items():
            error = np.linalg.norm(step.outputs[name] - expected) / (np.linalg.norm(expected) + 1e-12)
            worst = max(worst, float(error)) if np.isfinite(error) else np.inf
    for each in (step, reference):
        for array in (*each.inputs.values(), *each.outputs.values()):
            array[...] = 0
    return worst


def check_graph(artefact: Artefact, inputs: Sequence[str], outputs: Sequence[str], metadata: str | None) -> None:
    """Raise :class:`ArtefactError` unless the loaded graph is the one that the artefact's card describes."""
    for kind, expected, actual in (
        ("inputs", artefact.description.inputs(), inputs),
        ("outputs", artefact.description.outputs(), outputs),
    ):
        if list(actual) != list(expected):
            raise ArtefactError(f"{artefact.model_path} has the {kind} {actual}, its card says {list(expected)}")
    if metadata != canonical_json(artefact.card["model"]):
        raise ArtefactError(f"the card of {artefact.path} is not the one that model.onnx was made with")
