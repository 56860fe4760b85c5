"""Artefacts of every kind: published whole or not at all, loaded as they were checked, refused in words."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from safetensors.numpy import save

from diffusion_mpc_ros.artefacts import kinds
from diffusion_mpc_ros.artefacts.artefact import load_artefact
from diffusion_mpc_ros.artefacts.publish import add_scores, publish, publish_variant
from diffusion_mpc_ros.artefacts.weights import read_weights, weights_bytes
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.resources import model_folder, model_names

WEIGHTS = {"denoiser": {"entry.weight": np.ones((2, 3), np.float32)}, "reward_model": {"mean": np.zeros(4, np.float32)}}
NETWORKS = {"denoiser": {"width": 3}, "reward_model": {}}


def put(folder, weights=WEIGHTS, graph=b"graph", **card):
    files = {"model.onnx": graph, kinds.WEIGHTS_FILE: weights if isinstance(weights, bytes) else weights_bytes(weights)}
    return publish(folder, kinds.PRIOR, files, NETWORKS, name="small", model={"rows": 12}, **card)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_published_is_what_loads(tmp_path):
    identity = put(tmp_path / "small", scores={"survival": 1.0})
    artefact = load_artefact(tmp_path / "small")
    # echo -n graph | sha256sum
    assert identity == artefact.identity == "eef93e1d14482804277fca0172464032d1a4fdbcc338524059fa1e861454ad4d"
    assert artefact.kind is kinds.PRIOR and artefact.name == "small" and artefact.networks == NETWORKS
    assert artefact.graphs == {"model.onnx": b"graph"}
    read = read_weights(artefact)
    assert {name: list(parameters) for name, parameters in read.items()} == {
        "denoiser": ["entry.weight"], "reward_model": ["mean"]
    }  # fmt: skip
    np.testing.assert_array_equal(read["denoiser"]["entry.weight"], np.ones((2, 3)))


def test_one_that_would_not_load_leaves_the_folder_as_it_was(tmp_path):
    put(tmp_path / "small")
    before = contents(tmp_path / "small")
    with pytest.raises(ArtefactError, match="takes numbers from other files"):
        put(tmp_path / "small", graph=b"location")
    with pytest.raises(ArtefactError, match="does not list the file 'model.onnx', which a prior has"):
        publish(tmp_path / "small", kinds.PRIOR, {kinds.WEIGHTS_FILE: b""}, NETWORKS, name="small", model={})
    with pytest.raises(ValueError, match="not JSON compliant"):
        put(tmp_path / "small", scores={"survival": float("nan")})
    assert contents(tmp_path / "small") == before
    assert os.listdir(tmp_path) == ["small"]


def test_a_variant_and_scores_are_added_without_another_identity(tmp_path):
    identity = put(tmp_path / "small", scores={"survival": 1.0})
    publish_variant(load_artefact(tmp_path / "small"), "model_int8.onnx", b"integers", {"int8": 0.1})
    add_scores(tmp_path / "small", {"power": 120.0})
    artefact = load_artefact(tmp_path / "small", kinds.PRIOR)
    assert artefact.identity == identity and set(artefact.graphs) == {"model.onnx", "model_int8.onnx"}
    assert artefact.card["scores"] == {"survival": 1.0, "int8": 0.1, "power": 120.0}


@pytest.mark.parametrize(
    ("weights", "cause"),
    [
        (b"pickle", "is no safetensors file"),
        (
            {"critic": {"entry": np.ones(2, np.float32)}},
            "has 'critic.entry'; its card describes the networks den",
        ),
        ({"denoiser": {"entry": np.ones(2)}}, "denoiser.entry is float64, finite numbers in float32 are needed"),
        ({"denoiser": {"entry": np.full(2, np.inf, np.float32)}}, "finite numbers in float32 are needed"),
        ({"denoiser": {"entry": np.ones(2, np.float32)}}, "has no weights of reward_model, which its card describes"),
        (save({"denoiser": np.ones(2, np.float32)}), "has 'denoiser'; its card describes the networks"),
    ],
)
def test_weights_that_do_not_fit_the_card_are_refused(tmp_path, weights, cause):
    put(tmp_path / "small", weights)
    with pytest.raises(ArtefactError, match=cause):
        read_weights(load_artefact(tmp_path / "small"))


def test_weights_that_are_changed_after_the_check_are_refused(tmp_path):
    put(tmp_path / "small")
    artefact = load_artefact(tmp_path / "small")
    (tmp_path / "small" / kinds.WEIGHTS_FILE).write_bytes(b"others")
    with pytest.raises(ArtefactError, match="is corrupt: SHA-256"):
        read_weights(artefact)
    with pytest.raises(ArtefactError, match="is corrupt: SHA-256"):
        load_artefact(tmp_path / "small")


def test_every_shipped_artefact_is_whole_and_its_weights_fit_its_card():
    assert {"go2", "demonstrator"} < {*model_names()}
    for name in model_names():
        artefact = load_artefact(model_folder(name))
        weights = read_weights(artefact)
        assert artefact.name == name and set(weights) == set(artefact.networks)
        # Where it comes from is still said: by one training, or by that of each network.
        training = artefact.card["training"]
        for made in (training,) if "commit" in training else [training[network] for network in artefact.networks]:
            assert json.dumps(made["configuration"]) and made["commit"]


def test_another_kind_is_refused(tmp_path):
    put(tmp_path / "small")
    with pytest.raises(ArtefactError, match="is a prior, a demonstrator is needed"):
        load_artefact(tmp_path / "small", kinds.DEMONSTRATOR)
