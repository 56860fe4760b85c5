"""The exported guided step against its torch reference; refusal on a difference; the gradient by finite differences."""

import contextlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from diffusion_mpc_ros.constraints import registry
from diffusion_mpc_ros.constraints.kind import FREE_BOUND, PHYSICAL
from diffusion_mpc_ros.constraints.registry import bounds_in
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.trajectory import ACTION, COMMAND, JOINT_POS, JOINT_VEL, PREVIOUS_ACTION
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.onnx_backend import session_options
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.rewards.registry import TERMS, term_parameters
from diffusion_mpc_ros.training import export
from diffusion_mpc_ros.training.export import ArtefactMetadata, example_inputs, export_artefact
from diffusion_mpc_ros.training.guided_step import GuidedStep
from diffusion_mpc_ros.training.networks import NetworkConfig, RewardModel, build_denoiser
from diffusion_mpc_ros.training.weights import load_weights

RNG = np.random.default_rng(2)
NORMALIZER = Normalizer(RNG.normal(scale=0.3, size=57), RNG.uniform(0.2, 2.0, size=57))


class Shrink(nn.Module):
    """Predicts a fixed share of the sample: the rest of the step is then worked out by hand."""

    def __init__(self):
        super().__init__()
        self.register_buffer("share", torch.tensor(0.5))

    def forward(self, tau, row_features):
        return self.share * tau + 0.0 * row_features.sum()


@pytest.fixture(scope="module")
def exported(random_artefact):
    loaded = prior.load(random_artefact)
    session = onnxruntime.InferenceSession(
        str(loaded.model_path), session_options(threads=1), providers=["CPUExecutionProvider"]
    )
    return loaded, session


@pytest.fixture(scope="module")
def reference(exported):
    """The torch step around the exported graph's own weights."""
    loaded, _ = exported

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(12 * 60, 32), nn.SiLU(), nn.Linear(32, 12 * 57))

        def forward(self, tau, row_features):
            return self.layers(torch.cat([tau, row_features], dim=-1).flatten(1)).reshape(tau.shape)

    description = loaded.description
    denoiser, reward_model = load_weights(Denoiser(), loaded), load_weights(RewardModel(12, 16), loaded, "reward_model")
    return GuidedStep(denoiser, description.normalizer, description.reward_terms, description.x0_clip, reward_model)


def nothing(inputs):
    """Every branch of the graph is taken."""


def analytic_terms_only(inputs):
    inputs["reward_weights"][[bool(term.reads) for term in TERMS.values()]] = 0.0


def no_seldom_terms(inputs):
    inputs["reward_weights"][[term.seldom for term in TERMS.values()]] = 0.0


def boxes_only(inputs):
    inputs["torque_max"][...] = FREE_BOUND
    inputs["band_upper"][...] = inputs["band_lower"]


def boxes_off_positions_and_speeds(inputs):
    boxes_only(inputs)
    for part in (JOINT_POS, JOINT_VEL):
        inputs["lower"][:, part], inputs["upper"][:, part] = -FREE_BOUND, FREE_BOUND


@pytest.mark.parametrize(
    "change", [nothing, analytic_terms_only, no_seldom_terms, boxes_only, boxes_off_positions_and_speeds]
)
@pytest.mark.parametrize(("scale", "ranked"), [(0.0, True), (0.7, True), (0.7, False)])
@pytest.mark.parametrize(("batch", "last_step"), [(1, False), (3, True), (10, False), (10, True)])
def test_the_graph_equals_torch(exported, reference, batch, last_step, scale, ranked, change):
    loaded, session = exported
    inputs = example_inputs(loaded.description, batch, 100 + batch, last_step)
    inputs["guidance_scale"], inputs["ranked"] = torch.tensor(scale), torch.tensor(ranked)
    change(inputs)
    actual = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    with torch.no_grad():
        expected = reference(*inputs.values())
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e.numpy(), rtol=1e-4, atol=1e-4)
    assert (actual[2] != 0.0).all() == ranked, "a reward where candidates are ranked, and there alone"


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


@pytest.mark.parametrize("target", ["shutil.rmtree", "pathlib.Path.rename"])
def test_an_export_that_is_interrupted_leaves_a_whole_artefact(target, without_graph, monkeypatch, tmp_path):
    metadata = ArtefactMetadata("small", horizon=11, replan_margin=3)
    folder = tmp_path / "model"
    identity = export_artefact(Shrink(), NORMALIZER, NoiseSchedule(), metadata, folder)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(target, interrupted)
        export_artefact(Shrink(), NORMALIZER, NoiseSchedule(), metadata, folder)
    assert prior.load(folder).identity == identity


@pytest.mark.parametrize(
    "config",
    # The mixer: test/commands/test_networks.py.
    [NetworkConfig("temporal_unet", 8, 3), NetworkConfig("transformer", 64, 1)],
    ids=lambda config: config.kind,
)
def test_every_network_exports_with_its_weights_by_name(config, tmp_path):
    torch.manual_seed(0)
    network = build_denoiser(config, rows=12)
    for parameter in network.parameters():  # equal ones would be stored once
        nn.init.normal_(parameter, std=0.1)
    # The network is what differs: one reward term will do.
    metadata = ArtefactMetadata("small", horizon=11, replan_margin=3, reward_terms=("posture",))
    export_artefact(network, NORMALIZER, NoiseSchedule(), metadata, tmp_path / "small")
    loaded = prior.load(tmp_path / "small")
    assert loaded.card["parity_error"] <= export.PARITY_TOLERANCE
    restored = load_weights(build_denoiser(config, rows=12), loaded)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(restored.state_dict()[name], value, rtol=0.0, atol=0.0)


def test_the_file_says_nothing_of_the_machine_it_was_made_on(exported):
    loaded, _ = exported
    content = loaded.model_path.read_bytes()
    for trace in (b"site-packages", b".py", str(Path(__file__).parents[2]).encode()):
        assert trace not in content


FREE = torch.zeros(12, 57, dtype=torch.bool)
JOINTS = slice(JOINT_POS.start, JOINT_VEL.stop)


def free_bounds():
    return {name: torch.tensor(bound) for name, bound in bounds_in(registry.free_bounds(12), PHYSICAL).items()}


def make_step(terms=("posture",), reward_model=None):
    step = GuidedStep(Shrink(), NORMALIZER, terms, reward_model=reward_model).double()
    step.mean, step.std = torch.tensor(NORMALIZER.mean), torch.tensor(NORMALIZER.std)
    return step


def test_one_step_by_hand():
    shape, rows = (1, 12, 57), torch.ones(12, 1, dtype=torch.float64)
    transition = torch.cat([0.6 * rows, 0.3 * rows, 0.1 * rows, 0.25 * rows], dim=1)
    mask = FREE.clone()
    mask[0] = True
    bounds = torch.full((12, 57), 0.5, dtype=torch.float64)
    bounds[2] = 100.0
    bounds[:, JOINTS] = 100.0  # else the targets go along with positions and speeds
    parameters = [torch.tensor(p.default_array) for p in term_parameters(["posture"])]
    features = torch.zeros(12, 3)
    tau_next, trajectory, _ = make_step()(
        torch.ones(shape, dtype=torch.float64),
        features,
        features,
        transition,
        torch.full(shape, 2.0),
        torch.full(shape, 7.0, dtype=torch.float64),
        mask,
        torch.tensor(1.0),
        torch.tensor(True),
        torch.zeros(1),
        *{**free_bounds(), "lower": -bounds, "upper": bounds}.values(),
        *parameters,
    )
    # 0.6 * (0.5 * 1) + 0.3 * 1 + 0.1 * 2 = 0.8; row 0 is known, row 1 but for the joints clipped, row 2 free.
    np.testing.assert_allclose(tau_next[0, 0], 7.0)
    np.testing.assert_allclose(np.delete(tau_next[0, 1].numpy(), JOINTS), 0.5)
    np.testing.assert_allclose(tau_next[0, 2], 0.8)
    np.testing.assert_allclose(trajectory[0, 2], 0.8 * NORMALIZER.std + NORMALIZER.mean)


def test_the_projection_of_the_graph_is_that_of_the_feasible_set():
    rng, step = np.random.default_rng(4), make_step()
    tau = torch.tensor(rng.normal(size=(3, 12, 57)))
    torque_max, band = rng.uniform(2.0, 10.0, size=(12, 12)), rng.normal(size=(12, 12))
    bounds = free_bounds()
    for name, bound in (("torque_max", torque_max), ("band_lower", band), ("band_upper", band + 0.1)):
        bounds[name] = torch.tensor(bound)
    projected = step.project(tau, bounds)
    physical, before = ((array * step.std + step.mean).numpy() for array in (projected, tau))
    torque = 40.0 * (physical[..., ACTION] - physical[..., JOINT_POS]) - physical[..., JOINT_VEL]
    joint_pos = projected.numpy()[..., JOINT_POS]
    moved = (joint_pos == band) | (joint_pos == band + 0.1)  # by the band, which comes after the torque
    assert 0 < moved.mean() < 0.1
    assert (np.abs(torque) <= torque_max + 1e-9).all()
    assert not ((band < joint_pos) & (joint_pos < band + 0.1)).any()
    others = np.r_[0 : JOINT_POS.start, PREVIOUS_ACTION]
    np.testing.assert_allclose(physical[..., others], before[..., others], atol=1e-12)


def test_a_joint_target_goes_along_with_position_and_speed_but_not_past_its_own_limit():
    step = make_step()
    tau, bounds = torch.zeros(1, 12, 57, dtype=torch.float64), free_bounds()
    lower, upper = bounds["lower"], bounds["upper"]
    physical = tau * step.std + step.mean
    # The second joint has to give way by 0.2 rad, the third by 0.3 rad, its target by no more than 0.1 rad; the fourth
    # has to be slower by 8 rad/s, which is 8 N m less damping: a target 8 / 40 = 0.2 rad less far keeps the torque.
    for entry, change in ((JOINT_POS.start + 1, -0.2), (JOINT_POS.start + 2, -0.3), (JOINT_VEL.start + 3, -8.0)):
        upper[:, entry] = (physical[0, 0, entry] + change - step.mean[entry]) / step.std[entry]
    limit = ACTION.start + 2
    lower[:, limit] = -0.1 / step.std[limit]
    moved = (step.project(tau, bounds) - tau) * step.std
    expected = torch.zeros(12, 57, dtype=torch.float64)
    expected[:, [JOINT_POS.start + 1, ACTION.start + 1]] = -0.2
    expected[:, JOINT_POS.start + 2], expected[:, limit] = -0.3, -0.1
    expected[:, JOINT_VEL.start + 3], expected[:, ACTION.start + 3] = -8.0, -0.2
    np.testing.assert_allclose(moved[0], expected, atol=1e-12)


def test_the_guidance_is_the_gradient_of_the_composed_reward():
    torch.manual_seed(3)
    step = make_step(tuple(TERMS), RewardModel(12, width=16)).requires_grad_(False)
    weights = torch.tensor([0.02 * term.max_weight for term in TERMS.values()], dtype=torch.float64)
    parameters = [torch.tensor(p.default_array) for p in term_parameters(TERMS)]
    rng = np.random.default_rng(8)
    tau, features = torch.tensor(rng.normal(size=(2, 12, 57))), torch.tensor(rng.normal(size=(12, 3)))
    constants = step.mean, step.std

    def reward(tau):
        return step.reward(tau, *constants, step.predict(tau, features), weights, *parameters).sum()

    gradient = step.whole_gradient(tau, features, *constants, weights, parameters)
    analytic = step.analytic_gradient(tau, *constants, weights, *parameters)
    assert (gradient - analytic).abs().max() > 0.0
    without_predictions = torch.zeros_like(step.predict(tau, features))
    directions = torch.tensor(rng.normal(size=(5, 2, 12, 57)))
    directions[..., COMMAND] = 0.0  # known, so that no gradient is asked for
    for direction in directions:
        slope = (reward(tau + 1e-6 * direction) - reward(tau - 1e-6 * direction)) / 2e-6
        assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-4)
        fixed = [
            step.reward(tau + sign * direction, *constants, without_predictions, weights, *parameters).sum()
            for sign in (1e-6, -1e-6)
        ]
        assert float((analytic * direction).sum()) == pytest.approx(float(fixed[0] - fixed[1]) / 2e-6, rel=1e-4)


@pytest.mark.parametrize(
    ("function", "expands"),
    [
        (lambda x: (x * x).sum(dim=(1, 2)).square().sum() + x[:, -1].square().sum(), 0),
        # Nothing of the full size that the ones could be combined with.
        (lambda x: x.sum(), 1),
    ],
)
def test_the_gradient_of_a_sum_is_traced_without_what_broadcasts(function, expands):
    gradient, x = torch.func.grad(function), torch.randn(17, 3, 2)
    traced = export.trace(gradient, x)
    targets = [node.target for node in traced.graph.nodes]
    assert targets.count(torch.ops.aten.expand.default) == expands
    assert torch.ops.aten.select_backward.default not in targets
    for batch in (17, 5, 1):
        torch.testing.assert_close(traced(x[:batch]), gradient(x[:batch]))


def guided_step(step, tau, transition, guidance_scale, weights, parameters=()):
    """The last step; nothing known, no constraint, no noise."""
    features = torch.zeros(12, 3)
    return step(
        tau,
        features,
        features,
        transition,
        torch.zeros_like(tau),
        tau,
        FREE,
        torch.tensor(guidance_scale),
        torch.tensor(True),
        weights,
        *free_bounds().values(),
        *parameters,
    )


def test_before_the_last_step_candidates_are_ranked_by_what_the_denoiser_expects():
    step = make_step(("joint_velocity",))
    levels, clean = torch.tensor([[0.8, 0.6, 0.0]] * 12), torch.tensor([[1.0, 0.0, 0.0]] * 12)
    transition = torch.tensor([[0.5, 0.5, 0.0, 0.3]] * 12, dtype=torch.float64)
    mask = FREE.clone()
    mask[0] = True
    tau, known = torch.tensor(RNG.normal(size=(2, 12, 57))), torch.full((2, 12, 57), 0.25, dtype=torch.float64)
    for next_levels, last in ((levels, False), (clean, True)):
        tau_next, _, reward = step(
            tau,
            levels,
            next_levels,
            transition,
            torch.zeros_like(tau),
            known,
            mask,
            torch.tensor(1.0),
            torch.tensor(True),
            torch.ones(1),
            *free_bounds().values(),
        )
        # x0 = 0.5 tau, its first row known; the last step's reward is that of its result.
        judged = tau_next if last else torch.where(mask, known, 0.5 * tau)
        joint_vel = (judged * step.std + step.mean)[:, :11, JOINT_VEL]
        np.testing.assert_allclose(reward, -(joint_vel**2).sum(dim=(1, 2)))


def test_guidance_raises_the_reward():
    step = make_step()
    parameters = [torch.tensor(p.default_array) for p in term_parameters(["posture"])]
    tau = torch.tensor(np.random.default_rng(1).normal(size=(4, 12, 57)))
    transition = torch.tensor([[0.0, 1.0, 0.0, 0.3]] * 12, dtype=torch.float64)
    more, less = (guided_step(step, tau, transition, scale, torch.ones(1), parameters)[2] for scale in (1.0, 0.0))
    assert (more > less).all()


def test_no_weight_moves_an_entry_further_than_the_steps_noise():
    step = make_step(("joint_velocity",))
    tau = torch.tensor(np.random.default_rng(1).normal(size=(4, 12, 57)))
    variance = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:, None]
    transition = torch.cat([variance * 0.0, variance * 0.0 + 1.0, variance * 0.0, variance], dim=1)

    def moved(weight):
        return (guided_step(step, tau, transition, 1.0, torch.tensor([weight]))[0] - tau).abs()

    assert (moved(1e6) <= torch.sqrt(variance) + 1e-12).all()
    # A small step is the paper's: half the weight moves half as far.
    np.testing.assert_allclose(moved(2e-6), 2.0 * moved(1e-6), rtol=1e-6)
