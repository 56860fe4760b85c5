"""A run of finetuning: networks, what they learn from, and how well they walked; what is checkpointed and goes on."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from diffusion_mpc_ros.artefacts.kinds import DENOISER, REWARD_MODEL
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import Prior, load
from diffusion_mpc_ros.policies.conditions import MixedSimulation, shared_out
from diffusion_mpc_ros.training import distributed
from diffusion_mpc_ros.training.finetuning.actors import Actor, PlannerActor, ServoedDemonstrator
from diffusion_mpc_ros.training.finetuning.configuration import PLANNER, TAKEOVER, FinetuneConfig
from diffusion_mpc_ros.training.finetuning.from_bags import BagLesson
from diffusion_mpc_ros.training.finetuning.lessons import LessonBuffer
from diffusion_mpc_ros.training.finetuning.recipes import lesson
from diffusion_mpc_ros.training.finetuning.returns import Value
from diffusion_mpc_ros.training.finetuning.rollouts import gathered, roll_out
from diffusion_mpc_ros.training.finetuning.takeover import Takeover
from diffusion_mpc_ros.training.finetuning.torch_steps import CPU, TorchSteps
from diffusion_mpc_ros.training.finetuning.trial import TrialScores, run_trial
from diffusion_mpc_ros.training.loop import (
    CHECKPOINT_FILE,
    METADATA_FILE,
    LoopConfig,
    TrainingState,
    check_resumable,
    learning_rate_factor,
)
from diffusion_mpc_ros.training.pretrain import (
    Corruption,
    WindowSampler,
    denoising_loss,
    identities,
    join,
    load_rows,
    open_datasets,
)
from diffusion_mpc_ros.training.provenance import source_commit
from diffusion_mpc_ros.training.runs import configuration_json, made_of
from diffusion_mpc_ros.training.weights import load_networks

# Of the way from the weights of before to those learned from bags, the shares that are tried, and the optimiser's
# steps until its full rate.
SHARES, WARMUP = (0.75, 0.5, 0.25), 100


class Finetuning:
    """A run: the networks, what they learn from, and how well they walked; everything that goes on is checkpointed."""

    def __init__(self, config: FinetuneConfig) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.artefact = self._load_artefact()
        datasets = open_datasets(config.replay) if config.replay_share > 0.0 else []
        self.data: dict[str, Any] = {"replay": identities(datasets), "initial_sha256": self.artefact.identity}
        self.bags = BagLesson(config) if config.bag else None
        if self.bags is not None:
            self.data["bags"] = self.bags.sources
        self.run = made_of(config, self.data)
        check_resumable(config.run_dir, self.run)
        description = self.artefact.description
        networks = load_networks(self.artefact)
        self.state = TrainingState.begin(networks[DENOISER].train(), self._loop_config(), self.run)
        self.steps = TorchSteps(
            self.state.ema.module.eval(), networks.get(REWARD_MODEL), description, bfloat16=config.bfloat16
        )
        self.corruption = Corruption(config, description.schedule)
        self.value = Value(len(config.conditions))
        replay = None
        if datasets:
            rows = join([load_rows(dataset, config.relabel_replay) for dataset in datasets])
            replay = WindowSampler(rows, description.rows, description.normalizer, config.walk_starts)
        self.buffer = LessonBuffer(
            description.rows, description.normalizer, config.kept_rollouts, replay, config.replay_share
        )
        self.iteration, self.trials, self.best = 0, [], copy.deepcopy(self.state.ema.module.state_dict())
        self.best_trial, self.share = 0, 1.0
        self._started, self._earlier, self._elsewhere = time.process_time(), 0.0, 0.0
        self._resume()
        distributed.check_alike("iterations done", self.iteration)
        self.saved = self.minutes

    def _load_artefact(self) -> Prior:
        artefact = load(model_folder(self.config.initial))
        if artefact.description.horizon != self.config.horizon:
            raise ConfigurationError(
                f"the artefact {self.config.initial!r} plans H = {artefact.description.horizon} ticks, "
                f"horizon is {self.config.horizon}: finetuning needs the same"
            )
        return artefact

    def _loop_config(self) -> LoopConfig:
        """Of the optimiser and the average."""
        config = self.config
        return LoopConfig(learning_rate=config.learning_rate, weight_decay=config.weight_decay, ema=config.ema)

    @property
    def minutes(self) -> float:
        """Processor time so far, over all resumes and processes [min]."""
        return (self._earlier + self._elsewhere + time.process_time() - self._started) / 60.0

    @property
    def finished(self) -> bool:
        """Whether all iterations are done, too many trials in a row were no better, or weights were drawn back."""
        stale = len(self.trials) - 1 - self.best_trial
        return self.share < 1.0 or self.iteration >= self.config.iterations or stale >= self.config.trial.patience

    def iterate(self) -> dict[str, float]:
        """Roll out, weigh, learn; -> what is worth a curve. Random numbers depend on iteration and process alone."""
        config = self.config
        # numpy draws the same for the first process, number 0, as without a number.
        rng = np.random.default_rng([config.seed, self.iteration, distributed.rank()])
        generator = torch.Generator().manual_seed(config.seed + 100_003 * self.iteration)
        facts = self._take_lesson(rng, generator)
        generator = distributed.own_generator(generator)
        losses = [self._update(generator) for _ in range(config.updates)]
        own = time.process_time() - self._started
        self._elsewhere = distributed.summed(own) - own
        self.iteration += 1
        self.state.loss = float(torch.stack(losses).mean())
        return {**facts, "loss": self.state.loss}

    def _take_lesson(self, rng: np.random.Generator, generator: torch.Generator) -> dict[str, float]:
        """Have the buffer hold what is learned from now: new rollouts, or all of the bags; -> what is known of it."""
        config = self.config
        if self.bags is not None:
            if self.buffer.filled:
                return {}
            learned = self.bags.make(self.value, generator)
        else:
            own = replace(config, robots=distributed.share(config.robots))
            groups = shared_out(own.conditions, own.robots)
            simulation = MixedSimulation(groups, seed=int(rng.integers(2**31)), threads=own.threads)
            rollouts = roll_out(self._actor(own, simulation, rng), simulation, own, rng)
            learned = lesson(gathered(rollouts), config, self.value, generator)
        self.buffer.add(learned)
        return learned.facts

    def _actor(self, config: FinetuneConfig, simulation: MixedSimulation, rng: np.random.Generator) -> Actor:
        if config.actor == PLANNER:
            return PlannerActor.draw(config, self.artefact, self.steps, rng)
        if config.actor == TAKEOVER:
            return Takeover.draw(config, self.artefact, self.steps, simulation, rng)
        return ServoedDemonstrator.draw(config, simulation, rng)

    def _update(self, generator: torch.Generator) -> torch.Tensor:
        """One step of the optimiser, at the rate of that step."""
        for group in self.state.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * self._rate_factor()
        return self.state.step(self._loss(generator))

    def _rate_factor(self) -> float:
        """What bags hold does not change, so the rate anneals as in pretraining; else in the last ``anneal``."""
        config, whole = self.config, self.config.iterations * self.config.updates
        if self.bags is not None:
            return learning_rate_factor(self.state.iteration, LoopConfig(iterations=whole, warmup=WARMUP))
        left = 1.0 - self.state.iteration / whole
        return min(left / config.anneal, 1.0) if config.anneal else 1.0

    def _loss(self, generator: torch.Generator) -> torch.Tensor:
        batch = self.buffer.draw(distributed.share(self.config.batch), generator)
        return denoising_loss(self.state.network, self.corruption, *batch, generator, CPU, self.config.bfloat16)

    def try_out(self) -> TrialScores:
        """Try the averaged weights; they are kept where they are the best so far that keep flat ground.

        What hides in a bag no trial can try: of those that keep flat ground, the last is the best.
        """
        scores = self._trial()
        if self._is_better(scores, self.trials[self.best_trial]):
            self.best_trial = len(self.trials) - 1
            self.best = copy.deepcopy(self.state.ema.module.state_dict())
        return scores

    def _trial(self) -> TrialScores:
        """Walk with the averaged weights, in the first process, and note the scores."""
        config = self.config
        scores = distributed.from_first(
            lambda: run_trial(config.trial, self.artefact, self.steps, config.threads, self.iteration, self.minutes)
        )
        self.trials.append(scores)
        return scores

    def _is_better(self, scores: TrialScores, best: TrialScores) -> bool:
        """Whether flat ground is kept, and of what trials can try ``scores`` are better than ``best``."""
        kept = scores.keeps(self.trials[0], self.config.trial)
        return kept and (self.bags is not None or scores.score > best.score)

    def draw_back(self) -> None:
        """Keep weights between those of before and those learned: the furthest that keep flat ground, if any do.

        ``share`` is then theirs of what was learned, 0 where none do.

        On the line between two such networks what was known comes back before what was learned is lost (Wortsman et
        al., arXiv 2109.01903).
        """
        network = self.state.ema.module
        learned = copy.deepcopy(network.state_dict())
        self.share = 0.0
        for share in SHARES:
            network.load_state_dict(self._towards(learned, share))
            scores = self._trial()
            if self._is_better(scores, self.trials[0]):
                self.best_trial, self.share = len(self.trials) - 1, share
                self.best = copy.deepcopy(network.state_dict())
                break
        network.load_state_dict(learned)

    def chosen(self) -> dict[str, torch.Tensor]:
        """The best weights, ``config.share`` of the way to them from those of before."""
        return self._towards(self.best, self.config.share)

    def _towards(self, learned: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
        """The weights ``share`` of the way from those of before to ``learned``."""
        before = load_networks(self.artefact)[DENOISER].state_dict()
        return {name: torch.lerp(before[name], value, share) for name, value in learned.items()}

    def save(self) -> None:
        """Write the checkpoint."""
        self.saved = self.minutes
        self.state.cpu_seconds = 60.0 * self.saved
        self.state.save(
            self.config.run_dir / CHECKPOINT_FILE,
            finetuning={
                "iteration": self.iteration,
                "value": self.value.state_dict(),
                "best": self.best,
                "best_trial": self.best_trial,
                "learned_share": self.share,
                "trials": [scores.to_json() for scores in self.trials],
                "lessons": self.buffer.stored(),
            },
        )

    def _resume(self) -> None:
        checkpoint = self.config.run_dir / CHECKPOINT_FILE
        if not checkpoint.exists():
            return
        stored = self.state.load(checkpoint, CPU)["finetuning"]
        self._earlier, self.iteration = self.state.cpu_seconds, stored["iteration"]
        self.value.load_state_dict(stored["value"])
        self.best, self.best_trial = stored["best"], stored["best_trial"]
        self.share = stored.get("learned_share", 1.0)
        self.trials = [TrialScores.from_json(each) for each in stored["trials"]]
        self.buffer.restore(stored["lessons"])

    def metadata(self) -> dict[str, Any]:
        """What the run says of itself: in ``run.json`` and in the card."""
        return {
            "config": configuration_json(self.config),
            **self.data,
            "source_commit": source_commit(),
            "iterations_done": self.iteration,
            "cpu_minutes": self.minutes,
            "learned_share": self.share * self.config.share,
            "best_iteration": self.trials[self.best_trial].iteration if self.trials else 0,
            "trials": [scores.to_json() for scores in self.trials],
        }

    def write_metadata(self) -> None:
        """``run.json`` beside the checkpoint."""
        if distributed.is_first():
            (self.config.run_dir / METADATA_FILE).write_text(json.dumps(self.metadata(), indent=2) + "\n")
