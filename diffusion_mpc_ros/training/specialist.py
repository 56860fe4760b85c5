"""A policy for one objective of Table II: as low a penalty as PPO finds while the velocity is still tracked.

It begins as the demonstrator, in its default gait, and walks forward at the commands of `evaluate adaptation`. Rewards
for height, pitch, footfall, swing height and torque are dropped: it may walk as it likes. In their place stands
weight x (1 - penalty / reference): the objective's own penalty, tick by tick, over its mean in the demonstrator's walk.

The demonstrator is the exported policy, in which there is no critic, or the newest checkpoint of a run that trained
one. In either case the critic learns alone at first, critic_iterations long, while the policy stays as it is: a critic
that does not know this reward would mislead it. The policy's normaliser stays as it is throughout.

Every few iterations the policy walks without noise, pushes and randomisation, as it will be measured. While it keeps
97 % of the demonstrator's tracking, and 99 % of the robots on their feet, the weight rises, else it falls: 1 / weight
is the Lagrange multiplier of "lowest penalty subject to tracking". The best policy that kept both is exported to
MODELS/specialist_OBJECTIVE; RUNS/specialist_OBJECTIVE/specialist.json has every such walk. Started again, a run goes on
where it was.

examples:
  diffusion-mpc train specialist --objective energy
  diffusion-mpc train specialist --objective posture_n --stages.0.iterations 300
  diffusion-mpc train specialist --objective balancing --initial runs/demonstrator
  for o in joint_velocity joint_acceleration posture_n posture_p balancing energy; do
    diffusion-mpc train specialist --objective $o; done
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import file_sha256, write_text_atomically
from diffusion_mpc_ros.policies.comparison import TARGET_SURVIVAL, TRACKING_KEPT, RobotScores, compare
from diffusion_mpc_ros.policies.demonstrator import MODEL_FILE, DemonstratorWalker, specialist_folder
from diffusion_mpc_ros.policies.gait import GaitCommand
from diffusion_mpc_ros.policies.objectives import (
    Objective,
    TickPenalty,
    get_objective,
    make_composer,
    tick_penalties,
)
from diffusion_mpc_ros.policies.scoring import PenaltyMeter, score_walk
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.training.demonstrator import (
    MADE_OF,
    REFINED,
    ExportedDemonstrator,
    PpoConfig,
    Runner,
    Stage,
    check_resumable,
    export_demonstrator,
    load_checkpoint,
    make_runner,
    newest_checkpoint,
    resume,
    train,
)
from diffusion_mpc_ros.training.restored_actor import keep_normaliser, restore_actor
from diffusion_mpc_ros.training.velocity_commands import CommandRanges
from diffusion_mpc_ros.training.walking_env import WalkingEnv, WalkingEnvConfig

INITIAL, BEST, PROGRESS = "initial.pt", "best.pt", "specialist.json"
# In the infos of initial.pt: the SHA-256 of the exported policy or the checkpoint that it was made of.
SOURCE = "demonstrator_sha256"
# Of the actor's first step, the least that rsl-rl's schedule goes down to. Adam does not know the size of the actor's
# gradients then: begun with the usual 1e-3, five iterations took two thirds of the tracking.
FIRST_LEARNING_RATE = 1e-5

# Velocity tracking and a tidy motion; nothing of what an objective may change.
RELAXED = replace(REFINED, base_height=0.0, orientation=0.0, contact_schedule=0.0, swing_height=0.0, torque=0.0)
# What `evaluate adaptation` asks for; of one axis, so that none of them is a command along another.
FORWARD = CommandRanges(vx=(0.3, 1.0), vy=(0.0, 0.0), yaw_rate=(0.0, 0.0), standing=0.0, single_axis=0.0)


@dataclass(frozen=True)
class TrialConfig:
    """The walks between the iterations, and how the weight follows from them."""

    interval: int = 5
    """Iterations from one to the next."""
    robots: int = 64
    ticks: int = 300
    """Control ticks; the first 100 do not count."""
    weight: float = 1.0
    """Weight of the objective at the beginning [1/s]."""
    rate: float = 0.15
    """Largest change of its logarithm after a walk."""
    tracking_kept: float = TRACKING_KEPT
    """Share of the demonstrator's tracking that is kept."""

    def __post_init__(self) -> None:
        if min(self.interval, self.robots) < 1 or self.ticks < 2:
            raise ConfigurationError(
                f"interval and robots of a trial must be at least 1, its ticks 2, got {self.interval}, {self.robots} "
                f"and {self.ticks}"
            )
        if not (self.weight > 0.0 and self.rate > 0.0 and 0.0 < self.tracking_kept < 1.0):
            raise ConfigurationError(
                f"weight and rate of a trial must be positive, tracking_kept between 0 and 1, got {self.weight}, "
                f"{self.rate} and {self.tracking_kept}"
            )


@dataclass(frozen=True)
class SpecialistConfig(PpoConfig):
    """``diffusion-mpc train specialist``: the demonstrator trained further for one objective."""

    objective: str = "energy"
    """joint_velocity, joint_acceleration, posture_n, posture_p, balancing or energy."""
    initial: Path = Path("models/demonstrator")
    """The beginning: demonstrator.onnx with its card, or a run of `train demonstrator` with checkpoints."""
    runs: Path = Path("runs")
    """Checkpoints and curves go to its folder specialist_OBJECTIVE/."""
    models: Path = Path("models")
    """The policy goes to its folder specialist_OBJECTIVE/."""
    critic_iterations: int = 15
    """Iterations before those of the stages in which the critic alone learns."""
    trial: TrialConfig = field(default_factory=TrialConfig)
    env: WalkingEnvConfig = field(
        default_factory=lambda: WalkingEnvConfig(default_gait_share=1.0, penalty_ramp_iterations=0, commands=FORWARD)
    )
    stages: tuple[Stage, ...] = (Stage(150, 1e-3, RELAXED),)

    def __post_init__(self) -> None:
        get_objective(self.objective)
        if self.critic_iterations < 0:
            raise ConfigurationError(f"critic_iterations must be at least 0, got {self.critic_iterations}")

    @property
    def run_dir(self) -> Path:
        """Checkpoints and curves."""
        return specialist_folder(self.runs, self.objective)

    @property
    def output(self) -> Path:
        """The folder of the artefact."""
        return specialist_folder(self.models, self.objective)


class SpecialistEnv(WalkingEnv):
    """The walking task with ``weight * (1 - penalty / reference)`` added to the reward per second.

    Against the demonstrator's own walk this is 0 on average: staying on one's feet keeps its worth.
    """

    def __init__(self, config: WalkingEnvConfig, seed: int, threads: int, penalty: TickPenalty) -> None:
        super().__init__(config, seed, threads)
        self.penalty, self.reference, self.weight = penalty, 1.0, 0.0
        self._before = self.simulation.state
        self._relative = np.ones(self.num_envs)

    def step(self, actions: torch.Tensor) -> tuple:
        """See :class:`WalkingEnv`."""
        # After resets and pushes: neither is a motion that the policy made.
        self._before = self.simulation.state
        return super().step(actions)

    def _reward(self, terms: dict[str, np.ndarray]) -> np.ndarray:
        self._relative = self.penalty(self._before, self.simulation.state) / self.reference
        return super()._reward(terms) + self.weight * (1.0 - self._relative)

    def _log(self, terms: dict[str, np.ndarray], fallen: np.ndarray) -> dict[str, float]:
        log = super()._log(terms, fallen)
        return {**log, "specialist/relative_penalty": float(self._relative.mean()), "specialist/weight": self.weight}


def main(config: SpecialistConfig) -> None:
    """Train (resuming from the newest checkpoint of the run) and export the best policy.

    Raises :class:`ConfigurationError` when the checkpoint is of another run (:func:`check_resumable`).
    """
    objective = get_objective(config.objective)
    begun = config.run_dir / INITIAL
    checkpoint = newest_checkpoint(config.run_dir) or (begun if begun.exists() else None)
    check_resumable(checkpoint, config, config.critic_iterations)
    env = SpecialistEnv(config.env, config.seed, config.threads, tick_penalties(make_composer())[objective.name])
    runner = make_runner(env, config, config.run_dir)
    load_checkpoint(runner, _beginning(runner, config))
    keep_normaliser(runner.alg.actor)
    before = walk(runner, env, config, "the demonstrator")
    runner.current_learning_iteration = 0
    done = resume(runner, config.run_dir)
    search = Search(config, objective, before, done)
    env.reference, env.weight = search.reference, search.weight
    if done < config.critic_iterations:
        _hold_actor(runner)
    elif done == config.critic_iterations:
        _release_actor(runner)

    def progress(iteration: int) -> dict[str, str]:
        trained = iteration + 1
        if trained == config.critic_iterations:
            _release_actor(runner)
        if trained > config.critic_iterations and trained % config.trial.interval == 0:
            scores = walk(runner, env, config, f"after {trained} iterations")
            if search.add(trained, scores):
                _save(runner, config.run_dir / BEST)
            search.write()
            env.weight = search.weight
        return search.texts()

    critic_alone = replace(config.stages[0], iterations=config.critic_iterations)
    stages = replace(config, stages=(critic_alone, *config.stages))
    train(runner, env, stages, done, config.run_dir.name, progress)
    load_checkpoint(runner, config.run_dir / BEST)
    export_demonstrator(
        runner, config.output, config, objective=objective.name, iterations=search.best["iterations"],
        measured=search.best, initial_sha256=_initial_sha256(config.run_dir / INITIAL),
    )  # fmt: skip


def _beginning(runner: Runner, config: SpecialistConfig) -> Path:
    """Return the demonstrator as a checkpoint of the run: what it is compared with stays the same over all resumes.

    Its critic is the untrained one of ``runner`` where ``config.initial`` is an exported policy.
    """
    initial, best = config.run_dir / INITIAL, config.run_dir / BEST
    if initial.exists():
        return initial
    newest = newest_checkpoint(config.initial)
    # best.pt first: a run that was begun has both.
    if newest is not None:
        checkpoint = torch.load(newest, map_location="cpu", weights_only=True)
        checkpoint |= {"iter": -1, "infos": {SOURCE: file_sha256(newest), MADE_OF: runner.made_of}}
        for path in (best, initial):
            torch.save(checkpoint, path.with_suffix(".tmp"))
            os.replace(path.with_suffix(".tmp"), path)
    elif (config.initial / MODEL_FILE).exists():
        infos = {SOURCE: restore_actor(runner.alg.actor, config.initial)}
        for path in (best, initial):
            _save(runner, path, infos)
    else:
        raise ConfigurationError(
            f"neither a policy {MODEL_FILE} nor a checkpoint model_*.pt in {config.initial}: --initial names an "
            "exported demonstrator (models/demonstrator) or a run of `diffusion-mpc train demonstrator`"
        )
    return initial


def _initial_sha256(initial: Path) -> str:
    """Of the file that the run began with: the exported policy or the checkpoint."""
    return torch.load(initial, map_location="cpu", weights_only=True)["infos"][SOURCE]


def _hold_actor(runner: Runner) -> None:
    """Keep the actor as it is, its noise included, while the critic learns.

    The learning rate stays too: it would follow the actor's steps, of which there are none.
    """
    runner.alg.actor.requires_grad_(False)
    runner.alg.schedule = "fixed"


def _release_actor(runner: Runner) -> None:
    """Let the actor learn too, in small steps until the schedule of the learning rate finds how large they may be."""
    runner.alg.actor.requires_grad_(True)
    runner.alg.schedule = runner.cfg["algorithm"]["schedule"]
    runner.alg.learning_rate = FIRST_LEARNING_RATE
    for group in runner.alg.optimizer.param_groups:
        group["lr"] = FIRST_LEARNING_RATE


def _save(runner: Runner, path: Path, infos: dict[str, str] | None = None) -> None:
    runner.save(str(path.with_suffix(".tmp")), infos)
    os.replace(path.with_suffix(".tmp"), path)


def walk(runner: Runner, env: SpecialistEnv, config: SpecialistConfig, label: str) -> RobotScores:
    """Return the policy as it would be exported now, on the same nominal robots with the same commands every time."""
    trial = config.trial
    module = ExportedDemonstrator(runner.alg.get_policy()).cpu().eval()

    def policy(observation: np.ndarray, gait: GaitCommand, clock: np.ndarray) -> np.ndarray:
        inputs = [observation, *np.hsplit(gait.columns(), gait.columns().shape[1]), clock]
        with torch.inference_mode():
            return module(*(torch.from_numpy(values.astype(np.float32)) for values in inputs)).numpy().astype(float)

    commands = np.zeros((trial.robots, 3))
    commands[:, 0] = np.linspace(*config.env.commands.vx, trial.robots)
    simulation = BatchSimulation(trial.robots, seed=config.seed, threads=config.threads)
    walker = DemonstratorWalker(policy, GaitCommand.default(trial.robots))
    meter = partial(PenaltyMeter, {config.objective: env.penalty})
    return score_walk(walker, simulation, commands, trial.ticks, meter, label)


class Search:
    """The weight of the objective from walk to walk, and the best policy so far; kept in ``specialist.json``.

    ``before``: the demonstrator's walk. Walks after more than ``done`` iterations are forgotten: they come again.
    """

    def __init__(self, config: SpecialistConfig, objective: Objective, before: RobotScores, done: int) -> None:
        if not before.survived.any():
            raise ConfigurationError(
                f"the demonstrator of {config.initial} fell with all {len(before.survived)} robots: train it first"
            )
        self._path, self._trial, self._objective, self._before = (
            config.run_dir / PROGRESS, config.trial, objective, before,
        )  # fmt: skip
        self.reference = float(before.penalties[objective.name][before.survived].mean())
        known = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._walks: list[dict[str, Any]] = [row for row in known.get("walks", []) if row["iterations"] <= done]
        if not self._walks:
            self._walks = [self._measure(0, before, config.trial.weight)]
        self.best: dict[str, Any] = known.get("best", self._walks[0])

    @property
    def weight(self) -> float:
        """For the next iterations."""
        return self._walks[-1]["weight"]

    def add(self, iterations: int, scores: RobotScores) -> bool:
        """Count a walk after so many ``iterations``; whether it is the best so far."""
        measured = self._measure(iterations, scores, self.weight)
        measured["weight"] = next_weight(self.weight, measured["tracking_ratio"], measured["survival"], self._trial)
        self._walks.append(measured)
        kept = measured["kept"] and measured["change"] < self.best["change"]
        if kept:
            self.best = measured
        return kept

    def _measure(self, iterations: int, scores: RobotScores, weight: float) -> dict[str, Any]:
        result = compare(scores, self._before, [self._objective.name])
        kept = tracking_is_kept(result["tracking_ratio"], result["survival"], self._trial)
        names = ("tracking_ratio", "linear_tracking", "angular_tracking", "survival")
        return {
            "iterations": iterations,
            "weight": weight,
            "kept": kept,
            "change": result["penalties"][self._objective.name]["change"],
            **{name: result[name] for name in names},
        }

    def write(self) -> None:
        """To ``specialist.json``."""
        report = {
            "objective": self._objective.name, "unit": self._objective.unit, "reference": self.reference,
            "best": self.best, "walks": self._walks,
        }  # fmt: skip
        write_text_atomically(self._path, json.dumps(report, indent=1, allow_nan=False) + "\n")

    def texts(self) -> dict[str, str]:
        """Return the last walk, for the progress bar."""
        last = self._walks[-1]
        texts = {"weight": f"{last['weight']:.2f}", "survival": f"{last['survival']:.1%}"}
        if last["change"] is not None:
            texts |= {"tracking": f"{last['tracking_ratio']:.3f}", "penalty": f"{last['change']:+.1%}"}
        return texts | {"best": f"{self.best['change']:+.1%}"}


def tracking_is_kept(ratio: float | None, survival: float, trial: TrialConfig) -> bool:
    """Whether the walk counts: ``ratio`` of the tracking scores (None: nobody survived) and ``survival`` suffice."""
    return ratio is not None and ratio >= trial.tracking_kept and survival >= TARGET_SURVIVAL


def next_weight(weight: float, ratio: float | None, survival: float, trial: TrialConfig) -> float:
    """Ascent on the logarithm of the Lagrange multiplier ``1 / weight`` of the constraint on tracking.

    A step is proportional to the slack ``ratio - tracking_kept``, whole from the demonstrator's tracking on and from as
    far below the constraint on, and downwards when too many fall.
    """
    slack = -1.0
    if ratio is not None and survival >= TARGET_SURVIVAL:
        slack = float(np.clip((ratio - trial.tracking_kept) / (1.0 - trial.tracking_kept), -1.0, 1.0))
    return weight * float(np.exp(trial.rate * slack))
