"""Inference backends: a guided step with its inputs and outputs in preallocated arrays."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import onnxruntime

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion.artefact import METADATA_KEY, Artefact, canonical_json


class BoundStep(Protocol):
    """One guided step for a fixed batch: write ``inputs`` in place, ``run``, read ``outputs``; by name."""

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    def run(self) -> None:
        """Compute ``outputs`` from ``inputs``; allocates nothing that the caller sees."""


class StepBackend(Protocol):
    """Makes bound steps of one artefact."""

    def bind(self, batch: int) -> BoundStep:
        """A guided step for ``batch`` trajectories."""


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Deterministic options with ``threads`` threads that do not spin between runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class OnnxBoundStep:
    """A :class:`BoundStep` in ONNX Runtime; the arrays are the session's own inputs and outputs."""

    def __init__(self, session: onnxruntime.InferenceSession, artefact: Artefact, batch: int) -> None:
        self.inputs = {
            name: np.zeros(shape, dtype) for name, (dtype, shape) in artefact.description.inputs(batch).items()
        }
        self.outputs = {
            name: np.zeros(shape, dtype) for name, (dtype, shape) in artefact.description.outputs(batch).items()
        }
        self._session = session
        self._binding = session.io_binding()
        for name, array in self.inputs.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in self.outputs.items():
            self._binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run(self) -> None:
        """Compute ``outputs`` from ``inputs``."""
        self._session.run_with_iobinding(self._binding)


class OnnxBackend:
    """ONNX Runtime on the CPU, ``threads`` threads.

    Raises :class:`ArtefactError` when the file cannot be loaded, or its inputs or outputs are not those of the card.
    """

    def __init__(self, artefact: Artefact, threads: int = 1) -> None:
        self.artefact = artefact
        try:
            self._session = onnxruntime.InferenceSession(
                str(artefact.model_path), session_options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises types of its own that share no base but Exception
            raise ArtefactError(f"ONNX Runtime does not load {artefact.model_path}: {error}") from error
        for kind, expected, actual in (
            ("inputs", artefact.description.inputs(), self._session.get_inputs()),
            ("outputs", artefact.description.outputs(), self._session.get_outputs()),
        ):
            names = [tensor.name for tensor in actual]
            if names != list(expected):
                raise ArtefactError(f"{artefact.model_path} has the {kind} {names}, its card says {list(expected)}")
        metadata = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if metadata != canonical_json(artefact.card["model"]):
            raise ArtefactError(f"the card of {artefact.path} is not the one that model.onnx was made with")

    def bind(self, batch: int) -> OnnxBoundStep:
        """A guided step for ``batch`` trajectories."""
        return OnnxBoundStep(self._session, self.artefact, batch)
