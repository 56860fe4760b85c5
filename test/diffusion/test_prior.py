"""The artefact's loader and its backend: what fits loads, anything else is named."""

import json
import math
import shutil

import numpy as np
import onnx
import pytest

from diffusion_mpc_ros.artefacts.publish import add_scores
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.files import file_sha256
from diffusion_mpc_ros.core.go2 import JOINT_NAMES
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.onnx_backend import OnnxBackend
from diffusion_mpc_ros.diffusion.prior import ModelDescription


@pytest.fixture
def folder(random_artefact, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(random_artefact, tmp_path / "artefact")


def edit(folder, change):
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def rewrite_model(folder, content):
    (folder / "model.onnx").write_bytes(content)
    edit(folder, lambda card: card["files"].update({"model.onnx": file_sha256(folder / "model.onnx")}))


def test_a_good_artefact_loads(folder):
    loaded = prior.load(folder)
    assert loaded.name == "random"
    assert loaded.identity == file_sha256(folder / "model.onnx")
    description = loaded.description
    assert (description.horizon, description.rows, description.replan_margin) == (11, 12, 3)
    assert description.schedule.steps == 10
    assert ModelDescription.from_json(description.to_json()).to_json() == description.to_json()


SPOILED = [
    (lambda card: card.update(schema_version=99), "card schema 99, this version reads 4"),
    (lambda card: card.pop("model"), "lacks model"),
    (lambda card: card.update(files={}), "does not list the file 'model.onnx'"),
    (lambda card: card["files"].update({"model.onnx": "00"}), "is corrupt: SHA-256"),
    (
        lambda card: card["files"].update({"extra.bin": "00"}),
        r"lists \['extra.bin'\]; the files of a prior are model.onnx, ",
    ),
    (lambda card: card["files"].update({"../x": "00"}), r"lists \['../x'\]"),
    (lambda card: card["files"].pop("weights.safetensors"), "does not list the file 'weights.safetensors'"),
    (lambda card: card["files"].update({"model_int8.onnx": "00"}), "lacks its file 'model_int8.onnx'"),
    (lambda card: card.update(kind="oracle"), "unknown kind of artefact 'oracle'; kinds: prior, "),
    (lambda card: card.update(kind=["prior"]), "unknown kind of artefact"),
    (
        lambda card: card["networks"].pop("denoiser"),
        r"the networks \['reward_model'\]; a prior has denoiser and may have rew",
    ),
    (lambda card: card["networks"].update(critic={}), "a prior has denoiser"),
    (lambda card: card["networks"].update(denoiser="large"), "a prior has denoiser"),
    (lambda card: card["model"].update(joint_order=list(JOINT_NAMES[::-1])), "'joint_order' is .*needs"),
    (lambda card: card["model"]["gains"].update(kp=20.0), "'gains' is"),
    (lambda card: card["model"].update(control_dt=0.01), "'control_dt' is 0.01"),
    (lambda card: card["model"].update(action="torque"), "'action' is 'torque'"),
    (lambda card: card["model"].update(rows=13), "'rows' is 13, this controller needs 12"),
    (lambda card: card["model"]["inputs"].pop(), "'inputs' is"),
    (lambda card: card["model"]["normalizer"]["mean"].pop(), "mean must be 57"),
    (lambda card: card["model"]["normalizer"]["std"].__setitem__(0, math.inf), "std must be 57 finite"),
    (lambda card: card["files"].update({"a\0b": "00"}), "the files of a prior are"),
    (lambda card: card["files"].update({"x" * 5000: "00"}), "the files of a prior are"),
    (lambda card: card["model"].update(horizon=10**9), "denoising steps, horizon .* are 1 "),
    (lambda card: card["model"]["schedule"].update(steps=10**9), "denoising steps, horizon .* are 1 "),
    (lambda card: card["model"].update(x0_clip=10**400), "not readable: OverflowError"),
    (lambda card: card["model"].pop("schedule"), "not readable: KeyError"),
    (lambda card: card["model"]["schedule"].update(type="linear"), "'linear' is not supported"),
    (lambda card: card["model"]["schedule"].update(steps=0), "denoising steps, horizon .* are 1 "),
]


@pytest.mark.parametrize(("change", "message"), SPOILED)
def test_what_does_not_fit_is_named(folder, change, message):
    edit(folder, change)
    with pytest.raises(ArtefactError, match=message):
        prior.load(folder)


def test_a_missing_or_unreadable_card_is_named(folder, tmp_path):
    with pytest.raises(ArtefactError, match="no readable card"):
        prior.load(tmp_path / "absent")
    (folder / "card.json").write_text("{")
    with pytest.raises(ArtefactError, match="not valid JSON"):
        prior.load(folder)
    (folder / "card.json").write_text("[]")
    with pytest.raises(ArtefactError, match="lacks schema_version"):
        prior.load(folder)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 50_000, '{"schema_version": ' + "9" * 5000 + "}"])
def test_a_card_that_is_made_to_exhaust_the_reader_is_refused(folder, content):
    (folder / "card.json").write_text(content)
    with pytest.raises(ArtefactError, match="not valid JSON"):
        prior.load(folder)


def test_a_model_that_takes_numbers_from_another_file_is_refused(folder):
    model = onnx.load(folder / "model.onnx")
    (folder.parent / "secret").write_bytes(bytes(1000))
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    onnx.external_data_helper.set_external_data(tensor, "../secret")
    tensor.ClearField("raw_data")
    rewrite_model(folder, model.SerializeToString())
    with pytest.raises(ArtefactError, match="takes numbers from other files"):
        prior.load(folder)


def test_what_was_checked_is_what_runs(folder):
    """A file that is changed between check and use changes nothing."""
    loaded = prior.load(folder)
    (folder / "model.onnx").write_bytes(b"another model")
    step = OnnxBackend(loaded).bind(1)
    step.run()
    assert np.isfinite(step.outputs["tau_next"]).all()


def test_a_flipped_byte_is_noticed(folder):
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(ArtefactError, match="is corrupt"):
        prior.load(folder)


def test_scores_are_added_without_changing_the_identity(folder):
    before = prior.load(folder)
    add_scores(folder, {"survival": 0.99})
    add_scores(folder, {"velocity_error": 0.05})
    after = prior.load(folder)
    assert after.card["scores"] == {"survival": 0.99, "velocity_error": 0.05}
    assert after.identity == before.identity
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx", "weights.safetensors"]


def test_a_file_that_is_no_graph_is_refused_by_the_backend(folder):
    rewrite_model(folder, b"not a graph")
    with pytest.raises(ArtefactError, match="ONNX Runtime does not load"):
        OnnxBackend(prior.load(folder))


def test_a_card_of_another_export_is_refused_by_the_backend(folder):
    edit(folder, lambda card: card["model"].update(noise_scale=0.3))
    with pytest.raises(ArtefactError, match=r"not the one that model\.onnx was made with"):
        OnnxBackend(prior.load(folder))


def test_a_graph_with_other_inputs_is_refused_by_the_backend(folder):
    def rename(card):
        card["model"]["parameters"] = {"posture.goal": 12}
        card["model"]["inputs"] = card["model"]["inputs"][: len(prior.STEP_INPUTS)]
        card["model"]["inputs"].append({"name": "posture.goal", "dtype": "float32", "shape": [12]})

    edit(folder, rename)
    with pytest.raises(ArtefactError, match=r"has the inputs .*its card says .*posture\.goal"):
        OnnxBackend(prior.load(folder))


def test_a_bound_step_reads_and_writes_its_own_arrays(random_artefact):
    backend = OnnxBackend(prior.load(random_artefact))
    step = backend.bind(2)
    rng = np.random.default_rng(0)
    step.inputs["known"][...] = rng.normal(size=(2, 12, 57))
    step.inputs["known_mask"][...] = True
    step.run()
    np.testing.assert_array_equal(step.outputs["tau_next"], step.inputs["known"])
    step.inputs["known"][...] = 1.0
    step.run()
    assert (step.outputs["tau_next"] == 1.0).all()
    again = backend.bind(2)
    for name, array in step.inputs.items():
        again.inputs[name][...] = array
    again.run()
    np.testing.assert_array_equal(again.outputs["trajectory"], step.outputs["trajectory"])
