"""The exported guided step against its torch reference; refusal on a difference; the gradient by finite differences."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion import artefact
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.onnx_backend import session_options
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.evaluation.reference_planner import load_weights
from diffusion_mpc_ros.rewards.registry import TERMS, term_parameters
from diffusion_mpc_ros.training import export
from diffusion_mpc_ros.training.export import ArtefactMetadata, example_inputs, export_artefact
from diffusion_mpc_ros.training.guided_step import GuidedStep
from diffusion_mpc_ros.training.networks import NetworkConfig, build_denoiser

RNG = np.random.default_rng(2)
NORMALIZER = Normalizer(RNG.normal(scale=0.3, size=57), RNG.uniform(0.2, 2.0, size=57))


class Shrink(nn.Module):
    """Predicts a fixed share of the sample: the rest of the step is then worked out by hand."""

    def forward(self, tau, row_features):
        return 0.5 * tau + 0.0 * row_features.sum()


@pytest.fixture(scope="module")
def exported(random_artefact):
    loaded = artefact.load(random_artefact)
    session = onnxruntime.InferenceSession(
        str(loaded.model_path), session_options(threads=1), providers=["CPUExecutionProvider"]
    )
    return loaded, session


@pytest.fixture(scope="module")
def reference(exported):
    """The torch step around the exported graph's own denoiser weights."""
    loaded, _ = exported
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(12 * 60, 32), nn.SiLU(), nn.Linear(32, 12 * 57))

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, tau, row_features):
            return self.layers(torch.cat([tau, row_features], dim=-1).flatten(1)).reshape(tau.shape)

    description = loaded.description
    return GuidedStep(Denoiser(), description.normalizer, description.reward_terms, description.x0_clip)


@pytest.mark.parametrize("scale", [0.0, 0.7])
@pytest.mark.parametrize("batch", [1, 3, 10])
def test_the_graph_equals_torch(exported, reference, batch, scale):
    loaded, session = exported
    inputs = example_inputs(loaded.description, batch, seed=100 + batch)
    inputs["guidance_scale"] = torch.tensor(scale)
    actual = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    with torch.no_grad():
        expected = reference(*inputs.values())
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e.numpy(), rtol=1e-4, atol=1e-4)


def test_the_card_says_what_was_exported(exported):
    loaded, session = exported
    assert [tensor.name for tensor in session.get_inputs()] == list(loaded.description.inputs())
    assert loaded.card["model"]["reward_terms"] == list(TERMS)
    assert loaded.card["seeds"] == {"torch": 0}
    assert loaded.card["parity_error"] <= export.PARITY_TOLERANCE


def test_an_export_that_differs_is_refused_and_leaves_the_old_artefact(monkeypatch, tmp_path):
    old = tmp_path / "model"
    old.mkdir()
    (old / "card.json").write_text("old")
    monkeypatch.setattr(export, "export_onnx", lambda step, description, path: path.write_bytes(b"graph"))
    monkeypatch.setattr(export, "parity_error", lambda *_, **__: float("nan"))
    metadata = ArtefactMetadata("bad", horizon=11, replan_margin=3)
    with pytest.raises(ArtefactError, match="differs from torch by nan"):
        export_artefact(Shrink(), NORMALIZER, NoiseSchedule(), metadata, old)
    assert (old / "card.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "config",
    [NetworkConfig("temporal_unet", 8, 3), NetworkConfig("mixer", 16, 1), NetworkConfig("transformer", 64, 1)],
    ids=lambda config: config.kind,
)
def test_every_network_exports_with_its_weights_by_name(config, tmp_path):
    torch.manual_seed(0)
    network = build_denoiser(config, rows=12)
    for parameter in network.parameters():  # equal ones would be stored once
        nn.init.normal_(parameter, std=0.1)
    metadata = ArtefactMetadata("small", horizon=11, replan_margin=3)
    export_artefact(network, NORMALIZER, NoiseSchedule(), metadata, tmp_path / "small")
    loaded = artefact.load(tmp_path / "small")
    assert loaded.card["parity_error"] <= export.PARITY_TOLERANCE
    restored = load_weights(build_denoiser(config, rows=12), loaded)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(restored.state_dict()[name], value, rtol=0.0, atol=0.0)


def test_the_file_says_nothing_of_the_machine_it_was_made_on(exported):
    loaded, _ = exported
    content = loaded.model_path.read_bytes()
    for trace in (b"site-packages", b".py", str(Path(__file__).parents[2]).encode()):
        assert trace not in content


def make_step(terms=("posture",)):
    step = GuidedStep(Shrink(), NORMALIZER, terms).double()
    step.mean, step.std = torch.tensor(NORMALIZER.mean), torch.tensor(NORMALIZER.std)
    return step


def test_one_step_by_hand():
    shape, rows = (1, 12, 57), torch.ones(12, 1, dtype=torch.float64)
    transition = torch.cat([0.6 * rows, 0.3 * rows, 0.1 * rows, 0.25 * rows], dim=1)
    mask = torch.zeros(12, 57, dtype=torch.bool)
    mask[0] = True
    bounds = torch.full((12, 57), 0.5, dtype=torch.float64)
    bounds[2] = 100.0
    parameters = [torch.tensor(p.default_array) for p in term_parameters(["posture"])]
    tau_next, trajectory, _ = make_step()(
        torch.ones(shape, dtype=torch.float64), torch.zeros(12, 3), transition, torch.full(shape, 2.0),
        torch.full(shape, 7.0, dtype=torch.float64), mask, torch.tensor(1.0), torch.zeros(1), -bounds, bounds,
        *parameters,
    )
    # 0.6 * (0.5 * 1) + 0.3 * 1 + 0.1 * 2 = 0.8; row 0 is known, row 1 is clipped to 0.5, row 2 is free.
    np.testing.assert_allclose(tau_next[0, 0], 7.0)
    np.testing.assert_allclose(tau_next[0, 1], 0.5)
    np.testing.assert_allclose(tau_next[0, 2], 0.8)
    np.testing.assert_allclose(trajectory[0, 2], 0.8 * NORMALIZER.std + NORMALIZER.mean)


def test_the_guidance_is_the_gradient_of_the_composed_reward():
    step = make_step(tuple(TERMS))
    weights = torch.tensor([0.02 * term.max_weight for term in TERMS.values()], dtype=torch.float64)
    parameters = [torch.tensor(p.default_array) for p in term_parameters(TERMS)]
    rng = np.random.default_rng(8)
    tau = torch.tensor(rng.normal(size=(2, 12, 57)))
    gradient = step.reward_gradient(tau, step.mean, step.std, weights, *parameters)
    for direction in torch.tensor(rng.normal(size=(5, 2, 12, 57))):
        plus, minus = (
            step.reward(tau + s * 1e-6 * direction, step.mean, step.std, weights, *parameters).sum() for s in (1, -1)
        )
        assert float((gradient * direction).sum()) == pytest.approx(float(plus - minus) / 2e-6, rel=1e-4)


def test_guidance_raises_the_reward():
    step = make_step()
    parameters = [torch.tensor(p.default_array) for p in term_parameters(["posture"])]
    tau = torch.tensor(np.random.default_rng(1).normal(size=(4, 12, 57)))
    transition, far = torch.tensor([[0.0, 1.0, 0.0, 0.3]] * 12, dtype=torch.float64), torch.full((12, 57), 1e6)

    def reward(scale):
        return step(
            tau, torch.zeros(12, 3), transition, torch.zeros_like(tau), tau, torch.zeros(12, 57, dtype=torch.bool),
            torch.tensor(scale), torch.ones(1), -far, far, *parameters,
        )[2]

    assert (reward(1.0) > reward(0.0)).all()


def test_no_weight_moves_an_entry_further_than_the_steps_noise():
    step = make_step(("joint_velocity",))
    tau = torch.tensor(np.random.default_rng(1).normal(size=(4, 12, 57)))
    variance = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:, None]
    transition = torch.cat([variance * 0.0, variance * 0.0 + 1.0, variance * 0.0, variance], dim=1)
    far, free = torch.full((12, 57), 1e6), torch.zeros(12, 57, dtype=torch.bool)

    def moved(weight):
        result = step(
            tau, torch.zeros(12, 3), transition, torch.zeros_like(tau), tau, free, torch.tensor(1.0),
            torch.tensor([weight]), -far, far,
        )[0]
        return (result - tau).abs()

    assert (moved(1e6) <= torch.sqrt(variance) + 1e-12).all()
    # A small step is the paper's: half the weight moves half as far.
    np.testing.assert_allclose(moved(2e-6), 2.0 * moved(1e-6), rtol=1e-6)
