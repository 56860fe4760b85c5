"""The guided step in ONNX Runtime: runs wherever the controller runs."""

from __future__ import annotations

import onnxruntime

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion.bound_step import check_graph, step_arrays
from diffusion_mpc_ros.diffusion.prior import METADATA_KEY, Prior


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

    def __init__(self, session: onnxruntime.InferenceSession, artefact: Prior, batch: int) -> None:
        self.inputs, self.outputs = step_arrays(artefact.description, batch)
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
    """ONNX Runtime on the CPU in f32, ``threads`` threads.

    Raises :class:`ArtefactError` when the file cannot be loaded, or its inputs or outputs are not those of the card.
    """

    def __init__(self, artefact: Prior, threads: int = 1) -> None:
        self.artefact = artefact
        try:
            self._session = onnxruntime.InferenceSession(
                artefact.model, session_options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises types of its own that share no base but Exception
            raise ArtefactError(f"ONNX Runtime does not load {artefact.model_path}: {error}") from error
        check_graph(
            artefact,
            [tensor.name for tensor in self._session.get_inputs()],
            [tensor.name for tensor in self._session.get_outputs()],
            self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY),
        )

    def bind(self, batch: int) -> OnnxBoundStep:
        """Return a guided step for ``batch`` trajectories."""
        return OnnxBoundStep(self._session, self.artefact, batch)
