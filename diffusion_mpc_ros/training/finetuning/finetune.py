"""Finetune the diffusion prior on what its own planner did (arXiv 2510.04234, IV-C), on ground and dynamics that
demonstrations lack.

With --bag what a recorded robot did takes the place of rollouts, and the trial of old conditions alone stops it.

Each iteration rolls robots of all conditions out under the guided planner, or under the demonstrator (--actor
demonstrator: supervised), weighs what they did by return (--recipe.name paper, window or hindsight), and learns from it
mixed with demonstrations. Every few iterations a closed loop on seeds of its own tries new and old conditions: the best
weights are kept, and published as an artefact in RUN_DIR/artefact. Interrupted, the same command goes on.

examples:
  diffusion-mpc train finetune
  diffusion-mpc train finetune --config config/training/finetune_bag.yaml --bag walk_1.mcap walk_2.mcap
  diffusion-mpc train finetune --actor demonstrator --recipe.name hindsight --run-dir runs/finetune_demonstrator
  diffusion-mpc train finetune --initial runs/finetune_demonstrator/artefact --recipe.name paper --run-dir runs/paper
"""

from __future__ import annotations

import torch
from tqdm import tqdm

from diffusion_mpc_ros.training import distributed
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig
from diffusion_mpc_ros.training.finetuning.publish import publish_finetuned
from diffusion_mpc_ros.training.finetuning.run import Finetuning
from diffusion_mpc_ros.training.loop import Curves


def told(run: Finetuning) -> str:
    """One line of how the training stands."""
    first, now, best = run.trials[0], run.trials[-1], run.trials[run.best_trial]
    return (
        f"iteration {now.iteration} of {run.config.iterations}, {now.minutes:.1f} CPU min: new conditions survival "
        f"{first.survival:.1%} -> {now.survival:.1%}, error {first.error:.3f} -> {now.error:.3f} m/s; flat "
        f"{first.flat_survival:.1%} -> {now.flat_survival:.1%}, {first.flat_error:.3f} -> {now.flat_error:.3f}; "
        f"best at {best.iteration}: {best.survival:.1%}, {best.error:.3f}"
    )


@distributed.joined()
def main(config: FinetuneConfig) -> int:
    """Finetune until it is finished, then publish the best weights in ``run_dir/artefact``.

    Where none of them is better and keeps flat ground, weights on the way back to those of before are tried. 1, and
    nothing is published, where none of these is, either.

    Raises :class:`ConfigurationError` when the checkpoint in ``run_dir`` is of another configuration or other data.
    """
    torch.set_num_threads(config.threads)
    run = Finetuning(config)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    curves, silent = Curves(config.run_dir), not distributed.is_first()
    bar = tqdm(total=config.iterations, initial=run.iteration, unit="it", desc="finetune", disable=silent)
    if not run.trials:
        _try_out(run, curves, bar)
    while not run.finished:
        facts = run.iterate()
        for name, value in facts.items():
            curves.add(f"rollouts/{name}", value, run.iteration)
        bar.update(1)
        bar.set_postfix(loss=f"{facts['loss']:.4f}", falls=int(facts.get("falls", 0)))
        if run.iteration % config.trial.interval == 0 or run.iteration == config.iterations:
            _try_out(run, curves, bar)
        elif run.minutes - run.saved > config.checkpoint_minutes:
            run.save()
    bar.close()
    curves.close()
    if run.best_trial == 0 and run.share == 1.0:
        run.draw_back()
        _keep(run, bar)
    if run.best_trial == 0:
        print(f"{_vain(config)}; nothing is published")
        return 1
    if distributed.is_first():
        publish_finetuned(run.artefact, run.chosen(), run.metadata(), config.run_dir / "artefact")
    return 0


def _try_out(run: Finetuning, curves: Curves, bar: tqdm) -> None:
    scores = run.try_out()
    for name, (survival, error) in {**scores.conditions, "flat": (scores.flat_survival, scores.flat_error)}.items():
        curves.add(f"survival/{name}", survival, run.iteration)
        curves.add(f"velocity_error/{name}", error, run.iteration)
    _keep(run, bar)


def _keep(run: Finetuning, bar: tqdm) -> None:
    run.save()
    run.write_metadata()
    bar.write(told(run))


def _vain(config: FinetuneConfig) -> str:
    """Why the weights of before are still the best."""
    bound = f"keeps flat ground within {config.trial.error_bound} m/s"
    if config.bag:
        return f"nothing learned from the bags {bound}: record more, or raise --replay-share"
    return f"nothing that was learned walks better than {config.initial!r} and {bound}"
