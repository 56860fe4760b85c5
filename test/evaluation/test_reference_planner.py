"""The product against Algorithm 1 in torch, on the shipped artefact: two implementations, one plan."""

import dataclasses

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import RewardSettings, Timing
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.inference import has_openvino
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.evaluation.matrix_products import count_flops, matrix_products
from diffusion_mpc_ros.evaluation.planner_bench import Combination, compared_plans
from diffusion_mpc_ros.evaluation.reference_planner import ReferencePlanner, missing_compiler, numpy_randn
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.planners.latency import guided, standing_request
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, run_closed_loop
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.training.networks import ResidualMLP
from diffusion_mpc_ros.training.weights import load_networks, load_weights

BACKENDS = ["onnxruntime", "openvino"] if has_openvino() else ["onnxruntime"]


@pytest.fixture(scope="module")
def shipped():
    return prior.load(model_folder("go2"))


@pytest.fixture(scope="module")
def networks(shipped):
    return load_networks(shipped)


class Repeated(ReferencePlanner):
    def reset(self):
        self.randn = numpy_randn(self.sampling.seed)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("guided_by_all", [False, True])
# Kernels differ with the batch: OpenVINO's once multiplied by the wrong weights from nine candidates on.
@pytest.mark.parametrize(("candidates", "steps"), [(4, 3), (4, 5), (10, 10), (32, 3)])
def test_the_product_plans_what_the_paper_says(shipped, networks, backend, guided_by_all, candidates, steps):
    case = Combination("go2", candidates=candidates, steps=steps, guided=guided_by_all, threads=1, plans=1, seed=3)
    timing = case.timing(shipped)
    product = DiffusionMpcPlanner(shipped, DiffusionMpcConfig(timing, case.sampling, backend=backend))
    expected = compared_plans(Repeated(shipped, networks, timing, case.sampling), case, shipped)
    actual = compared_plans(product, case, shipped)
    assert expected.std(axis=0).max() > 0.01  # other observations, other plans
    np.testing.assert_allclose(actual, expected, atol=1e-4)


class Recorder:
    """A planner that keeps the requests it is asked with."""

    def __init__(self, planner: DiffusionMpcPlanner) -> None:
        self._planner, self.timing, self.requests = planner, planner.timing, []

    def plan(self, request):
        self.requests.append(request)
        return self._planner.plan(request)


def test_they_agree_on_what_a_walking_robot_asks_for(shipped, networks):
    rewards = guided(shipped.description.reward_terms)
    timing, sampling = Timing(), SamplingOptions(candidates=2)
    product = DiffusionMpcPlanner(shipped, DiffusionMpcConfig(timing, sampling))
    recorder = Recorder(product)
    controller = AsynchronousController(recorder, lambda _: rewards)
    run_closed_loop(controller, BatchSimulation(1, seed=0, threads=1), np.array([[0.5, 0.1, 0.3]]), 60)
    reference = Repeated(shipped, networks, timing, sampling)
    assert len(recorder.requests) == 30 and recorder.requests[-1].committed_actions is not None
    for request in recorder.requests[::3]:
        for planner in (product, reference):
            planner.reset()
        expected, actual = reference.plan(request), product.plan(request)
        np.testing.assert_allclose(actual.joint_targets, expected.joint_targets, atol=1e-4)


@pytest.mark.parametrize("constraints", [("joint_velocity",), ("torque", "joint_band")])
def test_constraints_and_no_committed_actions_agree_too(shipped, networks, constraints):
    rewards = dataclasses.replace(
        guided(shipped.description.reward_terms),
        constraints=constraints,
        parameters={
            "joint_velocity.max": np.full(12, 1.0),
            "torque.max": np.full(12, 4.0),
            "joint_band.min": np.tile([0.0, 0.0, -1.6], 4),
            "joint_band.max": np.tile([0.0, 0.0, -1.4], 4),
        },
    )
    request = dataclasses.replace(standing_request(Timing(), rewards), committed_actions=None)
    sampling = SamplingOptions(candidates=3)
    expected = ReferencePlanner(shipped, networks, Timing(), sampling, numpy_randn(0)).plan(request)
    actual = DiffusionMpcPlanner(shipped, DiffusionMpcConfig(sampling=sampling)).plan(request)
    np.testing.assert_allclose(actual.trajectory, expected.trajectory, rtol=1e-4, atol=1e-4)
    assert actual.reward == pytest.approx(expected.reward, rel=1e-4)
    free = dataclasses.replace(request, rewards=dataclasses.replace(rewards, constraints=()))
    assert (
        np.abs(
            ReferencePlanner(shipped, networks, Timing(), sampling, numpy_randn(0)).plan(free).trajectory
            - expected.trajectory
        ).max()
        > 0.1
    )  # the constraint binds


def test_the_flops_of_a_plan_are_those_of_the_shipped_network_by_hand(shipped, networks):
    assert shipped.networks["denoiser"] == {"kind": "residual_mlp", "width": 512, "blocks": 3}
    planner = ReferencePlanner(shipped, networks, Timing(), SamplingOptions(candidates=10, sampler="ddim", steps=3))
    rewards = guided([name for name in shipped.description.reward_terms if not TERMS[name].reads])
    products = matrix_products(lambda: planner.plan(standing_request(Timing(), rewards)))
    # In 12 x (57 + 3) = 720, six hidden layers of 512, out 12 x 57 = 684; analytic rewards multiply no matrices.
    a_step = [(10, 720, 512), *[(10, 512, 512)] * 6, (10, 512, 684)]
    assert products == a_step * 3
    assert count_flops(products) == 3 * 2 * 10 * (720 * 512 + 6 * 512 * 512 + 512 * 684)


def test_weights_of_another_network_are_refused(shipped):
    with pytest.raises(ArtefactError, match="not those of the network"):
        load_weights(ResidualMLP(12, width=256), shipped)
    card = {**shipped.card, "networks": {"denoiser": {"kind": "oracle"}}}
    with pytest.raises(ArtefactError, match="does not describe a denoiser that is known: unknown network 'oracle'"):
        load_networks(dataclasses.replace(shipped, card=card))


def test_cached_steps_are_not_part_of_the_algorithm(shipped, networks):
    with pytest.raises(ConfigurationError, match="no cached steps"):
        ReferencePlanner(shipped, networks, Timing(), SamplingOptions(cached_steps=2))


def test_a_missing_compiler_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler" in missing_compiler()
    monkeypatch.delenv("CXX")
    compiler = tmp_path / "g++"
    compiler.touch(mode=0o755)
    assert missing_compiler() == ""


def test_no_reward_ranks_nothing(shipped, networks):
    plan = ReferencePlanner(shipped, networks, Timing(), SamplingOptions(candidates=2), numpy_randn(0)).plan(
        standing_request(Timing(), RewardSettings())
    )
    assert plan.reward == 0.0 and plan.facts["denoising_steps"] == 10
