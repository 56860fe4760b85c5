"""PPO for one objective on a few robots: its reward, its weight, what is kept, and what is exported."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rsl_rl.runners import OnPolicyRunner

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import file_sha256
from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.policies.comparison import RobotScores
from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy
from diffusion_mpc_ros.policies.gait import GAIT_PARAMETERS, GaitCommand
from diffusion_mpc_ros.policies.objectives import OBJECTIVES, make_composer, tick_penalties
from diffusion_mpc_ros.training import specialist
from diffusion_mpc_ros.training.demonstrator import (
    PpoConfig,
    Stage,
    export_demonstrator,
    load_checkpoint,
    make_runner,
    train,
)
from diffusion_mpc_ros.training.specialist import (
    RELAXED,
    Search,
    SpecialistConfig,
    SpecialistEnv,
    TrialConfig,
    main,
    next_weight,
)
from diffusion_mpc_ros.training.walking_env import WalkingEnv, WalkingEnvConfig, action_to_joint_targets

ACCELERATION = tick_penalties(make_composer())["joint_acceleration"]
TINY = WalkingEnvConfig(
    robots=8, steps_per_iteration=4, episode_ticks=6, default_gait_share=1.0, penalty_ramp_iterations=0,
    commands=SpecialistConfig().env.commands,
)  # fmt: skip
HIDDEN = (16,)


@pytest.fixture(scope="module")
def demonstrator(tmp_path_factory):
    """A run folder with checkpoints after 1 and 2 iterations."""
    run_dir = tmp_path_factory.mktemp("demonstrator")
    config = PpoConfig(threads=1, save_interval=1, env=TINY, hidden=HIDDEN, stages=(Stage(2, 5e-3),))
    env = WalkingEnv(TINY, seed=0, threads=1)
    train(make_runner(env, config, run_dir), env, config, 0, "demonstrator", lambda iteration: {})
    return run_dir


def tiny(demonstrator, runs, iterations=2, **values):
    return SpecialistConfig(**{
        "objective": "joint_acceleration", "initial": demonstrator, "runs": runs, "models": runs / "models",
        "threads": 1, "save_interval": 1, "critic_iterations": 1,
        "trial": TrialConfig(interval=1, robots=3, ticks=5), "env": TINY, "hidden": HIDDEN,
        "stages": (Stage(iterations, 1e-3, RELAXED),), **values,
    })  # fmt: skip


@pytest.fixture(scope="module")
def exported(demonstrator, tmp_path_factory):
    """The same demonstrator, exported."""
    folder = tmp_path_factory.mktemp("exported")
    config = PpoConfig(threads=1, env=TINY, hidden=HIDDEN)
    runner = make_runner(WalkingEnv(TINY, seed=0, threads=1), config, folder / "run")
    load_checkpoint(runner, demonstrator / "model_1.pt")
    export_demonstrator(runner, folder, config)
    return folder


@pytest.fixture(scope="module")
def trained(demonstrator, tmp_path_factory):
    config = tiny(demonstrator, tmp_path_factory.mktemp("runs"))
    main(config)
    return config


def actor(path):
    return torch.load(path, weights_only=True)["actor_state_dict"]


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_begins_as_the_newest_demonstrator_and_learns(trained, demonstrator):
    assert trained.run_dir.name == "specialist_joint_acceleration"
    first, newest = actor(trained.run_dir / "initial.pt"), actor(demonstrator / "model_1.pt")
    assert same(first, newest)
    assert {path.name for path in trained.run_dir.glob("model_*.pt")} == {"model_0.pt", "model_1.pt", "model_2.pt"}
    learnt = actor(trained.run_dir / "model_2.pt")
    changed = {name for name in first if not torch.equal(first[name], learnt[name])}
    # Not the normaliser.
    assert changed == {"distribution.std_param", "mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias"}


def test_its_walks_are_written_down_from_the_demonstrator_on(trained):
    report = json.loads((trained.run_dir / "specialist.json").read_text())
    assert report["objective"] == "joint_acceleration" and report["reference"] > 0.0
    assert [walk["iterations"] for walk in report["walks"]] == [0, 2, 3]
    first = report["walks"][0]
    # The demonstrator beside itself, at the first weight.
    assert (first["change"], first["tracking_ratio"], first["weight"], first["kept"]) == (0.0, 1.0, 1.0, True)
    counted = [walk for walk in report["walks"] if walk["kept"]]
    assert report["best"] == min(counted, key=lambda walk: walk["change"])


def test_the_best_policy_is_exported_in_the_demonstrators_form(trained, demonstrator):
    policy = DemonstratorPolicy(trained.output)
    assert policy.has_clock and policy.gait_parameters == GAIT_PARAMETERS
    card = json.loads((trained.output / "card.json").read_text())
    best = json.loads((trained.run_dir / "specialist.json").read_text())["best"]
    assert (card["kind"], card["objective"], card["measured"]) == ("demonstrator", "joint_acceleration", best)
    assert card["iterations"] == best["iterations"] and card["training"]["configuration"]["initial"] == str(
        demonstrator
    )
    assert card["initial_sha256"] == file_sha256(demonstrator / "model_1.pt")
    exported = actor(trained.run_dir / "best.pt")
    done = best["iterations"]
    assert same(exported, actor(trained.run_dir / (f"model_{done - 1}.pt" if done else "initial.pt")))
    # What the actor sees, in the order of WalkingEnv: observation, gait, clock.
    seen = np.random.default_rng(0).standard_normal((4, 51))
    mean, std = exported["obs_normalizer._mean"], exported["obs_normalizer._std"]
    hidden = (torch.from_numpy(seen).float() - mean) / (std + 1e-2)
    hidden = torch.nn.functional.elu(hidden @ exported["mlp.0.weight"].T + exported["mlp.0.bias"])
    action = (hidden @ exported["mlp.2.weight"].T + exported["mlp.2.bias"]).numpy()
    targets = policy(seen[:, :45], GaitCommand(*seen[:, 45:49].T), seen[:, 49:])
    np.testing.assert_allclose(targets, action_to_joint_targets(action), atol=1e-4)


def test_a_run_goes_on_where_it_was(trained, tmp_path, monkeypatch):
    exported = []
    monkeypatch.setattr(specialist, "export_demonstrator", lambda *arguments, **entries: exported.append(entries))
    before = {path: path.read_bytes() for path in trained.run_dir.rglob("*.*")}
    for change, difference in (
        ({"initial": tmp_path}, "config.initial .* there, .* now"),
        ({"trial": replace(trained.trial, weight=2.0)}, "config.trial.weight 1.0 there, 2.0 now"),
        ({"stages": (Stage(3, 1e-4, RELAXED),)}, "config.stages.0.entropy_coef 0.001 there, 0.0001 now"),
    ):
        with pytest.raises(ConfigurationError, match=rf"model_2.pt is of another run \({difference}\)"):
            main(replace(trained, **change))
    assert {path: path.read_bytes() for path in trained.run_dir.rglob("*.*")} == before
    main(replace(trained, stages=(Stage(3, 1e-3, RELAXED),)))
    assert (trained.run_dir / "model_3.pt").exists()
    report = json.loads((trained.run_dir / "specialist.json").read_text())
    assert [walk["iterations"] for walk in report["walks"]] == [0, 2, 3, 4]
    assert [entry["measured"] for entry in exported] == [report["best"]]


def test_it_begins_as_an_exported_demonstrator_too(exported, tmp_path):
    config = tiny(exported, tmp_path)
    main(config)
    first = json.loads((config.run_dir / "specialist.json").read_text())["walks"][0]
    assert (first["change"], first["tracking_ratio"], first["kept"]) == (0.0, 1.0, True)
    # Of the file, whose numbers the checkpoint has; the critic beside them is of this run.
    card = json.loads((config.output / "card.json").read_text())
    assert card["initial_sha256"] == file_sha256(exported / "demonstrator.onnx")


def test_the_weighted_penalty_is_added_to_the_reward():
    config = replace(TINY, push_ticks=3, push_speed=1.0)
    plain, special = WalkingEnv(config, seed=0, threads=1), SpecialistEnv(config, 0, 1, ACCELERATION)
    special.reference, special.weight = 40.0, 2.0
    states = []  # before and after each tick
    special.penalty = lambda before, now: states.append((before, now)) or ACCELERATION(before, now)
    rng, joint_vel = np.random.default_rng(1), special.simulation.state.joint_vel
    for tick in range(14):
        actions = torch.from_numpy(rng.uniform(-0.5, 0.5, size=(8, 12)))
        expected, reward = (env.step(actions)[1].numpy() for env in (plain, special))
        penalty = np.mean(((states[-1][1].joint_vel - joint_vel) / CONTROL_DT) ** 2, axis=1)
        np.testing.assert_allclose(reward, expected + CONTROL_DT * 2.0 * (1.0 - penalty / 40.0), rtol=1e-4, atol=1e-5)
        # Episodes of six ticks: after a reset a tick begins at rest, not in the motion before it.
        joint_vel = special.simulation.state.joint_vel
        assert (tick in (5, 11)) == (not joint_vel.any())


def test_the_critic_learns_alone_at_first(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(specialist, "export_demonstrator", lambda *arguments, **entries: None)
    config = tiny(exported, tmp_path, critic_iterations=3, stages=(Stage(1, 1e-3, RELAXED),))
    # Interrupted in between, it goes on with the critic alone.
    learn, calls = OnPolicyRunner.learn, []

    def one_iteration(runner, iterations, **options):
        calls.append(iterations)
        learn(runner, 1, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(OnPolicyRunner, "learn", one_iteration)
        with pytest.raises(KeyboardInterrupt):
            main(config)
    assert calls == [3] and not (config.run_dir / "model_1.pt").exists()
    main(config)
    states = {
        name: torch.load(config.run_dir / f"{name}.pt", weights_only=True)
        for name in ("initial", "model_0", "model_1", "model_2", "model_3")
    }
    actors = {name: state["actor_state_dict"] for name, state in states.items()}
    critics = [states[name]["critic_state_dict"]["mlp.0.weight"] for name in states]
    assert all(same(actors[name], actors["initial"]) for name in ("model_0", "model_1", "model_2"))
    assert not any(torch.equal(*pair) for pair in zip(critics, critics[1:]))
    rates = [states[name]["optimizer_state_dict"]["param_groups"][0]["lr"] for name in ("model_1", "model_2")]
    assert rates == [1e-3, specialist.FIRST_LEARNING_RATE]
    assert not torch.equal(actors["model_3"]["mlp.0.weight"], actors["initial"]["mlp.0.weight"])
    report = json.loads((config.run_dir / "specialist.json").read_text())
    assert [walk["iterations"] for walk in report["walks"]] == [0, 4]


@pytest.mark.parametrize(
    ("ratio", "survival", "step"),
    # Slack (ratio - 0.97) / 0.03, between -1 and 1; down as far as it goes when more than 1 % fell.
    [(1.0, 1.0, 1.0), (1.2, 1.0, 1.0), (0.985, 0.99, 0.5), (0.97, 1.0, 0.0), (0.955, 1.0, -0.5), (0.5, 1.0, -1.0),
     (1.0, 0.98, -1.0), (None, 0.0, -1.0)],
)  # fmt: skip
def test_the_weight_rises_while_tracking_is_kept(ratio, survival, step):
    trial = TrialConfig(rate=0.2, tracking_kept=0.97)
    assert next_weight(3.0, ratio, survival, trial) == pytest.approx(3.0 * np.exp(0.2 * step))


def scores(penalty, tracking=0.9, survived=(True, True)):
    values = {"linear": np.full(2, tracking), "angular": np.full(2, 0.8)}
    return RobotScores(np.array(survived), values, {"energy": np.full(2, penalty)})


def test_the_best_is_the_lowest_penalty_of_those_that_count(tmp_path):
    config = SpecialistConfig(runs=tmp_path, trial=TrialConfig(rate=0.1))
    config.run_dir.mkdir()
    search = Search(config, OBJECTIVES["energy"], scores(200.0), 0)
    assert search.reference == 200.0 and search.weight == 1.0 and search.best["iterations"] == 0
    assert search.add(5, scores(150.0)) and search.best["change"] == pytest.approx(-0.25)
    # 0.84 / 0.9 is below 0.97, and by more than 0.03; one of two robots fell; not as low as before.
    assert not search.add(10, scores(100.0, tracking=0.84))
    assert not search.add(15, scores(100.0, survived=(True, False)))
    assert not search.add(20, scores(160.0))
    assert search.add(25, scores(120.0)) and search.best["iterations"] == 25
    # One up, two down, two up.
    assert search.weight == pytest.approx(np.exp(0.1))
    search.write()
    again = Search(config, OBJECTIVES["energy"], scores(200.0), 12)
    # After 12 iterations the walks after 5 and 10 are known; the best is in best.pt, however it came there.
    assert again.weight == pytest.approx(1.0) and again.best == search.best
    assert not again.add(15, scores(120.0))


def test_a_demonstrator_that_cannot_stand_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="fell with all 2 robots"):
        Search(SpecialistConfig(runs=tmp_path), OBJECTIVES["energy"], scores(1.0, survived=(False, False)), 0)


def test_what_does_not_fit_is_refused(demonstrator, exported, tmp_path):
    with pytest.raises(ConfigurationError, match="unknown objective 'speed'"):
        SpecialistConfig(objective="speed")
    with pytest.raises(ConfigurationError, match="critic_iterations must be at least 0, got -1"):
        SpecialistConfig(critic_iterations=-1)
    with pytest.raises(ConfigurationError, match="neither .*nothing: --initial names .*models/demonstrator.* a run of"):
        main(tiny(tmp_path / "nothing", tmp_path))
    with pytest.raises(ConfigurationError, match="initial.pt does not fit"):
        main(tiny(demonstrator, tmp_path / "other", hidden=(8,)))
    # It has begun, though, and another beginning is not taken in silence.
    with pytest.raises(ConfigurationError, match=r"initial.pt is of another run \(config.initial '"):
        main(tiny(exported, tmp_path / "other", hidden=(8,)))
    with pytest.raises(ConfigurationError, match=r"hidden must be \[16\]"):
        main(tiny(exported, tmp_path / "exported", hidden=(8,)))
    for values in ({"interval": 0}, {"ticks": 1}, {"rate": 0.0}, {"weight": -1.0}, {"tracking_kept": 1.0}):
        with pytest.raises(ConfigurationError, match="trial"):
            TrialConfig(**values)


def test_commands_are_those_of_the_evaluation():
    env = SpecialistEnv(replace(SpecialistConfig().env, robots=200), 0, 1, ACCELERATION)
    forward = env.commands.command[:, 0]
    assert 0.3 <= forward.min() < 0.35 and 0.95 < forward.max() <= 1.0 and not env.commands.command[:, 1:].any()
    np.testing.assert_array_equal(env.gait.columns(), GaitCommand.default(200).columns())
