"""``diffusion-mpc train quantise``: an artefact's guided step once more, with the denoiser's products in int8.

Only products with weights are quantised: rewards, their gradient, normalisation and coefficients stay f32. A weight has
8 bits and a scale for each output; an activation has 8 bits between two bounds, one pair for each product, taken from
the inputs of the artefact's own planner while it walks in simulation. What lies beyond them saturates, so that robots
that are pushed must be among them: calibrated on undisturbed walks alone, the network is wrong just when it matters.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from diffusion_mpc_ros.artefacts.publish import publish_variant
from diffusion_mpc_ros.constraints.kind import PHYSICAL
from diffusion_mpc_ros.constraints.registry import bounds_in, free_bounds
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.trajectory import ACTION
from diffusion_mpc_ros.core.types import RewardSettings, RobotState, Timing
from diffusion_mpc_ros.diffusion.bound_step import Arrays, BoundStep, StepBackend
from diffusion_mpc_ros.diffusion.int8 import INT8_MODEL_FILE
from diffusion_mpc_ros.diffusion.onnx_backend import OnnxBackend, session_options
from diffusion_mpc_ros.diffusion.prior import STEP_INPUTS, Prior, load
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.latency import guided
from diffusion_mpc_ros.policies.closed_loop import COMMANDS, AsynchronousController, run_closed_loop
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.simulation.randomization import Randomization
from diffusion_mpc_ros.training.export import example_inputs

PRODUCTS, QUANTISERS = ("Gemm", "MatMul"), ("QuantizeLinear", "DequantizeLinear")
PER_SAMPLE = frozenset(name for name, (_, shape) in STEP_INPUTS.items() if "batch" in shape)
# Tells the quantiser that the exporter has simplified the graph already: no warning.
PREPROCESSED = {"onnx.quant.pre_process": "onnxruntime.quant"}
# Share of the activations within the bounds of a product [%]: all of them is coarser, 99.99 % cuts pushes off.
PERCENTILE = 99.999
# Largest error of the clean prediction x0, relative to its norm, that a quantised network may have; 0.03 is usual.
MAX_ERROR = 0.06
# Where the card keeps what was measured of the int8 graph.
INT8_SCORES = "int8"
# Of each guided step, how many samples are kept; of the steps, which share.
KEPT_ROWS, KEPT_STEPS = 4, 0.2
PUSH_TICKS, PUSH = 50, 1.0  # every so many ticks, up to so much [m/s] along every axis


@dataclass(frozen=True)
class QuantiseConfig:
    """``artefact``, a name in ``models/`` or a folder, gets its int8 graph, in place.

    The calibration walks ``robots`` for each command of ``evaluate walk``, ``ticks`` control ticks long.
    """

    artefact: str = "go2"
    robots: int = 2
    ticks: int = 300
    seed: int = 101


def main(config: QuantiseConfig) -> None:
    """Record, quantise, measure the error on other walks, and write the graph."""
    artefact = load(model_folder(config.artefact))
    calibration = recorded_inputs(artefact, config.robots, config.ticks, config.seed)
    held_out = recorded_inputs(artefact, config.robots, config.ticks, config.seed + 1000)
    errors = add_int8_graph(artefact, calibration, held_out)
    print(
        f"{artefact.path / INT8_MODEL_FILE}: error of x0 {errors['x0_error']:.1%}, "
        f"of its joint targets {errors['joint_target_rms_rad']:.4f} rad (root mean square)"
    )


class _Recorder:
    """A :class:`StepBackend` that keeps a share of the inputs of the steps that it runs."""

    def __init__(self, backend: StepBackend, seed: int) -> None:
        self.inputs: list[Arrays] = []
        self._backend, self._rng = backend, np.random.default_rng(seed)

    def bind(self, batch: int) -> BoundStep:
        """See :class:`StepBackend`."""
        return _RecordedStep(self, self._backend.bind(batch), batch)

    def record(self, inputs: Arrays, batch: int) -> None:
        """Keep :data:`KEPT_ROWS` samples of ``inputs``, or none."""
        if self._rng.random() < KEPT_STEPS:
            rows = self._rng.choice(batch, min(KEPT_ROWS, batch), replace=False)
            self.inputs.append({name: np.array(a[rows] if name in PER_SAMPLE else a) for name, a in inputs.items()})


class _RecordedStep:
    def __init__(self, recorder: _Recorder, step: BoundStep, batch: int) -> None:
        self.inputs, self.outputs = step.inputs, step.outputs
        self._recorder, self._step, self._batch = recorder, step, batch

    def run(self) -> None:
        self._recorder.record(self.inputs, self._batch)
        self._step.run()


class _Pushed:
    """A batch controller whose robots are pushed every :data:`PUSH_TICKS`."""

    def __init__(self, controller: AsynchronousController, simulation: BatchSimulation, seed: int) -> None:
        self._controller, self._simulation = controller, simulation
        self._rng = np.random.default_rng(seed)

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        if state.tick % PUSH_TICKS == 0:
            self._simulation.push(self._rng.uniform(-PUSH, PUSH, size=(len(command), 3)))
        return self._controller.joint_targets(state, command)


def recorded_inputs(artefact: Prior, robots: int, ticks: int, seed: int) -> list[Arrays]:
    """Return inputs of guided steps, by name, from three walks of ``robots`` for each command, in random order.

    Nominal robots without rewards and with every reward term at work; robots of Table I that are pushed.
    """
    commands = np.repeat(np.array(COMMANDS, dtype=float), robots, axis=0)
    rewards = guided(artefact.description.reward_terms)
    inputs: list[Arrays] = []
    for index, (settings, pushed) in enumerate([(RewardSettings(), False), (rewards, False), (RewardSettings(), True)]):
        recorder = _Recorder(OnnxBackend(artefact), seed + index)
        config = DiffusionMpcConfig(Timing(artefact.description.horizon), SamplingOptions(candidates=1))
        planner = DiffusionMpcPlanner(artefact, config, recorder)
        randomization = Randomization() if pushed else None
        simulation = BatchSimulation(len(commands), seed=seed + index, threads=1, randomization=randomization)
        controller = AsynchronousController(planner, lambda tick, settings=settings: settings)
        if pushed:
            controller = _Pushed(controller, simulation, seed)
        run_closed_loop(controller, simulation, commands, ticks, f"walk {index + 1} of 3")
        inputs += recorder.inputs
    return [inputs[i] for i in np.random.default_rng(seed).permutation(len(inputs))]


class _Reader(CalibrationDataReader):
    def __init__(self, inputs: Sequence[Arrays]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> Arrays | None:
        return next(self._inputs, None)


def quantised(model: bytes, inputs: Sequence[Arrays]) -> bytes:
    """Return the ONNX ``model`` with its products with weights in int8, calibrated on ``inputs``.

    Branches stay as they are: rewards, gradients and reward models live there. A product gets its activation through a
    QuantizeLinear and a DequantizeLinear, its weight through the latter: the backends fuse these with the product.
    """
    proto = onnx.load_from_string(model)
    weights = {tensor.name for tensor in proto.graph.initializer}
    products = [n.name for n in proto.graph.node if n.op_type in PRODUCTS and not weights.isdisjoint(n.input)]
    prepared = onnx.ModelProto()
    prepared.CopyFrom(proto)
    onnx.helper.set_model_props(prepared, PREPROCESSED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / INT8_MODEL_FILE
        quantize_static(
            prepared, path, _Reader(inputs), quant_format=QuantFormat.QDQ, op_types_to_quantize=list(PRODUCTS),
            nodes_to_quantize=products, per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.Percentile,
            # What leaves a product is not rounded again: the next operation takes f32.
            extra_options={"CalibPercentile": PERCENTILE, "OpTypesToExcludeOutputQuantization": list(PRODUCTS)},
        )  # fmt: skip
        _take_products(proto.graph, onnx.load(path).graph, products)
    return proto.SerializeToString(deterministic=True)


def _take_products(graph: onnx.GraphProto, source: onnx.GraphProto, products: Sequence[str]) -> None:
    """Replace ``products`` in ``graph`` by those of ``source``, with the nodes that quantise what they read.

    All else stays as it is and where it is. The quantiser sorts the nodes without a look into the branches, and gives
    the rounded activation to its other readers too, such as a skip connection.
    """
    replacements = {node.name: node for node in source.node if node.name in products}
    quantisers = {node.output[0]: node for node in source.node if node.op_type in QUANTISERS}
    nodes: list[onnx.NodeProto] = []

    def add(node: onnx.NodeProto) -> None:
        for name in node.input:
            if name in quantisers:
                add(quantisers.pop(name))
        nodes.append(node)

    for node in [*graph.node]:
        add(replacements.get(node.name, node))
    read = {name for node in nodes for name in node.input} | {tensor.name for tensor in source.initializer}
    read -= {name for node in nodes for name in node.output}  # a bias is now what a node makes of its integers
    # The graph's own first: constants of another graph may have the same names.
    tensors = {tensor.name: tensor for tensor in (*source.initializer, *graph.initializer) if tensor.name in read}
    nodes, tensors = copy.deepcopy((nodes, tensors))
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors.values())


def predictions(model: bytes, inputs: Sequence[Arrays]) -> np.ndarray:
    """Return what the denoiser in ``model`` makes of ``inputs``: normalised x0 ``(n, T, 57)``.

    A guided step gives it as its result when ``c_x0 = 1`` and all else is off. Without optimisations ONNX Runtime
    computes what the integers mean, in f32: the error is the quantisation's on every processor, where the integer
    products of one without VNNI saturate.
    """
    options = session_options(threads=1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    off = {"known_mask": False, "guidance_scale": 0.0, "ranked": False}
    results = []
    for arrays in inputs:
        fixed = {name: np.full_like(arrays[name], value) for name, value in off.items()}
        transition = np.zeros_like(arrays["transition"])
        transition[:, 0] = 1.0
        results += session.run(["tau_next"], {**arrays, **fixed, "transition": transition})
    return np.concatenate(results)


def add_int8_graph(artefact: Prior, calibration: Sequence[Arrays], held_out: Sequence[Arrays]) -> dict[str, float]:
    """Write the int8 graph into the artefact's folder and card; returns its errors on ``held_out``.

    Raises :class:`ArtefactError`, and leaves the artefact as it was, when x0 is off by more than :data:`MAX_ERROR`, or
    when another artefact has taken its place meanwhile.
    """
    model = quantised(artefact.model, calibration)
    expected, actual = (predictions(each, held_out) for each in (artefact.model, model))
    difference = actual - expected
    action = difference[..., ACTION] * artefact.description.normalizer.std[ACTION]
    errors = {
        "x0_error": float(np.linalg.norm(difference) / np.linalg.norm(expected)),
        "joint_target_rms_rad": float(np.sqrt(np.mean(action**2))),
    }
    if not errors["x0_error"] <= MAX_ERROR:
        raise ArtefactError(
            f"in int8 the prediction x0 is off by {errors['x0_error']:.1%} of its norm, {MAX_ERROR:.0%} is allowed; "
            f"{artefact.path} is left as it was"
        )
    publish_variant(artefact, INT8_MODEL_FILE, model, {INT8_SCORES: errors})
    return errors


def carry_int8_graph(source: Prior, artefact: Prior) -> None:
    """Give ``artefact``, in place, the int8 products that ``source`` has for the same network in another graph.

    Nothing is calibrated anew: the network predicts what it did, to the last bit, and its errors are those of the card.
    Raises :class:`ArtefactError` when the graphs do not fit each other.
    """
    proto, quantised_proto = (onnx.load_from_string(each) for each in (artefact.model, source.graphs[INT8_MODEL_FILE]))
    weights = {tensor.name for tensor in proto.graph.initializer}
    products = [n.name for n in proto.graph.node if n.op_type in PRODUCTS and not weights.isdisjoint(n.input)]
    _take_products(proto.graph, quantised_proto.graph, products)
    model = proto.SerializeToString(deterministic=True)
    arrays = {name: value.numpy() for name, value in example_inputs(artefact.description, 4, seed=0).items()}
    arrays |= bounds_in(free_bounds(artefact.description.rows), PHYSICAL)

    def inputs_of(each: Prior) -> Arrays:
        """Terms and parameters may be other ones: a prediction takes no notice of them."""
        return {
            name: np.asarray(arrays[name] if np.shape(arrays.get(name)) == shape else np.zeros(shape), dtype)
            for name, (dtype, shape) in each.description.inputs(4).items()
        }

    expected = predictions(source.graphs[INT8_MODEL_FILE], [inputs_of(source)])
    try:
        same = np.array_equal(predictions(model, [inputs_of(artefact)]), expected)
    except Exception:  # ONNX Runtime raises types of its own that share no base but Exception
        same = False
    if not same:
        raise ArtefactError(
            f"the int8 graph of {source.path} does not fit that of {artefact.path}: make another one with "
            f"`diffusion-mpc train quantise --artefact {artefact.path}`"
        )
    publish_variant(artefact, INT8_MODEL_FILE, model, {INT8_SCORES: source.card["scores"][INT8_SCORES]})
