"""Collect trajectories of the demonstrator under action noise, pushes and domain randomisation."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.diffusion.artefact import file_sha256
from diffusion_mpc_ros.evaluation.demonstrator_policy import DemonstratorPolicy
from diffusion_mpc_ros.simulation.batch import EVALUATION_MODEL, BatchSimulation
from diffusion_mpc_ros.simulation.randomization import Randomization
from diffusion_mpc_ros.training.commands import CommandRanges, CommandSampler
from diffusion_mpc_ros.training.dataset import TrajectoryDataset
from diffusion_mpc_ros.training.walking_env import ACTION_SCALE


@dataclass(frozen=True)
class ActionNoise:
    """Noise on the executed action; the clean action stays the label on the noisy states.

    ``clean`` is the share of robots without noise. The others draw a scale [action units], white or first-order
    autoregressive noise, and either noise all the time or bursts with pauses, in which the recovery is undisturbed.
    """

    clean: float = 0.25
    scale: tuple[float, float] = (0.1, 0.8)
    autoregressive: float = 0.5
    correlation: float = 0.85
    bursts: float = 0.6
    burst_ticks: tuple[int, int] = (5, 40)


@dataclass(frozen=True)
class CollectConfig:
    """``diffusion-mpc train collect``: ``parts`` parts of ``robots`` trajectories of ``ticks`` control ticks."""

    demonstrator: Path = Path("models/demonstrator")
    output: Path = Path("runs/dataset")
    seed: int = 7
    threads: int = 2
    parts: int = 12
    robots: int = 256
    ticks: int = 500
    base_height: tuple[float, float] = (0.22, 0.32)
    nominal_height: float = 0.29
    nominal_height_fraction: float = 0.5
    push_ticks: int = 150
    push_speed: float = 0.6
    noise: ActionNoise = field(default_factory=ActionNoise)
    commands: CommandRanges = field(default_factory=lambda: CommandRanges(standing=0.12, resample_ticks=(60, 250)))
    randomization: Randomization = field(
        default_factory=lambda: Randomization(
            nominal_fraction=0.5, latency=(0.0, 0.0), initial_joint_pos=(0.85, 1.15), base_mass=(0.0, 3.0)
        )
    )


class NoiseGenerator:
    """Draws the executed action's noise ``(B, 12)`` [rad] tick by tick."""

    def __init__(self, robots: int, config: ActionNoise, rng: np.random.Generator) -> None:
        self._rng, self._config = rng, config
        self._scale = rng.uniform(*config.scale, size=robots) * (rng.uniform(size=robots) >= config.clean)
        self._correlation = np.where(rng.uniform(size=robots) < config.autoregressive, config.correlation, 0.0)
        self._bursting = rng.uniform(size=robots) < config.bursts
        self._active = np.ones(robots, dtype=bool)
        self._ticks_left = rng.integers(*config.burst_ticks, size=robots)
        self._value = np.zeros((robots, go2.NUM_JOINTS))

    def step(self) -> np.ndarray:
        """The next noise; stationary variance ``scale^2`` whatever the correlation."""
        rho = self._correlation[:, None]
        self._value = rho * self._value + np.sqrt(1.0 - rho**2) * self._rng.standard_normal(self._value.shape)
        self._ticks_left -= 1
        switch = self._bursting & (self._ticks_left <= 0)
        self._active ^= switch
        self._ticks_left[switch] = self._rng.integers(*self._config.burst_ticks, size=int(switch.sum()))
        return ACTION_SCALE * (self._scale * self._active)[:, None] * self._value


def collect_part(config: CollectConfig, policy: DemonstratorPolicy, seed: int) -> dict[str, np.ndarray]:
    """One part: arrays as in :mod:`dataset`, ``E = robots`` episodes of ``L = ticks``."""
    simulation = BatchSimulation(
        config.robots, seed=seed, options=EVALUATION_MODEL, randomization=config.randomization, threads=config.threads
    )
    rng = np.random.default_rng(seed + 1)
    commands = CommandSampler(config.robots, config.commands, rng)
    noise = NoiseGenerator(config.robots, config.noise, rng)
    heights = rng.uniform(*config.base_height, size=config.robots)
    heights[rng.uniform(size=config.robots) < config.nominal_height_fraction] = config.nominal_height
    previous = np.tile(go2.DEFAULT_JOINT_POS, (config.robots, 1))
    fresh = np.ones(config.robots, dtype=bool)
    record: dict[str, list[np.ndarray]] = {"observation": [], "action": [], "executed": [], "fresh": []}
    for tick in range(config.ticks):
        observation = simulation.state.observation(commands.command, previous)
        action = policy(observation, heights)
        executed = go2.clip_joint_targets(action + noise.step())
        for name, value in zip(record, (observation, action, executed, fresh), strict=True):
            record[name].append(value.astype(bool if name == "fresh" else np.float32))
        fallen = simulation.step(executed).fallen()
        previous = executed.copy()
        commands.step()
        if tick % config.push_ticks == config.push_ticks - 1:
            push = np.zeros((config.robots, 3))
            push[:, :2] = rng.uniform(-config.push_speed, config.push_speed, size=(config.robots, 2))
            simulation.push(push)
        if fallen.any():
            simulation.reset(fallen)
            commands.redraw(fallen)
            previous[fallen] = go2.DEFAULT_JOINT_POS
        fresh = fallen
    return {name: np.stack(values, axis=1) for name, values in record.items()}


def main(config: CollectConfig) -> None:
    """Collect the parts that are missing from ``output``."""
    policy = DemonstratorPolicy(config.demonstrator)
    settings = dataclasses.asdict(dataclasses.replace(config, output=Path(), threads=0, parts=0))
    attributes = json.loads(json.dumps(settings, default=str))
    attributes["demonstrator_sha256"] = file_sha256(config.demonstrator / "demonstrator.onnx")
    dataset = TrajectoryDataset(config.output, attributes)
    bar = tqdm(total=config.parts, initial=dataset.parts, unit="part", desc="collect")
    while dataset.parts < config.parts:
        part = collect_part(config, policy, config.seed + 1000 * dataset.parts)
        dataset.append(part)
        bar.set_postfix(falls=int(part["fresh"].sum()) - config.robots)
        bar.update(1)
    bar.close()
