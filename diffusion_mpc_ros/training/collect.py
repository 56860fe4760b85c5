"""Collect trajectories of the demonstrator in many gaits, under action noise, pushes and domain randomisation.

Every trajectory keeps one hidden gait (base height, step frequency, ...) from its first to its last row, so that no row
shows a change from one to another. With `--alternatives`, though, robots change from policy to policy. A part that is
there is not collected again. At the end `data_sheet.md` and `data_sheet.json` beside the parts say what the data cover.

examples:
  diffusion-mpc train collect
  diffusion-mpc train collect --config config/training/collect_specialists.yaml
  diffusion-mpc train collect --parts 1 --robots 50 --output runs/small
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy, DemonstratorWalker
from diffusion_mpc_ros.policies.gait import GaitCommand, GaitParameter
from diffusion_mpc_ros.simulation.batch import BATCH_TIMESTEP, BatchSimulation, BatchState
from diffusion_mpc_ros.simulation.randomization import Randomization, variation
from diffusion_mpc_ros.training import data_sheet
from diffusion_mpc_ros.training.action_noise import ActionNoise, NoiseGenerator
from diffusion_mpc_ros.training.alternation import AlternatingPolicy
from diffusion_mpc_ros.training.dataset import TrajectoryDataset, count_falls
from diffusion_mpc_ros.training.relabelling import POLICY
from diffusion_mpc_ros.training.velocity_commands import CommandRanges, CommandSampler


@dataclass(frozen=True)
class GaitRanges:
    """Ranges to draw gaits from, in the units of :data:`GAIT_PARAMETERS`; None: the one in the demonstrator's card."""

    base_height: tuple[float, float] | None = None
    pitch: tuple[float, float] | None = None
    step_frequency: tuple[float, float] | None = None
    swing_height: tuple[float, float] | None = None


@dataclass(frozen=True)
class CollectConfig:
    """``diffusion-mpc train collect``: ``parts`` parts of ``robots`` trajectories of ``ticks`` control ticks.

    A robot put on its feet, at first or after a fall, has ``settle_ticks`` to take up its gait; these rows are left out
    of every window. ``default_gait_share``: trajectories in the default gait; the others draw from the ranges in the
    demonstrator's card, or in ``gait``. ``alternatives``: more policies; a robot changes from one to another
    after a time in ``switch_ticks``. Pushes of up to ``push_speed`` [m/s].
    """

    demonstrator: Path = Path("models/demonstrator")
    alternatives: tuple[Path, ...] = ()
    switch_ticks: tuple[int, int] = (100, 300)
    output: Path = Path("runs/dataset")
    seed: int = 7
    threads: int = 2
    parts: int = 16
    robots: int = 250
    ticks: int = 1000
    settle_ticks: int = 50
    default_gait_share: float = 0.25
    gait: GaitRanges = field(default_factory=GaitRanges)
    push_ticks: int = 150
    push_speed: float = 0.6
    noise: ActionNoise = field(default_factory=ActionNoise)
    commands: CommandRanges = field(
        default_factory=lambda: CommandRanges(standing=0.2, slow_starts=0.6, resample_ticks=(60, 250))
    )
    randomization: Randomization = field(default_factory=lambda: Randomization(nominal_fraction=0.4))

    def __post_init__(self) -> None:
        for name in ("parts", "robots", "ticks", "settle_ticks", "push_ticks"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 1 <= self.switch_ticks[0] <= self.switch_ticks[1]:
            raise ConfigurationError(f"switch_ticks must be a range 1 <= LOW <= HIGH, got {self.switch_ticks}")


def gait_ranges(gait: GaitRanges, policy: DemonstratorPolicy) -> dict[str, GaitParameter]:
    """Return what gaits are drawn from: the ranges in the demonstrator's card, or those of ``gait``."""
    ranges = dict(policy.gait_parameters)
    for name, drawn in dataclasses.asdict(gait).items():
        if drawn is None:
            continue
        if name not in ranges:
            raise ConfigurationError(f"gait.{name} is given, but the demonstrator has only {', '.join(ranges)}")
        low, high = drawn
        if not low < high:
            raise ConfigurationError(f"gait.{name} must be a range LOW < HIGH [{ranges[name].unit}], got {low} {high}")
        ranges[name] = ranges[name]._replace(low=low, high=high)
    return ranges


def collect_part(config: CollectConfig, policies: Sequence[DemonstratorPolicy], seed: int) -> dict[str, np.ndarray]:
    """One part: arrays as in :mod:`dataset`, ``E = robots`` trajectories of ``L = ticks``.

    Labels: what :func:`labels` says, at the tick of the observation, ``mechanical_power (E, L)`` [W], the mean over
    the tick that the row's action is applied in, and of several policies the one that walks, ``policy (E, L)``. Facts:
    the commanded ``gait (E, G)`` in the order of the first policy's ``gait_parameters``, the robot's
    :func:`variation`, its ``latency (E,)`` [s] at the start, the scale of its ``noise (E,)`` [action units], and
    whether its legs are ``folding (E,)``.
    """
    simulation = BatchSimulation(config.robots, seed=seed, randomization=config.randomization, threads=config.threads)
    rng = np.random.default_rng(seed + 1)
    commands = CommandSampler(config.robots, config.commands, rng)
    noise = NoiseGenerator(config.robots, config.noise, rng)
    gait = GaitCommand.draw(config.robots, rng, gait_ranges(config.gait, policies[0]), config.default_gait_share)
    policy = AlternatingPolicy(policies, config.robots, config.switch_ticks, rng)
    walker = DemonstratorWalker(policy, gait)
    walker.clock.phase = rng.uniform(size=config.robots)
    facts = {
        "gait": gait.columns(list(policies[0].gait_parameters)),
        **variation(simulation.models, simulation.nominal),
        "latency": simulation.latency_steps * BATCH_TIMESTEP,
        "noise": noise.scale,
        "folding": noise.folding,
    }
    previous = np.tile(go2.DEFAULT_JOINT_POS, (config.robots, 1))
    settling = np.full(config.robots, config.settle_ticks)
    record: dict[str, list[np.ndarray]] = {}
    for tick in range(-config.settle_ticks, config.ticks):
        state = simulation.state
        observation = state.observation(commands.command, previous)
        action = walker.act(observation)
        executed = go2.clip_joint_targets(action + noise.step())
        row = {"observation": observation, "action": action, "executed": executed, **labels(state)}
        if len(policies) > 1:
            row[POLICY] = policy.which.copy()
        state = simulation.step(executed)
        row["mechanical_power"] = state.mechanical_power
        if tick >= 0:
            record.setdefault("fresh", []).append((settling > 0) | (tick == 0))
            for name, values in row.items():
                record.setdefault(name, []).append(values.astype(np.float32))
        previous = executed
        commands.step()
        policy.step()
        if tick > 0 and tick % config.push_ticks == 0:
            push = np.zeros((config.robots, 3))
            push[:, :2] = rng.uniform(-config.push_speed, config.push_speed, size=(config.robots, 2))
            simulation.push(push)
        fallen = state.fallen()
        settling = np.where(fallen, config.settle_ticks, np.maximum(settling - 1, 0))
        if fallen.any():
            simulation.reset(fallen)
            commands.redraw(fallen)
            previous = np.where(fallen[:, None], go2.DEFAULT_JOINT_POS, executed)
    return {**{name: np.stack(values, axis=1) for name, values in record.items()}, **facts}


def labels(state: BatchState) -> dict[str, np.ndarray]:
    """Return what reward models learn from and no observation says.

    ``base_height (B,)`` [m], ``foot_height (B, 4)`` [m] of the feet's centres, both above the ground, and
    ``base_lin_vel (B, 3)`` [m/s] in the base frame.
    """
    return {
        "base_height": state.base_height,
        "foot_height": state.foot_height,
        "base_lin_vel": state.base_lin_vel_b,
    }


def main(config: CollectConfig) -> None:
    """Collect the parts that are missing from ``output``, then write the data sheet."""
    policies = [DemonstratorPolicy(folder) for folder in (config.demonstrator, *config.alternatives)]
    settings = dataclasses.asdict(dataclasses.replace(config, output=Path(), threads=1, parts=1))
    attributes = json.loads(json.dumps(settings, default=str))
    attributes["demonstrator_sha256"] = [policy.sha256 for policy in policies]
    attributes["gait"] = {
        name: [entry.low, entry.high] for name, entry in gait_ranges(config.gait, policies[0]).items()
    }
    dataset = TrajectoryDataset(config.output, attributes)
    bar = tqdm(total=config.parts, initial=dataset.parts, unit="part", desc="collect")
    while dataset.parts < config.parts:
        part = collect_part(config, policies, config.seed + 1000 * dataset.parts)
        dataset.append(part)
        bar.set_postfix(falls=count_falls(part["fresh"]))
        bar.update(1)
    bar.close()
    data_sheet.write(dataset)
