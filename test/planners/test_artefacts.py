"""What command_publisher may know of a planner's artefact, of either kind."""

import json

import numpy as np
import pytest
from d_mpc_models import ROWS, description

from diffusion_mpc_ros.artefacts.artefact import load_artefact
from diffusion_mpc_ros.artefacts.kinds import D_MPC, DYNAMICS, WEIGHTS_FILE
from diffusion_mpc_ros.artefacts.publish import add_scores, publish
from diffusion_mpc_ros.artefacts.weights import weights_bytes
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.transition import TRANSITION_DIM
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.normalizer import TransitionNormalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.planners.artefacts import read_horizons
from diffusion_mpc_ros.planners.d_mpc.description import PARTS

NAMES = [kind.name for kind in PARTS]


def published(folder, model, graph=None):
    """An artefact of the kind d_mpc whose graphs nobody computes with; -> its identity."""
    weights = weights_bytes({name: {"weight": np.zeros(1, dtype=np.float32)} for name in NAMES})
    files = {WEIGHTS_FILE: weights, **{kind.main: graph or kind.name.encode() for kind in PARTS}}
    return publish(folder, D_MPC, files, {name: {} for name in NAMES}, name="small", model=model)


def test_a_prior_has_one_horizon():
    folder = model_folder("go2")
    identity, shortest, longest = read_horizons(folder)
    assert identity == prior.load(folder).identity and shortest == longest == 11


def test_models_that_look_ahead_plan_that_far(tmp_path):
    identity = published(tmp_path / "small", {name: description().to_json() for name in NAMES})
    assert read_horizons(tmp_path / "small") == (identity, 1, ROWS)
    (tmp_path / "small" / DYNAMICS.main).write_bytes(b"another")
    with pytest.raises(ArtefactError, match="dynamics.onnx is corrupt"):
        read_horizons(tmp_path / "small")


def test_another_normaliser_or_graph_makes_it_another_one(tmp_path):
    def model(name="", **changes):
        return {each: description(**(changes if each == name else {})).to_json() for each in NAMES}

    shifted = TransitionNormalizer(np.full(TRANSITION_DIM, 0.1), np.ones(TRANSITION_DIM))
    found = [
        published(tmp_path / "small", model()),
        published(tmp_path / "normalizer", model("dynamics", normalizer=shifted)),
        published(tmp_path / "schedule", model("proposal", schedule=NoiseSchedule(5))),
        published(tmp_path / "graph", model(), graph=b"another"),
    ]
    assert len(set(found)) == 4
    for identity, name in zip(found, ("small", "normalizer", "schedule", "graph")):
        assert read_horizons(tmp_path / name)[0] == load_artefact(tmp_path / name).identity == identity
    add_scores(tmp_path / "small", {"survival": 1.0})
    assert load_artefact(tmp_path / "small").identity == found[0]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("dynamics", {"rows": 5, "scale": []}, "look differently far ahead, in ticks: .*'dynamics': 5"),
        ("dynamics", {"scale": []}, "its dynamics lack the scale"),
        ("value", {"predictions": {"base_height": "m"}}, "its value predicts base_height; this version needs"),
        ("proposal", {"gains": {"kp": 1.0, "kd": 1.0}}, "its 'gains' is"),
    ],
)
def test_models_that_do_not_fit_are_refused(tmp_path, name, change, message):
    model = {each: description().to_json() for each in NAMES}
    model[name] = json.loads(json.dumps({**model[name], **change}))
    published(tmp_path / "small", model)
    with pytest.raises(ArtefactError, match=message):
        read_horizons(tmp_path / "small")


def test_what_no_planner_plans_with_is_refused():
    with pytest.raises(ArtefactError, match="is a demonstrator; planners plan with a prior or a d_mpc"):
        read_horizons(model_folder("demonstrator"))
