"""The PPO demonstrator: trained with rsl-rl, exported as ONNX with its card.

How good it has become: `diffusion-mpc evaluate demonstrator`, and the curves `error/*` in tensorboard.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rsl_rl.runners import OnPolicyRunner
from tqdm import tqdm

from diffusion_mpc_ros.artefacts.kinds import ACTOR, DEMONSTRATOR, WEIGHTS_FILE
from diffusion_mpc_ros.artefacts.publish import publish
from diffusion_mpc_ros.artefacts.weights import weights_bytes
from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.trajectory import OBSERVATION_DIM
from diffusion_mpc_ros.policies.demonstrator import MODEL_FILE
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS
from diffusion_mpc_ros.training.device import pick_device
from diffusion_mpc_ros.training.gait_rewards import GaitWeights
from diffusion_mpc_ros.training.onnx_files import strip_debug_information
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.restored_actor import actor_weights
from diffusion_mpc_ros.training.runs import check_goes_on, configuration_json, made_of
from diffusion_mpc_ros.training.symmetry import add_mirrored
from diffusion_mpc_ros.training.walking_env import ACTION_SCALE, WalkingEnv, WalkingEnvConfig

# In the infos of a checkpoint: what its run is made of (:func:`runs.made_of`).
MADE_OF = "made_of"


@dataclass(frozen=True)
class Stage:
    """A stretch of training: iterations, entropy bonus, reward weights."""

    iterations: int
    entropy_coef: float
    weights: GaitWeights = field(default_factory=GaitWeights)


# Precision at last: narrower widths, less for mere progress, which rewards overshooting, and less slip, with which the
# speed depends on the friction that the robot does not know. Narrow widths also pick the nominal robots, half of all,
# where one policy cannot suit every friction.
REFINED = GaitWeights(
    progress=0.25,
    slip=-0.4,
    linear_velocity=1.5,
    yaw_rate=1.1,
    mean_velocity=2.5,
    linear_velocity_width=0.1,
    yaw_rate_width=0.12,
    mean_velocity_width=0.01,
    base_height_width=0.0006,
    orientation_width=0.006,
)


@dataclass(frozen=True)
class PpoConfig:
    """What every policy that is trained by PPO needs."""

    seed: int = 1
    threads: int = 2
    device: str = "auto"
    save_interval: int = 25
    env: WalkingEnvConfig = field(default_factory=WalkingEnvConfig)
    hidden: tuple[int, ...] = (256, 192, 128)
    stages: tuple[Stage, ...] = (Stage(600, 5e-3), Stage(450, 5e-4, REFINED))


@dataclass(frozen=True)
class DemonstratorConfig(PpoConfig):
    """``diffusion-mpc train demonstrator``: PPO on a batch of MuJoCo Go2s, in two stages."""

    run_dir: Path = Path("runs/demonstrator")
    output: Path = Path("models/demonstrator")


def runner_config(config: PpoConfig) -> dict:
    """Return the rsl-rl configuration (hyper-parameters of Rudin et al., arXiv 2109.11978, common for this task)."""
    network = {
        "class_name": "MLPModel", "hidden_dims": list(config.hidden), "activation": "elu", "obs_normalization": True
    }  # fmt: skip
    return {
        "num_steps_per_env": config.env.steps_per_iteration,
        "save_interval": config.save_interval,
        "logger": "tensorboard",
        "run_name": "",
        "obs_groups": {"actor": ["policy"], "critic": ["policy", "privileged"]},
        "actor": network
        | {"distribution_cfg": {"class_name": "GaussianDistribution", "init_std": 1.0, "std_type": "scalar"}},
        "critic": dict(network),
        "algorithm": {
            "class_name": "PPO",
            "num_learning_epochs": 4,
            "num_mini_batches": 4,
            "clip_param": 0.2,
            "gamma": 0.99,
            "lam": 0.95,
            "value_loss_coef": 1.0,
            "entropy_coef": config.stages[0].entropy_coef,
            "learning_rate": 1e-3,
            "max_grad_norm": 1.0,
            "use_clipped_value_loss": True,
            "schedule": "adaptive",
            "desired_kl": 0.01,
            "symmetry_cfg": {
                "data_augmentation_func": add_mirrored,
                "use_data_augmentation": True,
                "use_mirror_loss": True,
                "mirror_loss_coeff": 0.2,
            },
        },
    }


def main(config: DemonstratorConfig) -> None:
    """Train (resuming from the newest checkpoint of ``run_dir``) and export to ``output``.

    Raises :class:`ConfigurationError` when the checkpoint is of another run (:func:`check_resumable`).
    """
    check_resumable(newest_checkpoint(config.run_dir), config)
    env = WalkingEnv(config.env, config.seed, config.threads)
    runner = make_runner(env, config, config.run_dir)

    def progress(iteration: int) -> dict[str, str]:
        errors = env.errors()
        return {name: f"{errors[name]:.3f}" for name in ("mean_planar_velocity", "base_height", "contact_schedule")}

    train(runner, env, config, resume(runner, config.run_dir), "demonstrator", progress)
    export_demonstrator(runner, config.output, config)


class Runner(OnPolicyRunner):
    """rsl-rl's, whose checkpoints say what their run is ``made_of``."""

    made_of: Mapping[str, Any]

    def save(self, path: str, infos: dict | None = None) -> None:
        """See :class:`OnPolicyRunner`."""
        super().save(path, {**(infos or {}), MADE_OF: self.made_of})


def make_runner(env: WalkingEnv, config: PpoConfig, run_dir: Path) -> Runner:
    """Return an untrained policy and critic for ``env``, with curves and checkpoints in ``run_dir``."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    run_dir.mkdir(parents=True, exist_ok=True)
    with redirect_stdout(io.StringIO()):
        runner = Runner(env, runner_config(config), str(run_dir), str(pick_device(config.device)))
    runner.made_of = made_of(config, {})
    return runner


def train(
    runner: OnPolicyRunner,
    env: WalkingEnv,
    config: PpoConfig,
    done: int,
    label: str,
    progress: Callable[[int], Mapping[str, str]],
) -> None:
    """Return what is left of the stages of ``config`` after ``done`` iterations.

    ``progress(iteration)`` is called after every iteration; what it returns is shown on the bar.
    """
    env.ticks = done * config.env.steps_per_iteration
    first = 0
    for stage in config.stages:
        last = first + stage.iterations
        if done < last:
            _run_stage(runner, env, stage, last - max(done, first), label, progress)
            done = last
        first = last


def _run_stage(
    runner: OnPolicyRunner,
    env: WalkingEnv,
    stage: Stage,
    iterations: int,
    label: str,
    progress: Callable[[int], Mapping[str, str]],
) -> None:
    runner.alg.entropy_coef = stage.entropy_coef
    env.weights = stage.weights
    bar = tqdm(total=iterations, unit="it", desc=label)
    log = runner.logger.log

    def log_with_progress(**values: Any) -> None:
        with redirect_stdout(io.StringIO()):
            log(**values)
        buffer = runner.logger.rewbuffer
        bar.set_postfix(
            reward=f"{np.mean(buffer):.2f}" if buffer else "-",
            length=f"{np.mean(runner.logger.lenbuffer):.0f}" if buffer else "-",
            **progress(values["it"]),
        )
        bar.update(1)

    runner.logger.log = log_with_progress
    try:
        runner.learn(iterations, init_at_random_ep_len=True)
    finally:
        runner.logger.log = log
        bar.close()
    # `learn` leaves the index of the last iteration; the next stage starts behind it.
    runner.current_learning_iteration += 1


def resume(runner: OnPolicyRunner, run_dir: Path) -> int:
    """Load the newest checkpoint of ``run_dir``; how many iterations are done, 0 without one."""
    checkpoint = newest_checkpoint(run_dir)
    if checkpoint is None:
        return 0
    load_checkpoint(runner, checkpoint)
    return runner.current_learning_iteration


def check_resumable(checkpoint: Path | None, config: PpoConfig, before: int = 0) -> None:
    """Raise :class:`ConfigurationError` unless a run of ``config`` can go on from ``checkpoint``; None: there is none.

    Of the stages, which follow ``before`` iterations, those count that are behind it: others may be put after them. To
    be called before anything is written.
    """
    if checkpoint is None:
        return
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    known, asked = (stored["infos"] or {}).get(MADE_OF), made_of(config, {})
    if known is not None:
        done = int(stored["iter"]) + 1 - before
        known, asked = _so_far(known, done), _so_far(asked, done)
    check_goes_on(checkpoint, known, asked)


def _so_far(run: Mapping[str, Any], done: int) -> dict[str, Any]:
    """``run`` with the part of its stages that ``done`` iterations went through, by their number."""
    stages = {}
    for number, stage in enumerate(run["config"]["stages"]):
        iterations = min(stage["iterations"], done)
        if iterations > 0:
            stages[str(number)] = {**stage, "iterations": iterations}
            done -= iterations
    return {**run, "config": {**run["config"], "stages": stages}}


def newest_checkpoint(run_dir: Path) -> Path | None:
    """Return the checkpoint of ``run_dir`` with the most iterations."""
    checkpoints = run_dir.glob("model_*.pt")
    return max(checkpoints, key=lambda path: int(path.stem.split("_")[1]), default=None)


def load_checkpoint(runner: OnPolicyRunner, path: Path) -> None:
    """Policy, critic, optimiser and iteration of ``path``; :class:`ConfigurationError` when the networks differ."""
    checkpoint = torch.load(path, map_location=runner.device, weights_only=True)
    try:
        runner.alg.load(checkpoint, None, True)
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{path} does not fit the networks of this run (hidden): {error}") from None
    runner.current_learning_iteration = int(checkpoint["iter"]) + 1


class ExportedDemonstrator(torch.nn.Module):
    """``observation (B, 45)``, gait parameters ``(B, 1)`` each, ``clock (B, 2)`` -> ``joint_targets (B, 12)`` [rad].

    Clipped to the position limits.
    """

    def __init__(self, actor: torch.nn.Module) -> None:
        super().__init__()
        self.actor = actor.as_onnx(verbose=False)
        self.register_buffer("default", torch.tensor(go2.DEFAULT_JOINT_POS, dtype=torch.float32))
        self.register_buffer("low", torch.tensor(go2.JOINT_POS_MIN, dtype=torch.float32))
        self.register_buffer("high", torch.tensor(go2.JOINT_POS_MAX, dtype=torch.float32))

    def forward(
        self,
        observation: torch.Tensor,
        base_height: torch.Tensor,
        pitch: torch.Tensor,
        step_frequency: torch.Tensor,
        swing_height: torch.Tensor,
        clock: torch.Tensor,
    ) -> torch.Tensor:
        seen = [observation, base_height, pitch, step_frequency, swing_height, clock]
        action = self.actor(torch.cat(seen, dim=1))
        return torch.clamp(self.default + ACTION_SCALE * action, self.low, self.high)


def export_demonstrator(runner: OnPolicyRunner, output: Path, config: PpoConfig, **entries: Any) -> None:
    """Publish the policy of ``runner`` in ``output``, replaced as a whole; ``entries`` are put into the card."""
    if not np.all([torch.isfinite(p).all() for p in runner.alg.get_policy().parameters()]):
        raise ConfigurationError(f"the policy for {output} holds weights that are not finite; start again")
    module = ExportedDemonstrator(runner.get_inference_policy("cpu")).eval()
    defaults = [torch.full((2, 1), parameter.default) for parameter in GAIT_PARAMETERS.values()]
    inputs = (torch.zeros(2, OBSERVATION_DIM), *defaults, torch.zeros(2, 2))
    exported = torch.onnx.export(
        module,
        inputs,
        input_names=["observation", *GAIT_PARAMETERS, "clock"],
        output_names=["joint_targets"],
        dynamic_shapes=({0: torch.export.Dim("batch")},) * len(inputs),
        dynamo=True,
        verbose=False,
    )
    model = exported.model_proto
    strip_debug_information(model)
    gait = {name: {"unit": entry.unit, "range": [entry.low, entry.high]} for name, entry in GAIT_PARAMETERS.items()}
    publish(
        output,
        DEMONSTRATOR,
        {
            MODEL_FILE: model.SerializeToString(),
            WEIGHTS_FILE: weights_bytes({ACTOR: actor_weights(runner.alg.actor)}),
        },
        {ACTOR: {"hidden": list(config.hidden)}},
        **{
            "name": output.name,
            "model": {"joint_order": list(go2.JOINT_NAMES), "gait": gait, "clock": True},
            "training": {"configuration": configuration_json(config), "commit": source_commit()},
            "iterations": runner.current_learning_iteration,
            **entries,
        },
    )
