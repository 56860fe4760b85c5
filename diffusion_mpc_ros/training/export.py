"""Export of the guided step (:mod:`training.guided_step`) to ONNX, with its card."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch._decomp import core_aten_decompositions
from torch._functorch.compile_utils import fx_graph_cse
from torch.fx.experimental.proxy_tensor import make_fx

from diffusion_mpc_ros.artefacts.kinds import DENOISER, PRIOR, REWARD_MODEL, WEIGHTS_FILE
from diffusion_mpc_ros.artefacts.publish import publish
from diffusion_mpc_ros.artefacts.weights import weights_bytes
from diffusion_mpc_ros.constraints.registry import KINDS, coupled, known_bounds, project_box
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.files import canonical_json
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.onnx_backend import session_options
from diffusion_mpc_ros.diffusion.prior import METADATA_KEY, MODEL_FILE, ModelDescription
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.rewards.following import terms_reading
from diffusion_mpc_ros.rewards.predictions import PREDICTED, PREDICTIONS
from diffusion_mpc_ros.rewards.registry import TERMS, term_parameters
from diffusion_mpc_ros.training.guided_step import GuidedStep
from diffusion_mpc_ros.training.onnx_files import (
    fold_transposed_constants,
    give_branches_their_constants,
    strip_debug_information,
)
from diffusion_mpc_ros.training.weights import parameters

# Largest |ONNX - torch|, relative to 1 + |torch|, that an export may show.
PARITY_TOLERANCE = 1e-4
MAX_BATCH = 65536
# Batch that the gradient is traced with: a prime, so that the tracer takes no other size for the batch.
_TRACE_BATCH = 17


@dataclass(frozen=True)
class ArtefactMetadata:
    """What the card says beside the model: configuration, commit, scores, seeds.

    ``replan_margin``: the largest D that the model is trained for [control ticks];
    ``networks``: architecture of each network by name, for :func:`networks.build_network`;
    ``reward_terms``: None for all that there is a reward model for.
    """

    name: str
    horizon: int
    replan_margin: int
    noise_scale: float = 1.0
    x0_clip: float = 5.0
    reward_terms: Sequence[str] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, int | list[int]] = field(default_factory=dict)


def _slice_backward(grad, sizes, dim, start, end, step):
    """Gradient of a unit-stride slice as one Pad: ATen's own decomposition becomes a chain of scatters in ONNX."""
    size = sizes[dim]
    start = max(start + size, 0) if start < 0 else start
    end = min(end + size if end < 0 else end, size)
    if start == 0 and end == size:
        return grad
    return torch.ops.aten.constant_pad_nd.default(grad, [0, 0] * (grad.dim() - 1 - dim) + [start, size - end], 0.0)


def _select_backward(grad, sizes, dim, index):
    """Gradient of one entry along ``dim`` as one Pad, like :func:`_slice_backward`."""
    index = index + sizes[dim] if index < 0 else index
    return _slice_backward(grad.unsqueeze(dim), sizes, dim, index, index + 1, 1)


# Operators that broadcast what they read.
_BROADCASTING = frozenset(getattr(torch.ops.aten, name).Tensor for name in ("add", "sub", "mul", "div"))


def _let_broadcast(traced: torch.fx.GraphModule) -> None:
    """Remove the Expand of what is then combined with an array of the full size; in place.

    The gradient of every sum is written so. In ONNX each is two or three operators on shapes, as dear as real work.
    """

    def full_without(user: torch.fx.Node, expanded: torch.fx.Node) -> bool:
        others = [each for each in user.args if isinstance(each, torch.fx.Node) and each is not expanded]
        return user.target in _BROADCASTING and any(each.meta["val"].shape == user.meta["val"].shape for each in others)

    for node in [*traced.graph.nodes]:
        if node.target is torch.ops.aten.expand.default:
            for user in [*node.users]:
                if full_without(user, node):
                    user.replace_input_with(node, node.args[0])
    traced.graph.eliminate_dead_code()
    traced.recompile()


class _Traced(NamedTuple):
    """The composed reward, and its gradient without and with the part that goes through the reward model.

    Of all terms but the ``seldom`` ones, whose reward and gradient stand beside.
    """

    reward: torch.fx.GraphModule
    analytic_gradient: torch.fx.GraphModule
    whole_gradient: torch.fx.GraphModule
    seldom: tuple[str, ...]
    seldom_reward: torch.fx.GraphModule | None
    seldom_gradient: torch.fx.GraphModule | None


class _BranchedStep(GuidedStep):
    """The guided step with reward and gradients as plain operators, and branches round what a step does not need."""

    def __init__(self, step: GuidedStep, traced: _Traced) -> None:
        super().__init__(step.denoiser, step.normalizer, step.terms, step.x0_clip, step.reward_model)
        self.traced = traced
        of_seldom = torch.tensor([name in traced.seldom for name in step.terms])
        self.register_buffer("seldom", of_seldom, persistent=False)

    def _asks_for_seldom(self, reward_weights):
        return (self.seldom & (reward_weights != 0.0)).any()

    def _predict_where(self, needed, tau, row_features):
        parameters = dict(self.reward_model.named_parameters())

        def predict(tau, row_features, *values):
            return self.predict(tau, row_features, dict(zip(parameters, values)))

        def skip(tau, row_features, *values):
            return tau.new_zeros((tau.shape[0], len(PREDICTIONS)))

        return torch.cond(needed, predict, skip, (tau, row_features, *parameters.values()))

    def gradient_where(self, guided, needed, tau, row_features, reward_weights, parameters):
        def none(tau, *_):
            return torch.zeros_like(tau)

        shared = self.mean, self.std, reward_weights, *parameters
        analytic = torch.cond(guided & ~needed, self.traced.analytic_gradient, none, (tau, *shared))
        operands = (tau, row_features, *shared, *self.reward_model.parameters())
        gradient = analytic + torch.cond(guided & needed, self.traced.whole_gradient, none, operands)
        if self.traced.seldom_gradient is None:
            return gradient
        asked = guided & self._asks_for_seldom(reward_weights)
        return gradient + torch.cond(asked, self.traced.seldom_gradient, none, (tau, *shared))

    def project(self, tau, bounds):
        into_all_sets = super().project

        def whole(tau, *arrays):
            return into_all_sets(tau, dict(zip(bounds, arrays)))

        def box(tau, *arrays):
            return project_box(tau, dict(zip(bounds, arrays)))

        return torch.cond(coupled(bounds), whole, box, (tau, *bounds.values()))

    def reward_where(self, ranked, needed, tau, row_features, reward_weights, parameters):
        def not_ranked(tau, *_):
            return tau.new_zeros(tau.shape[0])

        predicted = self._predict_where(ranked & needed, tau, row_features)
        operands = (tau, self.mean, self.std, predicted, reward_weights, *parameters)
        reward = torch.cond(ranked, self.traced.reward, not_ranked, operands)
        if self.traced.seldom_reward is None:
            return reward
        asked = ranked & self._asks_for_seldom(reward_weights)
        return reward + torch.cond(asked, self.traced.seldom_reward, not_ranked, operands)


def example_inputs(
    description: ModelDescription, batch: int, seed: int, last_step: bool = False
) -> dict[str, torch.Tensor]:
    """Random inputs of ordinary size for one of the guided steps, or for the last one, by name."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for name, (dtype, shape) in description.inputs(batch).items():
        arrays[name] = generator.random(shape) < 0.3 if dtype == "bool" else generator.standard_normal(shape)
    levels = generator.integers(1, 2 if last_step else description.schedule.steps + 1, size=description.rows)
    arrays["row_features"] = description.schedule.row_features(levels, levels % 2)
    arrays["next_row_features"] = description.schedule.row_features(levels - 1, levels % 2)
    arrays["transition"] = description.schedule.transition(levels, levels - 1)
    # Every term steers by a comparable amount: weights at a small part of their bounds.
    arrays["reward_weights"] = 0.02 * np.array([TERMS[name].max_weight for name in description.reward_terms])
    arrays["guidance_scale"], arrays["ranked"] = np.asarray(0.7), np.asarray(True)
    for kind in KINDS.values():
        arrays.update(kind.example({bound.name: arrays[bound.name] for bound in kind.bounds}))
    for parameter in term_parameters(description.reward_terms):
        arrays[parameter.name] = parameter.default_array + 0.1 * arrays[parameter.name]
    return {
        name: torch.as_tensor(array) if array.dtype == bool else torch.as_tensor(array, dtype=torch.float32)
        for name, array in arrays.items()
    }


def trace(function: Callable[..., torch.Tensor], *operands: torch.Tensor) -> torch.fx.GraphModule:
    """Return ``function``, its gradients included, in plain operators, as few as they can be; of any batch."""
    table = {
        **core_aten_decompositions(),
        torch.ops.aten.slice_backward.default: _slice_backward,
        torch.ops.aten.select_backward.default: _select_backward,
    }
    traced = make_fx(function, decomposition_table=table, tracing_mode="symbolic")(*operands)
    # What several reward terms compute is computed once.
    traced.graph = fx_graph_cse(traced.graph)
    _let_broadcast(traced)
    return traced


def _trace_rewards(step: GuidedStep, inputs: Mapping[str, torch.Tensor]) -> _Traced:
    parameters = [inputs[name] for name in step.parameter_names]
    tau, features = inputs["tau"], inputs["next_row_features"]
    shared = step.mean, step.std, inputs["reward_weights"], *parameters
    model = {name: value.detach() for name, value in step.reward_model.named_parameters()}

    def whole(tau, features, mean, std, reward_weights, *values):
        parameters, of_model = values[: len(step.parameter_names)], values[len(step.parameter_names) :]
        of_model = dict(zip(model, of_model))
        return rest.whole_gradient(tau, features, mean, std, reward_weights, parameters, of_model)

    predicted = tau.new_ones((len(tau), len(PREDICTIONS)))
    seldom = tuple(name for name in step.terms if TERMS[name].seldom and not TERMS[name].reads)
    often = [name for name in step.terms if name not in seldom]
    if not often:
        seldom, often = (), list(step.terms)
    rest, rare = step.of_terms(often), step.of_terms(seldom)
    whole_inputs = tau, step.mean, step.std, predicted, inputs["reward_weights"], *parameters
    return _Traced(
        trace(rest.reward, *whole_inputs),
        trace(rest.analytic_gradient, tau, *shared),
        trace(whole, tau, features, *shared, *model.values()),
        seldom,
        trace(rare.reward, *whole_inputs) if seldom else None,
        trace(rare.analytic_gradient, tau, *shared) if seldom else None,
    )


def export_onnx(step: GuidedStep, description: ModelDescription, path: Path) -> None:
    """Write the guided step as one self-contained ONNX file with a dynamic batch; the description goes inside."""
    inputs = example_inputs(description, _TRACE_BATCH, seed=0)
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    dynamic = [{0: batch} if "batch" in shape else None for _, shape in description.inputs().values()]
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations; the parity check judges the result
        program = torch.export.export(
            _BranchedStep(step, _trace_rewards(step, inputs)),
            tuple(inputs.values()),
            dynamic_shapes=(tuple(dynamic),),
        )
        exported = torch.onnx.export(
            program,
            dynamo=True,
            input_names=list(description.inputs()),
            output_names=list(description.outputs()),
            optimize=True,
            verbose=False,
        )
    model = exported.model_proto
    give_branches_their_constants(model)
    fold_transposed_constants(model)
    strip_debug_information(model)
    onnx.helper.set_model_props(model, {METADATA_KEY: canonical_json(description.to_json())})
    onnx.save_model(model, str(path))


def parity_error(
    step: GuidedStep, description: ModelDescription, path: Path, batch: int, seed: int, last_step: bool
) -> float:
    """Largest ``|ONNX - torch| / (1 + |torch|)`` over all outputs for random inputs."""
    session = onnxruntime.InferenceSession(str(path), session_options(threads=1), providers=["CPUExecutionProvider"])
    inputs = example_inputs(description, batch, seed, last_step)
    actual = session.run(list(description.outputs()), {name: value.numpy() for name, value in inputs.items()})
    with torch.no_grad():
        expected = [value.numpy() for value in step(*inputs.values())]
    return max(float(np.max(np.abs(a - e) / (1.0 + np.abs(e)))) for a, e in zip(actual, expected))


def export_artefact(
    denoiser: nn.Module,
    normalizer: Normalizer,
    schedule: NoiseSchedule,
    metadata: ArtefactMetadata,
    out_dir: str | Path,
    reward_model: nn.Module | None = None,
) -> str:
    """Publish graph, weights and card in ``out_dir`` (replaced as a whole); returns the artefact's identity.

    ``denoiser``: ``(tau (B, T, 57) normalised, row_features (B, T, 3)) -> x0``, on the CPU; ``reward_model``: see
    :class:`GuidedStep`. Raises :class:`ArtefactError`, and leaves ``out_dir`` as it was, when ONNX Runtime and torch
    differ by more than :data:`PARITY_TOLERANCE`.
    """
    terms = metadata.reward_terms
    if terms is None:
        terms = terms_reading(() if reward_model is None else PREDICTED)
    description = ModelDescription(
        horizon=metadata.horizon,
        replan_margin=metadata.replan_margin,
        normalizer=normalizer,
        schedule=schedule,
        reward_terms=tuple(terms),
        bounds={name: bound.size for name, bound in known_bounds().items()},
        parameters={p.name: p.shape[0] for p in term_parameters(terms)},
        x0_clip=metadata.x0_clip,
        noise_scale=metadata.noise_scale,
    )
    step = GuidedStep(denoiser.eval(), normalizer, description.reward_terms, description.x0_clip, reward_model).eval()
    with tempfile.TemporaryDirectory() as folder:
        model_path = Path(folder) / MODEL_FILE
        export_onnx(step, description, model_path)
        error = max(
            parity_error(step, description, model_path, batch, seed=batch, last_step=last)
            for batch in (1, 10) for last in (False, True)
        )  # fmt: skip
        model = model_path.read_bytes()
    if not error <= PARITY_TOLERANCE:
        raise ArtefactError(
            f"the exported graph differs from torch by {error:.2e}, {PARITY_TOLERANCE:.0e} is allowed; "
            f"{out_dir} is left as it was"
        )
    networks = {DENOISER: denoiser} | ({} if reward_model is None else {REWARD_MODEL: reward_model})
    return publish(
        out_dir,
        PRIOR,
        {MODEL_FILE: model, WEIGHTS_FILE: weights_bytes({name: parameters(net) for name, net in networks.items()})},
        {name: dict(metadata.networks.get(name, {})) for name in networks},
        name=metadata.name,
        model=description.to_json(),
        training={"configuration": dict(metadata.training), "commit": metadata.commit},
        scores=dict(metadata.scores),
        seeds=dict(metadata.seeds),
        parity_error=error,
    )
