"""The three trainings and the release with tiny networks: what is learnt, resumed, published, and planned with."""

from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.artefacts.artefact import load_artefact
from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.planners.d_mpc import description, loading
from diffusion_mpc_ros.planners.d_mpc.settings import DMpcSettings, make
from diffusion_mpc_ros.training import collect
from diffusion_mpc_ros.training.action_noise import ActionNoise
from diffusion_mpc_ros.training.collect import CollectConfig
from diffusion_mpc_ros.training.d_mpc import adapt, dynamics, proposal, release, value
from diffusion_mpc_ros.training.d_mpc.adapt import AdaptConfig
from diffusion_mpc_ros.training.d_mpc.dynamics import DynamicsConfig
from diffusion_mpc_ros.training.d_mpc.proposal import ProposalConfig
from diffusion_mpc_ros.training.d_mpc.release import ReleaseConfig
from diffusion_mpc_ros.training.d_mpc.value import ValueConfig
from diffusion_mpc_ros.training.networks.conditional_mlp import MLPConfig


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder of a small dataset and a run of each training on it, F = 12."""
    folder = tmp_path_factory.mktemp("d_mpc")
    collect.main(
        CollectConfig(
            demonstrator=model_folder("demonstrator"), output=folder / "data", parts=1, robots=8, ticks=150,
            settle_ticks=30, threads=1, noise=ActionNoise(scale=(0.05, 1.0), per_burst=True, bursts=1.0),
        )
    )  # fmt: skip
    for module, config in trainings(folder).items():
        module.main(config)
    return folder


def trainings(folder):
    common = {
        "datasets": (folder / "data",), "iterations": 30, "batch": 64, "horizon": 12, "warmup": 5, "held_out": 0.25,
        "score_windows": 64, "network": MLPConfig(32, 1), "bfloat16": False,
    }  # fmt: skip
    return {
        proposal: ProposalConfig(run_dir=folder / "proposal", **common),
        dynamics: DynamicsConfig(run_dir=folder / "dynamics", **common),
        value: ValueConfig(run_dir=folder / "value", **common),
    }


def release_of(folder, **changes) -> ReleaseConfig:
    parts = {name: str(folder / name / "artefact") for name in ("proposal", "dynamics", "value")}
    return ReleaseConfig(**{**parts, "output": folder / "released", **changes})


def test_cards_say_where_the_models_come_from_and_how_good_they_are(runs):
    for name, score in (("proposal", "held_out"), ("dynamics", "held_out"), ("value", "r_squared")):
        artefact = load_artefact(runs / name / "artefact")
        assert artefact.kind.name == name and artefact.card["training"]["iterations_done"] == 30
        assert str(runs / "data") in artefact.card["training"]["datasets"] and artefact.card["scores"][score]
    errors = load_artefact(runs / "dynamics" / "artefact").card["scores"]["held_out"]["1 steps"]["joint_pos"]
    assert set(errors) == {"1", "2", "4", "8"} and errors["1"] < errors["8"]


def test_a_finished_training_is_not_done_again_and_one_of_other_settings_is_refused(runs):
    config = trainings(runs)[dynamics]
    before = load_artefact(config.output).identity
    dynamics.main(config)
    assert load_artefact(config.output).identity == before
    with pytest.raises(ConfigurationError, match="is of another run .*seed"):
        dynamics.main(replace(config, seed=5))


def test_dynamics_are_trained_further_in_their_own_units(runs):
    released = runs / "whole"
    release.main(release_of(runs, output=released))
    config = replace(trainings(runs)[dynamics], run_dir=runs / "further", initial=str(released), iterations=10)
    dynamics.main(config)
    before, after = (load_artefact(path / "artefact").card for path in (runs / "dynamics", runs / "further"))
    assert after["model"] == before["model"] and after["networks"] == before["networks"]
    assert after["training"]["initial_sha256"] == load_artefact(released).identity
    with pytest.raises(ArtefactError, match="has no dynamics; it has proposal"):
        dynamics.main(replace(config, initial=str(runs / "proposal" / "artefact"), run_dir=runs / "none"))


def test_a_release_plans_and_other_dynamics_make_it_another_one(runs):
    release.main(release_of(runs))
    planner = make(DMpcSettings(artefact=str(runs / "released"), candidates=4), Timing(), False).levels[0]
    made = planner.plan(PlanRequest(RobotState.standing(), np.zeros((1, 3)), RewardSettings()))
    assert made.joint_targets.shape == (11, 1, 12)
    assert (np.abs(made.joint_targets[:, 0] - go2.DEFAULT_JOINT_POS) < 1.5).all()
    assert description.read_rows(runs / "released") == (planner.identity, 12)
    ladder = make(DMpcSettings(artefact=str(runs / "released"), candidates=16), Timing(), True)
    assert [level.config.candidates for level in ladder.levels] == [16, 8]

    further = replace(trainings(runs)[dynamics], run_dir=runs / "other", seed=9)
    dynamics.main(further)
    whole = str(runs / "released")
    release.main(release_of(runs, proposal=whole, value=whole, dynamics=str(further.output), output=runs / "exchanged"))
    before, after = (load_artefact(runs / name) for name in ("released", "exchanged"))
    assert after.identity != before.identity
    assert after.graphs["proposal.onnx"] == before.graphs["proposal.onnx"]
    assert after.graphs["dynamics.onnx"] != before.graphs["dynamics.onnx"]
    assert ladder.on(str(runs / "exchanged")).levels[0].identity == after.identity


def test_adapted_dynamics_come_with_the_old_proposals_or_not_at_all(runs):
    before = runs / "before"
    release.main(release_of(runs, output=before))
    config = AdaptConfig(
        initial=str(before), run_dir=runs / "adapted", datasets=(runs / "data",), replay=(runs / "data",),
        iterations=40, batch=64, warmup=5, learning_rate=1e-3, held_out=0.25, score_windows=64, bfloat16=False,
        forgetting=1.0,
    )  # fmt: skip
    adapt.main(config)
    old, new = load_artefact(before), load_artefact(config.new_artefact)
    assert new.graphs["proposal.onnx"] == old.graphs["proposal.onnx"]
    assert new.graphs["dynamics.onnx"] != old.graphs["dynamics.onnx"]
    errors = new.card["scores"]["dynamics"]["adapted"]
    assert errors["new"]["after"] < errors["new"]["before"] and "old" in errors
    assert new.card["training"]["dynamics"]["initial_sha256"] == old.identity
    # A learning rate that destroys what was learnt.
    with pytest.raises(ArtefactError, match="nothing is published"):
        adapt.main(replace(config, run_dir=runs / "ruined", learning_rate=10.0))
    assert not (runs / "ruined" / "artefact").exists() and not (runs / "ruined" / "d_mpc").exists()
    with pytest.raises(ConfigurationError, match="is a dynamics; a d_mpc is adapted"):
        adapt.main(replace(config, initial=str(runs / "dynamics" / "artefact")))


def test_models_that_do_not_fit_are_refused(runs):
    with pytest.raises(ConfigurationError, match="is a proposal; what it is to give is in a dynamics or d_mpc"):
        release.main(release_of(runs, dynamics=str(runs / "proposal" / "artefact")))
    shorter = replace(trainings(runs)[dynamics], run_dir=runs / "single", horizon=1)
    dynamics.main(shorter)
    with pytest.raises(ConfigurationError, match="look differently far ahead, in ticks: .*'dynamics': 1"):
        release.main(release_of(runs, dynamics=str(shorter.output)))
    with pytest.raises(ArtefactError, match="is a proposal, a d_mpc is needed"):
        loading.load(runs / "proposal" / "artefact", proposal_steps=1, dynamics_steps=1)
    with pytest.raises(ConfigurationError, match="horizon must be at least 1, got 0"):
        DynamicsConfig(horizon=0)
