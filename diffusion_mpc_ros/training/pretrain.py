"""Pretraining of the diffusion prior: x0-prediction on noised trajectory windows (arXiv 2510.04234, section III)."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dacite
import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import ACTION, COMMAND, OBSERVATION, PREVIOUS_ACTION, ROW_DIM
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.training.dataset import TrajectoryDataset, window_starts
from diffusion_mpc_ros.training.device import pick_device
from diffusion_mpc_ros.training.networks import NetworkConfig, build_denoiser
from diffusion_mpc_ros.training.provenance import source_commit

CHECKPOINT_FILE, METADATA_FILE = "checkpoint.pt", "run.json"


@dataclass(frozen=True)
class PretrainConfig:
    """``diffusion-mpc train pretrain``: the denoiser on the collected windows.

    ``committed_max``: up to this many leading actions are given instead of noised, as asynchronous execution does
    (training-time action conditioning); ``committed`` is the share of windows treated so. ``two_level`` is the share
    of windows whose last rows are noisier than the rest, as early-step caching leaves them.
    """

    dataset: Path = Path("runs/dataset")
    run_dir: Path = Path("runs/pretrain")
    seed: int = 3
    threads: int = 1
    device: str = "auto"
    horizon: int = 11
    steps: int = 10
    network: NetworkConfig = field(default_factory=NetworkConfig)
    iterations: int = 24000
    batch: int = 512
    learning_rate: float = 1e-3
    warmup: int = 500
    weight_decay: float = 1e-4
    ema: float = 0.999
    action_weight: float = 3.0
    committed: float = 0.65
    committed_max: int = 6
    two_level: float = 0.35
    bfloat16: bool = True
    checkpoint_minutes: float = 2.0
    log_interval: int = 100


class WindowSampler:
    """Draws normalised training windows: ``tau0 (B, T, 57)`` with clean actions, ``executed (B, T, 12)`` beside it."""

    def __init__(self, arrays: dict[str, np.ndarray], rows: int, normalizer: Normalizer) -> None:
        self._starts = torch.from_numpy(window_starts(arrays["fresh"], rows))
        self._table = torch.empty((*arrays["fresh"].shape, ROW_DIM))
        self._executed = torch.empty(arrays["executed"].shape)
        # One episode at a time: millions of rows in double precision do not fit beside themselves.
        for episode, (observation, action) in enumerate(zip(arrays["observation"], arrays["action"])):
            table = np.concatenate([observation, action], axis=-1)
            self._table[episode] = torch.from_numpy(normalizer.normalize(table))
            table[:, ACTION] = arrays["executed"][episode]
            self._executed[episode] = torch.from_numpy(normalizer.normalize(table)[:, ACTION])
        self._offsets = torch.arange(rows)

    def __len__(self) -> int:
        return len(self._starts)

    def choose(self, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Trajectories ``(B, 1)`` and ticks ``(B, T)`` of random windows."""
        chosen = self._starts[torch.randint(len(self._starts), (batch,), generator=generator)]
        return chosen[:, :1], chosen[:, 1:] + self._offsets

    def draw(self, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A random batch."""
        window = self.choose(batch, generator)
        return self._table[window], self._executed[window]


class Corruption:
    """The forward process with per-row noise levels and known entries, as the sampler meets them."""

    def __init__(self, config: PretrainConfig, schedule: NoiseSchedule) -> None:
        self._config, self._rows = config, config.horizon + 1
        self._steps = schedule.steps
        self._abar = torch.tensor(schedule.alphas_cumprod, dtype=torch.float32)

    def levels(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        """Noise levels ``(B, T)`` in 1..K.

        One level for all rows, or two: after caching with n steps left, rows with a predecessor are at level
        ``a <= n`` and the last rows at the proportional level ``round(K a / n)``.
        """
        steps, rows = self._steps, self._rows
        draw = lambda low, high: torch.randint(low, high, (batch, 1), generator=generator)  # noqa: E731
        level = draw(1, steps + 1).expand(batch, rows)
        remaining = draw(2, steps)
        reached = torch.minimum(draw(1, steps), remaining)
        tail = torch.round(steps * reached / remaining).long()
        is_tail = torch.arange(rows) >= rows - draw(1, rows - 2)
        two = torch.where(is_tail, tail, reached)
        return torch.where(torch.rand(batch, 1, generator=generator) < self._config.two_level, two, level)

    def __call__(
        self, tau0: torch.Tensor, executed: torch.Tensor, generator: torch.Generator,
        levels: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """``(noisy tau, row features, weight of each entry in the loss)``; ``levels (B, T)`` are drawn if not given."""
        batch, rows = tau0.shape[:2]
        levels = self.levels(batch, generator) if levels is None else levels
        abar = self._abar[levels][..., None]
        noise = torch.randn(tau0.shape, generator=generator)
        noisy = abar.sqrt() * tau0 + (1.0 - abar).sqrt() * noise
        count = torch.randint(1, self._config.committed_max + 1, (batch, 1), generator=generator)
        count = count * (torch.rand(batch, 1, generator=generator) < self._config.committed)
        row = torch.arange(rows)
        committed = row < count
        known = torch.zeros(batch, rows, ROW_DIM, dtype=torch.bool)
        known[:, 0, OBSERVATION] = True
        known[:, :, COMMAND] = True
        known[:, :, ACTION] = committed[..., None]
        # What was executed at one tick is the previous action of the next.
        known[:, :, PREVIOUS_ACTION] |= ((row >= 1) & (row <= count))[..., None]
        value = tau0.clone()
        value[..., ACTION] = torch.where(committed[..., None], executed, tau0[..., ACTION])
        noisy = torch.where(known, value, noisy)
        features = torch.cat([abar.sqrt(), (1.0 - abar).sqrt(), committed[..., None].float()], dim=-1)
        weight = torch.ones(ROW_DIM)
        weight[ACTION] = self._config.action_weight
        return noisy, features, weight * ~known


class Ema:
    """Exponential moving average of the weights, bias-corrected by a warm-up of the decay."""

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.shadow = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: torch.nn.Module) -> None:
        """Fold in the current weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in network.state_dict().items():
            self.shadow[name].lerp_(value.detach(), 1.0 - decay)


@dataclass
class TrainingState:
    """Everything a checkpoint holds.

    ``loss``: mean of the last ``log_interval`` iterations, None before; ``cpu_seconds``: processor time of training so
    far, over all resumes.
    """

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema
    iteration: int = 0
    loss: float | None = None
    cpu_seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write atomically: a killed run leaves the last whole checkpoint."""
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "ema": self.ema.shadow,
                "ema_updates": self.ema.updates,
                "iteration": self.iteration,
                "loss": self.loss,
                "cpu_seconds": self.cpu_seconds,
            },
            partial,
        )
        partial.rename(path)

    def load(self, path: Path, device: torch.device) -> None:
        """Continue from a checkpoint (tensors and numbers only, nothing is unpickled)."""
        stored = torch.load(path, map_location=device, weights_only=True)
        self.network.load_state_dict(stored["network"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.ema.shadow, self.ema.updates = stored["ema"], stored["ema_updates"]
        self.iteration, self.loss = stored["iteration"], stored["loss"]
        self.cpu_seconds = stored["cpu_seconds"]


def learning_rate_factor(iteration: int, config: PretrainConfig) -> float:
    """Linear warm-up, then a cosine down to 2 % at the last iteration."""
    if iteration < config.warmup:
        return (iteration + 1) / config.warmup
    progress = (iteration - config.warmup) / max(config.iterations - config.warmup, 1)
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


def fit_normalizer(arrays: dict[str, np.ndarray]) -> Normalizer:
    """Normaliser of the dataset's rows; joint targets share the statistics of the executed and the clean actions."""
    rows = np.concatenate([arrays["observation"], arrays["action"]], axis=-1)
    return Normalizer.fit(rows)


def write_metadata(config: PretrainConfig, normalizer: Normalizer, dataset: dict[str, object]) -> None:
    """``run.json`` beside the checkpoint: all that `train export` needs besides the weights."""
    metadata = {
        "config": json.loads(json.dumps(dataclasses.asdict(config), default=str)),
        "normalizer": normalizer.to_json(),
        "dataset": dataset,
        "source_commit": source_commit(),
    }
    (config.run_dir / METADATA_FILE).write_text(json.dumps(metadata, indent=2) + "\n")


def read_run(run_dir: Path) -> tuple[PretrainConfig, dict[str, Any], dict[str, Any]]:
    """Configuration, metadata and checkpoint of a run; raises :class:`ConfigurationError` when it is not there."""
    run, checkpoint = read_run_files(run_dir)
    config = dacite.from_dict(PretrainConfig, run["config"], dacite.Config(cast=[Path]))
    return config, run, checkpoint


def read_run_files(run_dir: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata and checkpoint of a finished run; raises :class:`ConfigurationError` when they are not there."""
    try:
        metadata = json.loads((run_dir / METADATA_FILE).read_text())
        return metadata, torch.load(run_dir / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"no finished training run in {run_dir}: {error}") from None


def main(config: PretrainConfig) -> None:
    """Train, resuming from ``run_dir/checkpoint.pt``; the EMA weights are what `train export` takes."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    dataset = TrajectoryDataset.open(config.dataset)
    arrays = dataset.load()
    normalizer = fit_normalizer(arrays)
    schedule = NoiseSchedule(config.steps)
    sampler = WindowSampler(arrays, config.horizon + 1, normalizer)
    device = pick_device(config.device)
    network = build_denoiser(config.network, config.horizon + 1).to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.99)
    )
    state = TrainingState(network, optimizer, Ema(network, config.ema))
    checkpoint = config.run_dir / CHECKPOINT_FILE
    if checkpoint.exists():
        state.load(checkpoint, device)
    write_metadata(config, normalizer, dataset.attributes)
    _train(config, state, sampler, Corruption(config, schedule), checkpoint, device)


def _train(
    config: PretrainConfig,
    state: TrainingState,
    sampler: WindowSampler,
    corruption: Corruption,
    checkpoint: Path,
    device: torch.device,
) -> None:
    writer = SummaryWriter(str(config.run_dir))
    generator = torch.Generator().manual_seed(config.seed + state.iteration)
    bar = tqdm(total=config.iterations, initial=state.iteration, unit="it", desc=f"pretrain {len(sampler)} windows")
    saved, losses = time.monotonic(), []
    earlier, started = state.cpu_seconds, time.process_time()
    while state.iteration < config.iterations:
        for group in state.optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(state.iteration, config)
        tau0, executed = sampler.draw(config.batch, generator)
        # Windows are drawn and noised on the CPU: the same numbers whatever the device.
        noisy, features, weight = (tensor.to(device) for tensor in corruption(tau0, executed, generator))
        tau0 = tau0.to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.bfloat16):
            predicted = state.network(noisy, features)
        loss = (weight * (predicted.float() - tau0) ** 2).sum() / weight.sum()
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
        state.optimizer.step()
        state.ema.update(state.network)
        state.iteration += 1
        state.cpu_seconds = earlier + time.process_time() - started
        losses.append(loss.detach())
        bar.update(1)
        if state.iteration % config.log_interval == 0:
            state.loss = torch.stack(losses).mean().item()
            losses.clear()
            writer.add_scalar("loss", state.loss, state.iteration)
            bar.set_postfix(loss=f"{state.loss:.4f}")
        if time.monotonic() - saved > 60.0 * config.checkpoint_minutes:
            state.save(checkpoint)
            saved = time.monotonic()
    state.save(checkpoint)
    writer.close()
    bar.close()
