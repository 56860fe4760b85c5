"""Choosing a backend, and both backends against each other."""

import json
import shutil

import numpy as np
import pytest

from diffusion_mpc_ros.artefacts.card import CARD_FILE, card_text
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.files import file_sha256
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion import inference, prior, processor
from diffusion_mpc_ros.diffusion.bound_step import step_difference
from diffusion_mpc_ros.diffusion.inference import choose_backend, make_backend
from diffusion_mpc_ros.diffusion.onnx_backend import OnnxBackend
from diffusion_mpc_ros.rewards.registry import TERMS, term_parameters

needs_openvino = pytest.mark.skipif(not inference.has_openvino(), reason="the optional package openvino is missing")


def filled_step(backend, batch, seed=0):
    """A bound step at level 5 of 10 with random inputs of ordinary size and every reward term at work."""
    description, rng = backend.artefact.description, np.random.default_rng(seed)
    step, levels = backend.bind(batch), np.full(description.rows, 5)
    for name in ("tau", "noise", "known"):
        step.inputs[name][...] = rng.standard_normal(step.inputs[name].shape)
    step.inputs["known_mask"][...] = rng.random(step.inputs["known_mask"].shape) < 0.2
    for name, level in (("row_features", levels), ("next_row_features", levels - 1)):
        step.inputs[name][...] = description.schedule.row_features(level, levels * 0)
    step.inputs["transition"][...] = description.schedule.transition(levels, levels - 1)
    step.inputs["lower"][...], step.inputs["upper"][...] = -2.0, 2.0
    step.inputs["torque_max"][...] = 15.0
    step.inputs["guidance_scale"][...] = 1.0
    step.inputs["reward_weights"][...] = [0.01 * TERMS[name].max_weight for name in description.reward_terms]
    for parameter in term_parameters(description.reward_terms):
        step.inputs[parameter.name][...] = parameter.default_array
    step.run()
    return step


@pytest.mark.parametrize(
    ("vendor", "installed", "chosen"),
    [
        ("GenuineIntel", True, "openvino"),
        ("GenuineIntel", False, "onnxruntime"),
        ("AuthenticAMD", True, "onnxruntime"),
        ("", True, "onnxruntime"),
    ],
)
def test_auto_takes_openvino_on_an_intel_processor_that_has_it(monkeypatch, vendor, installed, chosen):
    monkeypatch.setattr(inference, "processor_vendor", lambda: vendor)
    monkeypatch.setattr(inference, "has_openvino", lambda: installed)
    assert choose_backend("auto") == chosen
    assert choose_backend("onnxruntime") == "onnxruntime"


def test_the_vendor_is_the_kernels_word(tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Some CPU\n\nvendor_id\t: AuthenticAMD\n")
    monkeypatch.setattr(processor, "CPUINFO", file)
    assert processor.processor_vendor() == "GenuineIntel"
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    assert processor.processor_vendor() == ""


def test_openvino_asked_for_and_not_installed_is_said_in_words(monkeypatch):
    monkeypatch.setattr(inference, "has_openvino", lambda: False)
    words = r"not installed: `pip install --no-deps -r requirements/openvino\.txt`"
    with pytest.raises(ConfigurationError, match=words):
        choose_backend("openvino")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "tensorrt"}, "unknown backend 'tensorrt'; valid backends: auto, onnxruntime, openvino"),
        ({"name": "onnxruntime", "precision": "f16"}, "unknown precision 'f16'; valid precisions: f32, bf16"),
        ({"name": "onnxruntime", "precision": "bf16"}, "'bf16' needs the backend openvino"),
    ],
)
def test_what_no_backend_does_is_refused(random_artefact, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        make_backend(prior.load(random_artefact), **settings)


def test_onnxruntime_is_what_its_name_gives(random_artefact):
    assert isinstance(make_backend(prior.load(random_artefact), "onnxruntime", threads=1), OnnxBackend)


@needs_openvino
@pytest.mark.parametrize("batch", [1, 10])
def test_openvino_agrees_with_onnxruntime(random_artefact, batch):
    loaded = prior.load(random_artefact)
    expected = filled_step(make_backend(loaded, "onnxruntime"), batch)
    actual = filled_step(make_backend(loaded, "openvino"), batch)
    for name, values in expected.outputs.items():
        np.testing.assert_allclose(actual.outputs[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


@needs_openvino
def test_an_openvino_step_that_computes_wrongly_is_refused(random_artefact, monkeypatch):
    from diffusion_mpc_ros.diffusion import openvino_backend

    loaded = prior.load(random_artefact)
    monkeypatch.setattr(openvino_backend, "step_difference", lambda *_: float("nan"))
    with pytest.raises(ConfigurationError, match="for 10 trajectories is nan% off .* needs the backend onnxruntime"):
        make_backend(loaded, "openvino").bind(10)


@needs_openvino
@pytest.mark.parametrize("batch", [1, 4, 10, 32])
def test_openvino_computes_the_shipped_model_as_onnxruntime_does(batch):
    loaded = prior.load(model_folder("go2"))
    steps = [make_backend(loaded, name).bind(batch) for name in ("openvino", "onnxruntime")]
    assert step_difference(*steps, loaded.description) < 1e-3


def test_a_difference_of_one_reward_terms_gradient_is_seen(random_artefact):
    loaded = prior.load(random_artefact)
    same, other = (make_backend(loaded, "onnxruntime").bind(3) for _ in range(2))
    assert step_difference(same, other, loaded.description) == 0.0

    class Wrong:
        inputs, outputs = other.inputs, other.outputs

        def run(self):
            weights = self.inputs["reward_weights"].copy()
            self.inputs["reward_weights"][3] *= -1.0
            other.run()
            self.inputs["reward_weights"][...] = weights

    assert step_difference(Wrong(), same, loaded.description) > 0.5


@needs_openvino
def test_an_openvino_step_reads_and_writes_its_own_arrays(random_artefact):
    step = make_backend(prior.load(random_artefact), "openvino").bind(2)
    step.inputs["known_mask"][...] = True
    for value in (0.5, 1.0):
        step.inputs["known"][...] = value
        step.run()
        assert (step.outputs["tau_next"] == value).all()


@needs_openvino
def test_bf16_is_near_f32(random_artefact):
    from diffusion_mpc_ros.diffusion import openvino_backend

    if not openvino_backend.computes_in("bf16"):
        pytest.skip("this processor does not compute in bf16")
    loaded = prior.load(random_artefact)
    expected = filled_step(make_backend(loaded, "openvino"), 10).outputs["tau_next"]
    actual = filled_step(make_backend(loaded, "openvino", precision="bf16"), 10).outputs["tau_next"]
    # bf16 keeps 8 bits: a relative error of 2^-9 a factor, entries of up to 2.
    assert 0.0 < np.abs(actual - expected).max() < 0.1


@needs_openvino
def test_a_precision_that_the_processor_lacks_is_refused(random_artefact, monkeypatch):
    from diffusion_mpc_ros.diffusion import openvino_backend

    monkeypatch.setattr(openvino_backend, "computes_in", lambda precision: precision == "f32")
    with pytest.raises(ConfigurationError, match="does not compute in bf16: take f32"):
        make_backend(prior.load(random_artefact), "openvino", precision="bf16")


@needs_openvino
def test_openvino_refuses_what_is_no_graph_and_a_card_of_another_export(random_artefact, tmp_path):
    folder = shutil.copytree(random_artefact, tmp_path / "artefact")
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(card_text({**card, "model": {**card["model"], "noise_scale": 0.3}}))
    with pytest.raises(ArtefactError, match=r"not the one that model\.onnx was made with"):
        make_backend(prior.load(folder), "openvino")
    (folder / prior.MODEL_FILE).write_bytes(b"not a graph")
    card["files"][prior.MODEL_FILE] = file_sha256(folder / prior.MODEL_FILE)
    (folder / CARD_FILE).write_text(card_text(card))
    with pytest.raises(ArtefactError, match="OpenVINO does not load"):
        make_backend(prior.load(folder), "openvino")
