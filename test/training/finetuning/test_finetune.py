"""Two iterations with eight robots: what is learned, kept, resumed, refused and published."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_mpc_ros.artefacts.kinds import DENOISER
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.policies.conditions import Condition
from diffusion_mpc_ros.training.finetuning import finetune, publish
from diffusion_mpc_ros.training.finetuning import run as run_module
from diffusion_mpc_ros.training.finetuning.configuration import (
    FinetuneConfig,
    RecipeConfig,
    TrialConfig,
)
from diffusion_mpc_ros.training.finetuning.run import Finetuning
from diffusion_mpc_ros.training.finetuning.trial import TrialScores
from diffusion_mpc_ros.training.loop import CHECKPOINT_FILE
from diffusion_mpc_ros.training.weights import load_networks

UPHILL = Condition("uphill", grounds=("slope_up:8",))


@pytest.fixture
def config(tmp_path):
    return FinetuneConfig(
        run_dir=tmp_path / "run", replay=(), replay_share=0.0, conditions=(Condition("flat"), UPHILL), robots=8,
        ticks=20, settle_ticks=2, guided=0.0, iterations=2, updates=2, batch=32, learning_rate=1e-3,
        trial=TrialConfig(interval=2, robots=1, ticks=12, conditions=(UPHILL,)),
    )  # fmt: skip


def scores(iteration, survival, error, flat_survival=1.0, flat_error=0.06):
    return TrialScores(iteration, 0.0, {"a": (survival, error)}, flat_survival, flat_error, 0.1)


def test_a_run_is_resumed_as_if_it_had_never_ended(config, tmp_path):
    whole = Finetuning(config)
    facts = [whole.iterate() for _ in range(2)]
    halves = replace(config, run_dir=tmp_path / "halves")
    halves.run_dir.mkdir()
    first = Finetuning(halves)
    assert first.iterate() == facts[0]
    first.save()
    second = Finetuning(halves)
    assert second.iteration == 1 and second.iterate() == facts[1]
    for mine, theirs in zip(whole.state.ema.module.parameters(), second.state.ema.module.parameters()):
        assert torch.equal(mine, theirs)


def test_the_best_is_exported_with_its_lineage(config, monkeypatch):
    trials = iter([scores(0, 0.5, 0.3), scores(2, 0.9, 0.1)])
    monkeypatch.setattr(run_module, "run_trial", lambda *_: next(trials))
    exported = []
    # The export itself has tests of its own, and takes longer than all of these.
    monkeypatch.setattr(publish, "export_artefact", lambda *arguments: exported.append(arguments))
    finetune.main(config)
    ((denoiser, normalizer, schedule, metadata, out_dir, reward_model),) = exported
    initial = load(model_folder("go2"))
    (run,) = metadata.training["finetuning"]
    assert run["initial_sha256"] == initial.identity and run["best_iteration"] == 2
    assert run["config"]["recipe"]["name"] == "window" and run["config"]["actor"] == "planner"
    assert (normalizer.to_json(), schedule) == (initial.description.normalizer.to_json(), initial.description.schedule)
    assert out_dir == config.run_dir / "artefact" and reward_model is not None
    best = torch.load(config.run_dir / CHECKPOINT_FILE, weights_only=True)["finetuning"]["best"]
    assert all(torch.equal(denoiser.state_dict()[name], value) for name, value in best.items())
    assert any(
        not torch.equal(value, best[name]) for name, value in load_networks(initial)[DENOISER].state_dict().items()
    )
    assert json.loads((config.run_dir / "run.json").read_text())["trials"][1]["conditions"] == {"a": [0.9, 0.1]}
    with pytest.raises(ConfigurationError, match="is of another run .*recipe.name"):
        Finetuning(replace(config, recipe=RecipeConfig("paper")))


def test_a_run_that_brings_nothing_better_publishes_nothing(config, monkeypatch, capsys):
    trials = iter([scores(0, 0.5, 0.3), scores(2, 0.5, 0.35)])
    monkeypatch.setattr(run_module, "run_trial", lambda *_: next(trials))
    monkeypatch.setattr(finetune, "publish_finetuned", None)  # nobody publishes
    assert finetune.main(config) == 1
    assert "nothing that was learned walks better than 'go2'" in capsys.readouterr().out


def test_what_forgets_flat_ground_is_not_kept_and_patience_ends_it(config, monkeypatch):
    trials = [scores(0, 0.5, 0.3), scores(1, 0.9, 0.1, flat_error=0.066), scores(2, 0.9, 0.1, flat_survival=0.9),
              scores(3, 0.6, 0.4), scores(4, 0.6, 0.3), scores(5, 0.5, 0.2)]  # fmt: skip
    iterator = iter(trials)
    monkeypatch.setattr(run_module, "run_trial", lambda *_: next(iterator))
    run = Finetuning(replace(config, iterations=100, trial=replace(config.trial, patience=2)))
    best, finished = [], []
    for _ in trials[:5]:
        run.try_out()
        best.append(run.best_trial)
        finished.append(run.finished)
    assert best == [0, 0, 0, 0, 4] and finished == [False, False, True, True, False]


@pytest.mark.parametrize(
    "changed",
    [
        {"actor": "demonstrator", "recipe": RecipeConfig("hindsight")},
        {"guided": 0.25, "guided_groups": 1, "recipe": RecipeConfig("paper")},
    ],
    ids=["demonstrator", "guided"],
)
def test_either_actor_and_every_recipe_teaches(config, changed):
    run = Finetuning(replace(config, **changed))
    facts = run.iterate()
    assert np.isfinite(facts["loss"]) and run.state.iteration == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"actor": "cat"}, "actor 'cat' is none of planner, demonstrator"),
        ({"robots": 0}, "robots must be at least 1, got 0"),
        ({"replay_share": 1.0}, "replay_share must be in"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        replace(config, **changed)


def test_another_horizon_is_refused(config):
    with pytest.raises(ConfigurationError, match="plans H = 11 ticks, horizon is 9"):
        Finetuning(replace(config, horizon=9))
