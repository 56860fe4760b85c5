"""The training loop of the networks: optimiser, schedule, average of the weights, checkpoints, resuming, progress."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.training import distributed
from diffusion_mpc_ros.training.runs import check_goes_on

CHECKPOINT_FILE, METADATA_FILE = "checkpoint.pt", "run.json"


@dataclass(frozen=True)
class LoopConfig:
    """How a network is optimised: AdamW, ``warmup`` iterations and a cosine; ``ema`` decay of the averaged weights."""

    seed: int = 0
    threads: int = 1
    iterations: int = 24000
    batch: int = 512
    learning_rate: float = 1e-3
    warmup: int = 500
    weight_decay: float = 1e-4
    ema: float = 0.999
    checkpoint_minutes: float = 2.0
    log_interval: int = 100


def averaged(network: torch.nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of the weights, bias-corrected by a warm-up of the decay."""

    def fold(mean: torch.Tensor, value: torch.Tensor, updates: torch.Tensor) -> torch.Tensor:
        return mean.lerp(value, 1.0 - min(decay, (1 + int(updates)) / (10 + int(updates))))

    ema = AveragedModel(network, avg_fn=fold)
    # The weights as they begin are the first that count; torch would forget them at the first update.
    ema.n_averaged += 1
    return ema


@dataclass
class TrainingState:
    """Everything a checkpoint holds.

    ``made_of``: see :func:`runs.made_of`; ``loss``: mean of the last ``log_interval`` iterations, None before;
    ``cpu_seconds``: processor time of training so far, over all resumes.
    """

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    ema: AveragedModel
    made_of: Mapping[str, Any]
    iteration: int = 0
    loss: float | None = None
    cpu_seconds: float = 0.0

    @classmethod
    def begin(cls, network: torch.nn.Module, config: LoopConfig, made_of: Mapping[str, Any]) -> TrainingState:
        """Before the first iteration."""
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(
            trained, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.99)
        )
        return cls(network, optimizer, averaged(network, config.ema), made_of)

    def save(self, path: Path, **more: Any) -> None:
        """Write atomically: a killed run leaves the last whole checkpoint; ``more`` is kept in it as well.

        Of several processes the first one writes.
        """
        if not distributed.is_first():
            return
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "ema": self.ema.module.state_dict(),
                "ema_updates": int(self.ema.n_averaged) - 1,
                "iteration": self.iteration,
                "loss": self.loss,
                "cpu_seconds": self.cpu_seconds,
                "made_of": self.made_of,
                **more,
            },
            partial,
        )
        partial.rename(path)

    def load(self, path: Path, device: torch.device) -> dict[str, Any]:
        """Continue from a checkpoint (tensors, numbers and texts only, nothing is unpickled); -> all that it holds.

        Raises :class:`ConfigurationError` for one of another run.
        """
        stored = torch.load(path, map_location=device, weights_only=True)
        check_goes_on(path, stored.get("made_of"), self.made_of)
        self.network.load_state_dict(stored["network"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.ema.module.load_state_dict(stored["ema"])
        self.ema.n_averaged.fill_(stored["ema_updates"] + 1)
        self.iteration, self.loss = stored["iteration"], stored["loss"]
        self.cpu_seconds = stored["cpu_seconds"]
        return stored

    def step(self, loss: torch.Tensor) -> torch.Tensor:
        """One step of the optimiser down the gradient of ``loss``, which is given back detached.

        Of several processes all take the same step, down the mean of their gradients.
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(self.network)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.ema.update_parameters(self.network)
        self.iteration += 1
        return loss.detach()


class Curves:
    """TensorBoard's curves in the folder ``run_dir``, drawn by the first process."""

    def __init__(self, run_dir: Path) -> None:
        self._writer = SummaryWriter(str(run_dir)) if distributed.is_first() else None

    def add(self, name: str, value: float, iteration: int) -> None:
        """Put a point on the curve ``name``."""
        if self._writer is not None:
            self._writer.add_scalar(name, value, iteration)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()


def learning_rate_factor(iteration: int, config: LoopConfig) -> float:
    """Linear warm-up, then a cosine down to 2 % at the last iteration."""
    if iteration < config.warmup:
        return (iteration + 1) / config.warmup
    progress = (iteration - config.warmup) / max(config.iterations - config.warmup, 1)
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


def check_resumable(run_dir: Path, made_of: Mapping[str, Any]) -> None:
    """Raise :class:`ConfigurationError` when the checkpoint in ``run_dir`` is of a run that is not ``made_of`` this.

    To be called before anything is written to ``run_dir``.
    """
    checkpoint = run_dir / CHECKPOINT_FILE
    if checkpoint.exists():
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
        check_goes_on(checkpoint, stored.get("made_of"), made_of)


def optimize(
    config: LoopConfig,
    network: torch.nn.Module,
    loss: Callable[[torch.Generator], torch.Tensor],
    run_dir: Path,
    made_of: Mapping[str, Any],
    label: str,
    device: torch.device | str = "cpu",
) -> TrainingState:
    """Minimise ``loss`` over batches that it draws with the generator (on the CPU, the same whatever the device).

    Resumes from the checkpoint in ``run_dir``, where checkpoints and curves go, if it is ``made_of`` the same; -> the
    state after the last iteration.
    """
    distributed.refuse_several(label)
    state, checkpoint = TrainingState.begin(network, config, made_of), run_dir / CHECKPOINT_FILE
    if checkpoint.exists():
        state.load(checkpoint, torch.device(device))
    distributed.check_alike("iterations done", state.iteration)
    for group in state.optimizer.param_groups:
        group["initial_lr"] = config.learning_rate
    schedule = LambdaLR(state.optimizer, partial(learning_rate_factor, config=config), state.iteration - 1)
    curves = Curves(run_dir)
    generator = distributed.own_generator(torch.Generator().manual_seed(config.seed + state.iteration))
    bar = tqdm(
        total=config.iterations, initial=state.iteration, unit="it", desc=label, disable=not distributed.is_first()
    )
    saved, losses = time.monotonic(), []
    earlier, started, elsewhere = state.cpu_seconds, time.process_time(), 0.0
    while state.iteration < config.iterations:
        losses.append(state.step(loss(generator)))
        schedule.step()
        own = time.process_time() - started
        state.cpu_seconds = earlier + own + elsewhere
        bar.update(1)
        if state.iteration % config.log_interval == 0:
            elsewhere = distributed.summed(own) - own
            state.loss = torch.stack(losses).mean().item()
            losses.clear()
            curves.add("loss", state.loss, state.iteration)
            bar.set_postfix(loss=f"{state.loss:.4f}")
        if time.monotonic() - saved > 60.0 * config.checkpoint_minutes:
            state.save(checkpoint)
            saved = time.monotonic()
    state.save(checkpoint)
    curves.close()
    bar.close()
    return state


def read_run(run_dir: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata and checkpoint of a run; raises :class:`ConfigurationError` when they are not there."""
    try:
        metadata = json.loads((run_dir / METADATA_FILE).read_text())
        return metadata, torch.load(run_dir / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"no training run in {run_dir}: {error}") from None
