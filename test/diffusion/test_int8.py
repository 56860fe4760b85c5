"""The int8 graph of an artefact at run time: near f32 in both backends, and refused where it cannot be had."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from diffusion_mpc_ros.artefacts.kinds import WEIGHTS_FILE
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.diffusion import bound_step, prior, processor
from diffusion_mpc_ros.diffusion.inference import has_openvino, make_backend
from diffusion_mpc_ros.diffusion.int8 import INT8_MODEL_FILE, int8_artefact
from diffusion_mpc_ros.diffusion.processor import computes_in_int8

needs_int8 = pytest.mark.skipif(not computes_in_int8(), reason="this processor has no VNNI")


@pytest.fixture(scope="module")
def quantised_folder(random_artefact, tmp_path_factory):
    """The artefact of random networks with an int8 graph, calibrated on random inputs."""
    from diffusion_mpc_ros.training.quantise import add_int8_graph

    folder = shutil.copytree(random_artefact, tmp_path_factory.mktemp("int8") / "random")
    loaded, rng = prior.load(folder), np.random.default_rng(0)
    inputs = [random_inputs(loaded, rng, batch=4) for _ in range(20)]
    add_int8_graph(loaded, inputs[:15], inputs[15:])
    return folder


def random_inputs(loaded, rng, batch):
    """Inputs at random levels without rewards and constraints, as a sampler would write them."""
    description = loaded.description
    inputs, _ = bound_step.step_arrays(description, batch)
    for name in ("tau", "noise"):
        inputs[name][...] = rng.standard_normal(inputs[name].shape)
    levels = np.full(description.rows, rng.integers(1, description.schedule.steps + 1))
    inputs["row_features"][...] = description.schedule.row_features(levels, levels * 0)
    inputs["transition"][...] = description.schedule.transition(levels, levels - 1)
    inputs["lower"][...], inputs["upper"][...], inputs["torque_max"][...] = -1e6, 1e6, 1e6
    return inputs


def step_result(backend, inputs):
    step = backend.bind(len(inputs["tau"]))
    for name, array in inputs.items():
        step.inputs[name][...] = array
    step.run()
    return step.outputs["tau_next"]


@needs_int8
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_int8_is_near_f32_and_is_not_f32(quantised_folder, name):
    if name == "openvino" and not has_openvino():
        pytest.skip("the optional package openvino is missing")
    loaded = prior.load(quantised_folder)
    inputs = random_inputs(loaded, np.random.default_rng(7), batch=10)
    expected = step_result(make_backend(loaded, name), inputs)
    actual = step_result(make_backend(loaded, name, precision="int8"), inputs)
    # Two layers, each rounding its input and its weights to 8 bits; the entries of x0 are of the order of 0.3.
    assert 1e-5 < np.abs(actual - expected).max() < 0.05


@needs_int8
def test_the_identity_is_that_of_the_f32_graph(quantised_folder):
    loaded = prior.load(quantised_folder)
    quantised = int8_artefact(loaded)
    assert quantised.identity == loaded.identity
    assert prior.load(quantised_folder).card["files"].keys() == {prior.MODEL_FILE, INT8_MODEL_FILE, WEIGHTS_FILE}


@pytest.mark.parametrize(
    ("flags", "computes"),
    [
        ("fpu avx2 avx512f avx512_vnni", True),
        ("fpu avx2 avx_vnni", True),
        ("fpu avx2 avx512f avx512_bf16", False),
        ("", False),
    ],
)
def test_int8_takes_vnni(tmp_path, monkeypatch, flags, computes):
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx512_vnni\n")
    monkeypatch.setattr(processor, "CPUINFO", file)
    assert computes_in_int8() is computes
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    assert not computes_in_int8()


def test_a_processor_without_vnni_is_told_so(quantised_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    with pytest.raises(ConfigurationError, match=r"does not compute in int8 .*avx512_vnni, avx_vnni.*: take f32"):
        make_backend(prior.load(quantised_folder), "onnxruntime", precision="int8")


@needs_int8
def test_an_artefact_without_the_graph_says_how_to_make_it(random_artefact):
    with pytest.raises(ConfigurationError, match=r"'random' has no int8 graph .*train quantise --artefact /"):
        make_backend(prior.load(random_artefact), "onnxruntime", precision="int8")


@needs_int8
def test_what_was_checked_is_what_runs(quantised_folder, tmp_path):
    folder = shutil.copytree(quantised_folder, tmp_path / "artefact")
    loaded = prior.load(folder)
    expected = (folder / INT8_MODEL_FILE).read_bytes()
    with open(folder / INT8_MODEL_FILE, "ab") as file:
        file.write(b"\0")
    with pytest.raises(ArtefactError, match="is corrupt"):
        prior.load(folder)
    shutil.rmtree(folder)  # another one is published in its place
    assert int8_artefact(loaded).model == expected


@needs_int8
def test_another_graph_of_the_same_network_takes_the_int8_products_along(quantised_folder, random_artefact, tmp_path):
    from diffusion_mpc_ros.training.quantise import carry_int8_graph

    source, folder = prior.load(quantised_folder), shutil.copytree(random_artefact, tmp_path / "again")
    carry_int8_graph(source, prior.load(folder))
    carried = prior.load(folder)
    assert carried.graphs[INT8_MODEL_FILE] == source.graphs[INT8_MODEL_FILE]
    assert carried.card["scores"]["int8"] == source.card["scores"]["int8"]
    other = prior.load(Path(__file__).parents[2] / "models" / "go2")
    with pytest.raises(ArtefactError, match="int8 graph of .* does not fit that of .*train quantise --artefact"):
        carry_int8_graph(other, carried)
