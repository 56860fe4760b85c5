"""The guided step in OpenVINO: fuses the many small operations of the reward gradient; optional."""

from __future__ import annotations

import openvino

from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.diffusion.bound_step import check_graph, step_arrays, step_difference
from diffusion_mpc_ros.diffusion.onnx_backend import OnnxBackend
from diffusion_mpc_ros.diffusion.prior import METADATA_KEY, Prior

DEVICE = "CPU"
# Largest error of a guided step against ONNX Runtime's, as a share of its norm. Rounding to bf16 or int8 turns the
# gradient of some entries round, which is a few per cent; a kernel that multiplied by the wrong weights was 65 % off.
TOLERANCE = 0.3


def computes_in(precision: str) -> bool:
    """Whether the processor has instructions for ``precision`` (of :data:`diffusion.inference.PRECISIONS`)."""
    names = {"f32": "FP32", "bf16": "BF16"}
    return names[precision] in openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


class OpenVinoBoundStep:
    """A :class:`BoundStep` in OpenVINO; the arrays are the request's own inputs and outputs."""

    def __init__(self, request: openvino.InferRequest, artefact: Prior, batch: int) -> None:
        self.inputs, self.outputs = step_arrays(artefact.description, batch)
        self._request = request
        for name, array in (*self.inputs.items(), *self.outputs.items()):
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

    def run(self) -> None:
        """Compute ``outputs`` from ``inputs``."""
        self._request.infer()


class OpenVinoBackend:
    """OpenVINO on the CPU with ``threads`` threads; ``precision`` f32, or bf16 where the processor computes in it.

    Raises :class:`ArtefactError` as :class:`OnnxBackend` does, :class:`ConfigurationError` for a precision that this
    processor lacks.
    """

    def __init__(self, artefact: Prior, threads: int = 1, precision: str = "f32") -> None:
        self.artefact, self._core = artefact, openvino.Core()
        if not computes_in(precision):
            raise ConfigurationError(f"this processor does not compute in {precision}: take f32")
        self._options = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Where the threads run is the caller's decision: the other nodes share the cores.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._model = self._core.read_model(artefact.model, b"")
        except RuntimeError as error:
            raise ArtefactError(f"OpenVINO does not load {artefact.model_path}: {error}") from error
        check_graph(
            artefact,
            [tensor.get_any_name() for tensor in self._model.inputs],
            [tensor.get_any_name() for tensor in self._model.outputs],
            self._metadata(),
        )

    def _metadata(self) -> str | None:
        path = ["framework", METADATA_KEY]
        return self._model.get_rt_info(path).astype(str) if self._model.has_rt_info(path) else None

    def bind(self, batch: int) -> OpenVinoBoundStep:
        """Return a guided step for ``batch`` trajectories, compiled for this size and compared with ONNX Runtime's.

        Raises :class:`ConfigurationError` when the two do not agree.
        """
        model = self._model.clone()
        model.reshape({name: list(shape) for name, (_, shape) in self.artefact.description.inputs(batch).items()})
        compiled = self._core.compile_model(model, DEVICE, self._options)
        step = OpenVinoBoundStep(compiled.create_infer_request(), self.artefact, batch)
        difference = step_difference(step, OnnxBackend(self.artefact).bind(batch), self.artefact.description)
        if not difference <= TOLERANCE:
            raise ConfigurationError(
                f"OpenVINO's guided step for {batch} trajectories is {difference:.0%} off from that of ONNX Runtime, "
                f"{TOLERANCE:.0%} is allowed: this processor needs the backend onnxruntime"
            )
        return step
