"""What training proposals and dynamics has in common: corruption, the run, the graph, the artefact."""

from __future__ import annotations

import dataclasses
import io
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from diffusion_mpc_ros.artefacts.kinds import WEIGHTS_FILE, Kind
from diffusion_mpc_ros.artefacts.publish import publish
from diffusion_mpc_ros.artefacts.weights import weights_bytes
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.diffusion.conditional import level_features
from diffusion_mpc_ros.diffusion.onnx_backend import session_options
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.planners.d_mpc.description import Description
from diffusion_mpc_ros.training.dataset import TrajectoryDataset
from diffusion_mpc_ros.training.device import pick_device
from diffusion_mpc_ros.training.loop import LoopConfig, TrainingState, check_resumable, optimize
from diffusion_mpc_ros.training.networks.conditional_mlp import MLPConfig
from diffusion_mpc_ros.training.onnx_files import strip_debug_information
from diffusion_mpc_ros.training.precision import autocast
from diffusion_mpc_ros.training.pretrain import identities, open_datasets
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.runs import configuration_json, made_of
from diffusion_mpc_ros.training.weights import parameters

DATASETS = (Path("runs/dataset_dynamics"),)
# Largest |ONNX - torch|, relative to 1 + |torch|, that an export may show.
PARITY_TOLERANCE = 1e-4
MAX_BATCH = 65536


@dataclass(frozen=True)
class ModelConfig(LoopConfig):
    """What the models of D-MPC have in common: the data, F = ``horizon`` ticks, and how they are optimised.

    ``held_out``: share of the trajectories that only the scores see. ``velocity_noise`` [m/s] and ``height_noise``
    [m]: what is added to the true base velocity and height, as an estimator errs. ``relabel_commands``: see
    :mod:`training.relabelling`; a dataset without labels needs it off. ``bfloat16``: see :mod:`training.precision`.
    """

    datasets: tuple[Path, ...] = DATASETS
    iterations: int = 15000
    horizon: int = 16
    network: MLPConfig = field(default_factory=MLPConfig)
    held_out: float = 0.05
    score_windows: int = 4096
    velocity_noise: float = 0.05
    height_noise: float = 0.01
    relabel_commands: bool = True
    device: str = "auto"
    bfloat16: bool = True
    run_dir: Path = Path("runs/model")

    def __post_init__(self) -> None:
        if not 0.0 < self.held_out < 1.0:
            raise ConfigurationError(f"held_out must be a share between 0 and 1, got {self.held_out}")
        if self.horizon < 1:
            raise ConfigurationError(f"horizon must be at least 1, got {self.horizon}")

    @property
    def output(self) -> Path:
        """The folder of the artefact."""
        return self.run_dir / "artefact"


def corrupt(x0: torch.Tensor, schedule: NoiseSchedule, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """``x0 (B, m)`` at random noise levels 1 to K, ``(B, m)``, and the level features ``(B, 2)``."""
    features = torch.tensor(
        np.stack([level_features(schedule, level) for level in range(schedule.steps + 1)]), dtype=torch.float32
    )
    level = features[torch.randint(1, schedule.steps + 1, (len(x0),), generator=generator)]
    noise = torch.randn(x0.shape, generator=generator)
    return level[:, :1] * x0 + level[:, 1:] * noise, level


def train(
    config: ModelConfig,
    network: nn.Module,
    loss: Callable[[torch.Generator], tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor]],
    run: Mapping[str, Any],
    label: str,
) -> TrainingState:
    """Minimise the weighted squared error of ``network``, in ``config.run_dir``, resuming; the EMA weights are in it.

    ``loss`` draws targets ``(B, m)``, the inputs of the network, and the weight of each entry of the error.
    """
    device = pick_device(config.device)
    network.to(device)

    def value(generator: torch.Generator) -> torch.Tensor:
        target, inputs, weight = loss(generator)
        target, weight = target.to(device), weight.to(device).expand_as(target)
        with autocast(device, config.bfloat16):
            predicted = network(*(tensor.to(device) for tensor in inputs))
        return (weight * (predicted.float() - target) ** 2).sum() / weight.sum()

    config.run_dir.mkdir(parents=True, exist_ok=True)
    state = optimize(config, network, value, config.run_dir, run, label, device)
    network.load_state_dict(state.ema.module.state_dict())
    network.to("cpu").eval()
    return state


def begin(config: ModelConfig, **more: str) -> tuple[list[TrajectoryDataset], dict[str, Any]]:
    """The datasets, and what the run is made of; raises :class:`ConfigurationError` for a checkpoint of another run."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    datasets = open_datasets(config.datasets)
    run = made_of(config, {"datasets": identities(datasets), **more})
    check_resumable(config.run_dir, run)
    return datasets, run


def graph_of(network: nn.Module, sizes: Mapping[str, int], output: str) -> bytes:
    """``network`` as an ONNX file with a dynamic batch; ``sizes`` of its inputs, of which ``level`` is one row.

    Raises :class:`ArtefactError` when ONNX Runtime and torch differ by more than :data:`PARITY_TOLERANCE`.
    """
    generator = torch.Generator().manual_seed(0)
    shapes = [(size,) if name == "level" else (17, size) for name, size in sizes.items()]
    inputs = tuple(torch.randn(shape, generator=generator) for shape in shapes)
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations; the parity check judges the result
        exported = torch.onnx.export(
            network.eval(),
            inputs,
            dynamo=True,
            input_names=list(sizes),
            output_names=[output],
            dynamic_shapes=tuple(None if name == "level" else {0: batch} for name in sizes),
            optimize=True,
            verbose=False,
        )
        expected = network(*inputs).numpy()
    model = exported.model_proto
    strip_debug_information(model)
    file = io.BytesIO()
    onnx.save_model(model, file)
    content = file.getvalue()
    session = onnxruntime.InferenceSession(content, session_options(1), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: tensor.numpy() for name, tensor in zip(sizes, inputs)})
    error = float(np.max(np.abs(found - expected) / (1.0 + np.abs(expected))))
    if not error <= PARITY_TOLERANCE:
        raise ArtefactError(f"the exported graph differs from torch by {error:.2e}, {PARITY_TOLERANCE:.0e} is allowed")
    return content


def publish_model(
    config: ModelConfig,
    kind: Kind,
    network: nn.Module,
    description: Description,
    graph: bytes,
    state: TrainingState,
    scores: Mapping[str, Any],
    datasets: list[TrajectoryDataset],
    **training: Any,
) -> None:
    """Publish the one network of ``kind`` in ``config.output``, its lineage and its held-out ``scores`` on the card."""
    (name,) = kind.networks
    publish(
        config.output,
        kind,
        {kind.main: graph, WEIGHTS_FILE: weights_bytes({name: parameters(network)})},
        {name: dataclasses.asdict(config.network)},
        name=config.run_dir.name,
        model=description.to_json(),
        training={
            "configuration": configuration_json(config),
            "commit": source_commit(),
            "datasets": identities(datasets),
            "iterations_done": state.iteration,
            "loss": state.loss,
            "cpu_seconds": state.cpu_seconds,
            **training,
        },
        scores=dict(scores),
        seeds={name: config.seed},
    )
