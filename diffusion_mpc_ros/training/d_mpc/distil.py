"""``diffusion-mpc train distil``: what D-MPC does becomes a reactive policy (arXiv 2410.05364, section 4.5).

Robots walk random commands under the planner, at every tick and without delay, with bursts of noise on what is executed
and pushes: so the policy sees how the planner comes back. A network learns the planner's first action from the 45
numbers of the observation. It becomes an artefact of the demonstrator's kind that takes no gait.

examples:
  diffusion-mpc train distil
  diffusion-mpc train distil --robots 16 --ticks 200 --iterations 1000 --run-dir runs/quick
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from diffusion_mpc_ros.artefacts.kinds import ACTOR, DEMONSTRATOR, WEIGHTS_FILE
from diffusion_mpc_ros.artefacts.publish import publish
from diffusion_mpc_ros.artefacts.weights import weights_bytes
from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import OBSERVATION_DIM
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.d_mpc.settings import DMpcSettings
from diffusion_mpc_ros.planners.registry import best_level
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.policies.conditions import Condition, MixedSimulation
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.d_mpc.denoising import graph_of
from diffusion_mpc_ros.training.finetuning.actors import ControllerActor
from diffusion_mpc_ros.training.finetuning.rollouts import roll_out
from diffusion_mpc_ros.training.loop import LoopConfig, check_resumable, optimize
from diffusion_mpc_ros.training.networks.conditional_mlp import MLPConfig, ResidualLayers
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.runs import configuration_json, made_of
from diffusion_mpc_ros.training.velocity_commands import CommandRanges
from diffusion_mpc_ros.training.weights import parameters

DATA_FILE = "data.npz"
# Of the configuration, what the walked data depend on.
WALKED = ("candidates", "seed", "robots", "ticks", "push_ticks", "push_speed", "noise", "commands")


@dataclass(frozen=True)
class DistilConfig(LoopConfig):
    """``diffusion-mpc train distil``.

    ``artefact`` of the planner, which compares ``candidates``; ``robots`` x ``ticks`` are walked. ``push_speed`` [m/s]
    at most, every ``push_ticks``. ``held_out``: share of the robots that only the score sees.
    """

    artefact: str = "d_mpc"
    candidates: int = 16
    run_dir: Path = Path("runs/distilled")
    seed: int = 41
    robots: int = 64
    ticks: int = 600
    iterations: int = 12000
    push_ticks: int = 150
    push_speed: float = 0.5
    held_out: float = 0.125
    noise: ActionNoise = field(
        default_factory=lambda: ActionNoise(scale=(0.05, 0.8), per_burst=True, bursts=1.0, folding=0.0)
    )
    commands: CommandRanges = field(
        default_factory=lambda: CommandRanges(standing=0.2, slow_starts=0.6, resample_ticks=(60, 250))
    )
    network: MLPConfig = field(default_factory=lambda: MLPConfig(256, 2))

    def __post_init__(self) -> None:
        for name in ("candidates", "robots", "ticks", "push_ticks"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < round(self.held_out * self.robots) < self.robots:
            raise ConfigurationError(f"of {self.robots} robots a share of {self.held_out:g} cannot be held out")


def collect(config: DistilConfig, planner: Planner) -> dict[str, np.ndarray]:
    """Walk, and return ``observation (B, L, 45)``, ``action (B, L, 12)`` [rad] as planned, ``settled (B, L)`` bool."""
    pushed = Condition("pushed", push_speed=config.push_speed, push_ticks=config.push_ticks)
    simulation = MixedSimulation([(pushed, config.robots)], seed=config.seed, threads=config.threads)
    actor = ControllerActor(AsynchronousController(planner))
    rollouts = roll_out(actor, simulation, config, np.random.default_rng(config.seed + 1), "walk")
    return {"observation": rollouts.observation, "action": rollouts.action, "settled": ~rollouts.fresh}


class Reactive(nn.Module):
    """``observation (B, 45) -> joint targets (B, 12)`` [rad], within the joint limits; normalised inside."""

    def __init__(self, network: MLPConfig) -> None:
        super().__init__()
        self.layers = ResidualLayers(OBSERVATION_DIM, go2.NUM_JOINTS, network.width, network.blocks)
        self.mean = nn.Parameter(torch.zeros(OBSERVATION_DIM), requires_grad=False)
        self.std = nn.Parameter(torch.ones(OBSERVATION_DIM), requires_grad=False)
        for name, values in (
            ("default", go2.DEFAULT_JOINT_POS),
            ("low", go2.JOINT_POS_MIN),
            ("high", go2.JOINT_POS_MAX),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """See the class."""
        seen = torch.clamp((observation - self.mean) / self.std, -6.0, 6.0)
        return torch.clamp(self.default + self.layers(seen), self.low, self.high)


def main(config: DistilConfig) -> None:
    """Walk where that is not done yet, train, resuming, and publish ``run_dir/artefact`` with its held-out error.

    Raises :class:`ConfigurationError` for a checkpoint of another configuration or planner.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    settings = replace(DMpcSettings(), artefact=config.artefact, candidates=config.candidates, seed=config.seed)
    planner = best_level("d_mpc", settings, Timing(replan_margin=0, replan_interval=1))
    run = made_of(config, {"planner": planner.identity})
    check_resumable(config.run_dir, run)
    data = _walked(config, planner)
    held_out = np.arange(config.robots) < round(config.held_out * config.robots)
    taught, unseen = (
        [torch.from_numpy(data[name][robots][data["settled"][robots]]) for name in ("observation", "action")]
        for robots in (~held_out, held_out)
    )
    network = Reactive(config.network)
    network.mean.copy_(taught[0].mean(dim=0))
    network.std.copy_(taught[0].std(dim=0).clamp(min=1e-3))

    def loss(generator: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(len(taught[0]), (config.batch,), generator=generator)
        return (network(taught[0][chosen]) - taught[1][chosen]).square().mean()

    state = optimize(config, network, loss, config.run_dir, run, f"distil, {len(taught[0])} rows")
    network.load_state_dict(state.ema.module.state_dict())
    network.eval()
    with torch.no_grad():
        error = float((network(unseen[0]) - unseen[1]).square().mean().sqrt())
    publish(
        config.run_dir / "artefact",
        DEMONSTRATOR,
        {
            DEMONSTRATOR.main: graph_of(network, {"observation": OBSERVATION_DIM}, "joint_targets"),
            WEIGHTS_FILE: weights_bytes({ACTOR: parameters(network)}),
        },
        {ACTOR: dataclasses.asdict(config.network)},
        name=config.run_dir.name,
        model={"joint_order": list(go2.JOINT_NAMES), "gait": {}, "clock": False},
        training={
            "configuration": configuration_json(config),
            "commit": source_commit(),
            "planner": planner.identity,
            "cpu_seconds": state.cpu_seconds,
        },
        scores={"held_out_error": error},
    )
    print(f"{config.run_dir / 'artefact'}: {error:.4f} rad from the planner's actions on robots it has not seen")


def _walked(config: DistilConfig, planner: Planner) -> dict[str, np.ndarray]:
    """What :func:`collect` returns, kept in ``run_dir``: there it is of this configuration, or it is made anew."""
    path, known = config.run_dir / DATA_FILE, configuration_json(config)
    key = json.dumps([planner.identity, *(known[name] for name in WALKED)])
    if path.exists():
        with np.load(path) as stored:
            if str(stored["key"]) == key:
                return {name: stored[name] for name in stored.files if name != "key"}
    data = collect(config, planner)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    np.savez(path, key=np.array(key), **data)
    return data
