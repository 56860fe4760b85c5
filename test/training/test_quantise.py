"""Quantisation worked out by hand on two products, and on the graph of an artefact."""

import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from diffusion_mpc_ros.artefacts import publish
from diffusion_mpc_ros.artefacts.kinds import WEIGHTS_FILE
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.int8 import INT8_MODEL_FILE
from diffusion_mpc_ros.diffusion.onnx_backend import session_options
from diffusion_mpc_ros.diffusion.prior import METADATA_KEY
from diffusion_mpc_ros.diffusion.processor import computes_in_int8
from diffusion_mpc_ros.training import quantise
from diffusion_mpc_ros.training.quantise import QuantiseConfig, add_int8_graph, main, quantised, recorded_inputs

WEIGHT = np.array([[127.0, -64.0], [0.5, 0.25]], dtype=np.float32)
LOW, HIGH = -1.0, 1.0

# Without VNNI, ONNX Runtime's products of bytes saturate: what this controller refuses to run.
needs_exact_products = pytest.mark.skipif(not computes_in_int8(), reason="this processor has no VNNI")


def product_model():
    """``y = x W^T`` (quantised), and ``z = x x^T``, which has no weight."""
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["y"], name="weighted", transB=1),
        helper.make_node("Gemm", ["x", "x"], ["z"], name="weightless", transB=1),
    ]
    tensor = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
    graph = helper.make_graph(
        nodes, "products", [tensor("x", ["batch", 2])], [tensor("y", ["batch", 2]), tensor("z", ["batch", "batch"])],
        [numpy_helper.from_array(WEIGHT, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: "{}"})
    return model


@pytest.fixture(scope="module")
def quantised_products():
    inputs = [{"x": np.array([[LOW, HIGH], [HIGH, LOW]], dtype=np.float32)}] * 4
    return onnx.load_from_string(quantised(product_model().SerializeToString(), inputs))


@pytest.fixture(scope="module")
def run(quantised_products):
    session = onnxruntime.InferenceSession(
        quantised_products.SerializeToString(), session_options(1), providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(["y"], {"x": np.asarray(x, dtype=np.float32)})[0]


def test_each_output_has_its_own_scale(quantised_products):
    stored = {t.name: numpy_helper.to_array(t) for t in quantised_products.graph.initializer}
    # Row 1: 127 / 127 = 1 a step; row 2: 0.5 / 127 a step, so that 0.25 is 63.5 steps, to the even number.
    np.testing.assert_array_equal(stored["w_quantized"].reshape(2, 2), [[127, -64], [127, 64]])
    np.testing.assert_allclose(stored["w_scale"], [1.0, 0.5 / 127], rtol=1e-6)


def test_products_without_weights_and_the_metadata_stay(quantised_products):
    assert [node.name for node in quantised_products.graph.node if node.op_type == "Gemm"] == ["weighted", "weightless"]
    weightless = next(node for node in quantised_products.graph.node if node.name == "weightless")
    assert list(weightless.input) == ["x", "x"]
    assert {entry.key: entry.value for entry in quantised_products.metadata_props} == {METADATA_KEY: "{}"}


@needs_exact_products
@settings(deadline=None)
@given(st.lists(st.floats(LOW, HIGH, width=32), min_size=2, max_size=2))
def test_within_the_calibrated_bounds_only_rounding_is_lost(run, x):
    # The bounds span 255 steps; of either factor half a step is lost at most (and 1e-5 to f32 and the bounds' own).
    step, weight_step = (HIGH - LOW) / 255, np.abs(WEIGHT).max(axis=1) / 127
    lost = np.abs(WEIGHT).sum(axis=1) * step / 2 + (np.abs(x).sum() + step) * weight_step / 2
    assert (np.abs(run([x])[0] - WEIGHT @ x) <= lost * 1.01 + 1e-5).all()


@needs_exact_products
def test_beyond_the_calibrated_bounds_it_saturates(run):
    np.testing.assert_array_equal(run([[50.0, -50.0]]), run([[1.1, -1.1]]))
    assert np.abs(run([[50.0, -50.0]]) - WEIGHT @ [HIGH, LOW]).max() < 2.0


def artefact_inputs(loaded, seed, count):
    """``count`` inputs of guided steps of ordinary size, four samples each."""
    from diffusion_mpc_ros.training.export import example_inputs

    free = {"lower": -1e6, "upper": 1e6, "torque_max": 1e6, "band_lower": 0.0, "band_upper": 0.0}
    inputs = [
        {name: value.numpy().copy() for name, value in example_inputs(loaded.description, 4, seed + i).items()}
        for i in range(count)
    ]
    for each in inputs:
        for name, bound in free.items():
            each[name][...] = bound
    return inputs


def branches(model):
    return [node.SerializeToString() for node in onnx.load_from_string(model).graph.node if node.op_type == "If"]


def test_only_the_denoiser_of_an_artefact_is_quantised(random_artefact):
    loaded = prior.load(random_artefact)
    result = quantised(loaded.model, artefact_inputs(loaded, 0, 5))
    # The fixture's denoiser has two linear layers; rewards and the reward model are in branches.
    assert [node.op_type for node in onnx.load_from_string(result).graph.node].count("QuantizeLinear") == 2
    assert branches(result) == branches(loaded.model) != []


def test_the_graph_is_added_to_the_card_and_can_be_replaced(random_artefact, tmp_path):
    folder = shutil.copytree(random_artefact, tmp_path / "artefact")
    loaded = prior.load(folder)
    for seed in (0, 1000):
        errors = add_int8_graph(loaded, artefact_inputs(loaded, seed, 100), artefact_inputs(loaded, seed + 500, 5))
        card = prior.load(folder).card  # the hashes are those of the files
        assert card["files"].keys() == {prior.MODEL_FILE, INT8_MODEL_FILE, WEIGHTS_FILE}
        assert card["scores"]["int8"] == errors
        assert 1e-4 < errors["x0_error"] < quantise.MAX_ERROR
    assert card["files"][prior.MODEL_FILE] == loaded.identity


def test_the_folder_is_replaced_as_a_whole_and_keeps_what_else_is_in_it(random_artefact, tmp_path, monkeypatch):
    folder = shutil.copytree(random_artefact, tmp_path / "artefact")
    (folder / "NOTES").write_text("mine")
    loaded = prior.load(folder)
    inputs = artefact_inputs(loaded, 0, 100), artefact_inputs(loaded, 500, 5)
    for name in ("card_text", "replaced_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(publish, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                add_int8_graph(loaded, *inputs)
        assert prior.load(folder).card == loaded.card and not (folder / INT8_MODEL_FILE).exists()
    add_int8_graph(loaded, *inputs)
    assert (folder / "NOTES").read_text() == "mine"
    assert INT8_MODEL_FILE in prior.load(folder).graphs


def interrupted(*_):
    raise KeyboardInterrupt


def test_an_artefact_that_took_its_place_meanwhile_is_left(random_artefact, tmp_path):
    folder = shutil.copytree(random_artefact, tmp_path / "artefact")
    loaded = prior.load(folder)
    (folder / WEIGHTS_FILE).write_bytes(b"others")
    with pytest.raises(ArtefactError, match=f"{WEIGHTS_FILE} is corrupt"):
        add_int8_graph(loaded, artefact_inputs(loaded, 0, 100), artefact_inputs(loaded, 500, 5))
    assert (folder / WEIGHTS_FILE).read_bytes() == b"others" and not (folder / INT8_MODEL_FILE).exists()


def test_a_network_that_suffers_is_refused_and_the_artefact_left(random_artefact, tmp_path, monkeypatch):
    folder = shutil.copytree(random_artefact, tmp_path / "artefact")
    loaded = prior.load(folder)
    monkeypatch.setattr(quantise, "MAX_ERROR", 1e-6)
    with pytest.raises(ArtefactError, match=r"off by .*% of its norm, 0% is allowed; .* is left as it was"):
        add_int8_graph(loaded, artefact_inputs(loaded, 0, 3), artefact_inputs(loaded, 50, 3))
    assert prior.load(folder).card == loaded.card
    assert not (folder / INT8_MODEL_FILE).exists()


def test_walks_are_recorded_guided_and_not_at_every_level(random_artefact):
    loaded = prior.load(random_artefact)
    inputs = recorded_inputs(loaded, robots=1, ticks=12, seed=0)
    assert all(each["tau"].shape == (4, 12, 57) and each["row_features"].shape == (12, 3) for each in inputs)
    assert {float(each["guidance_scale"]) for each in inputs} == {0.0, 1.0}
    assert len({float(each["row_features"][-1, 0]) for each in inputs}) == loaded.description.schedule.steps
    again = recorded_inputs(loaded, robots=1, ticks=12, seed=0)
    assert all((a["tau"] == b["tau"]).all() for a, b in zip(inputs, again, strict=True))


def test_the_command_adds_the_graph(random_artefact, tmp_path, capsys):
    folder = shutil.copytree(random_artefact, tmp_path / "artefact")
    main(QuantiseConfig(str(folder), robots=1, ticks=6))
    assert f"{folder / INT8_MODEL_FILE}: error of x0 " in capsys.readouterr().out
    assert INT8_MODEL_FILE in prior.load(folder).card["files"]
