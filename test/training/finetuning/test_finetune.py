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
    TurnRange,
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
    # The first, that after the training, and those on the way back.
    trials = iter([scores(0, 0.5, 0.3), *[scores(2, 0.5, 0.35)] * 4])
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


def test_flat_ground_is_kept_within_the_bounds_of_the_trial():
    config = TrialConfig(survival_bound=0.02, error_bound=0.005)
    first = scores(0, 0.5, 0.3, flat_survival=1.0, flat_error=0.06)
    # One of 64 robots falls, two do; 4 and 6 mm/s more.
    assert scores(1, 0.9, 0.1, flat_survival=63 / 64, flat_error=0.064).keeps(first, config)
    assert not scores(1, 0.9, 0.1, flat_survival=62 / 64, flat_error=0.064).keeps(first, config)
    assert not scores(1, 0.9, 0.1, flat_survival=1.0, flat_error=0.066).keeps(first, config)
    assert not scores(1, 0.9, 0.1, flat_survival=63 / 64).keeps(first, TrialConfig())


@pytest.mark.parametrize(
    "changed",
    [
        {"actor": "demonstrator", "recipe": RecipeConfig("hindsight")},
        {"guided": 0.25, "guided_groups": 1, "recipe": RecipeConfig("paper")},
        {"actor": "takeover", "recipe": RecipeConfig("hindsight"), "turns": TurnRange((2, 3), (14, 20))},
    ],
    ids=["demonstrator", "guided", "takeover"],
)
def test_every_actor_and_every_recipe_teaches(config, changed):
    run = Finetuning(replace(config, **changed))
    facts = run.iterate()
    assert np.isfinite(facts["loss"]) and run.state.iteration == 2


def test_the_rate_falls_to_nothing_at_the_end(config):
    run = Finetuning(replace(config, iterations=5, updates=2, learning_rate=1e-3, anneal=0.4))
    rates = []
    for run.state.iteration in range(10):
        rates.append(run._rate_factor())
    # The last four of ten steps, after 60 %: what is left of them.
    np.testing.assert_allclose(rates, [1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_what_loses_flat_ground_is_drawn_back_until_it_does_not(config, monkeypatch, capsys):
    lost, kept = scores(2, 0.9, 0.1, flat_error=0.08), scores(2, 0.8, 0.1)
    trials = iter([scores(0, 0.5, 0.3), lost, lost, kept])
    monkeypatch.setattr(run_module, "run_trial", lambda *_: next(trials))
    published = []
    monkeypatch.setattr(finetune, "publish_finetuned", lambda _, weights, run, folder: published.append((weights, run)))
    assert finetune.main(config) == 0
    ((weights, run),) = published
    # Three quarters of the way lose flat ground, half of it keeps it and is better.
    assert run["learned_share"] == 0.5
    before = load_networks(load(model_folder("go2")))[DENOISER].state_dict()
    learned = torch.load(config.run_dir / CHECKPOINT_FILE, weights_only=True)["ema"]
    name = next(iter(before))
    assert torch.allclose(weights[name], (before[name] + learned[name]) / 2, atol=1e-7)
    assert "80.0%" in capsys.readouterr().out


def test_a_finished_run_publishes_another_share_of_what_it_learned(config, monkeypatch):
    trials = iter([scores(0, 0.5, 0.3), scores(2, 0.9, 0.1)])
    monkeypatch.setattr(run_module, "run_trial", lambda *_: next(trials))
    published = []
    monkeypatch.setattr(finetune, "publish_finetuned", lambda _, weights, run, folder: published.append((weights, run)))
    for share in (1.0, 0.25):
        assert finetune.main(replace(config, share=share)) == 0
    (whole, _), (quarter, run) = published
    before = load_networks(load(model_folder("go2")))[DENOISER].state_dict()
    assert run["learned_share"] == 0.25
    assert all(torch.allclose(quarter[name], 0.75 * before[name] + 0.25 * whole[name], atol=1e-6) for name in before)


def test_where_nothing_learned_keeps_flat_ground_nothing_is_published(config, monkeypatch, capsys):
    trials = iter([scores(0, 0.5, 0.3), *(scores(2, 0.9, 0.1, flat_survival=0.9) for _ in range(4))])
    monkeypatch.setattr(run_module, "run_trial", lambda *_: next(trials))
    assert finetune.main(config) == 1 and not (config.run_dir / "artefact").exists()
    assert "nothing is published" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"actor": "cat"}, "actor 'cat' is none of planner, demonstrator"),
        ({"robots": 0}, "robots must be at least 1, got 0"),
        ({"replay_share": 1.0}, "replay_share must be in"),
        ({"share": 0.0}, "share must be in .*got 0.0"),
        ({"anneal": 1.5}, "anneal in .*got 0.0, 0.0, 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        replace(config, **changed)


def test_another_horizon_is_refused(config):
    with pytest.raises(ConfigurationError, match="plans H = 11 ticks, horizon is 9"):
        Finetuning(replace(config, horizon=9))
