"""A new kind of set, all in this file: projected onto and measured, exported, planned with, asked for by name."""

import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from torch import nn

from diffusion_mpc_ros.constraints import registry
from diffusion_mpc_ros.constraints.kind import FREE_BOUND, Bound, Constraint, Kind
from diffusion_mpc_ros.core.errors import ArtefactError, RewardError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.parameters import Parameter
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.trajectory import JOINT_POS, fields_of
from diffusion_mpc_ros.core.types import PlanRequest, RobotState, Timing
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.evaluation.adaptation.constraints import ViolationMeter
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.rewards.composition import RewardComposer
from diffusion_mpc_ros.simulation.batch import BatchSimulation
from diffusion_mpc_ros.training.export import ArtefactMetadata, export_artefact

SUM_MAX = Parameter("joint_sum.max", (10.0,), -10.0, 10.0, "rad", "largest sum of all joint positions")


class HalfSpace(Kind):
    """``sum_j q_j <= sum_max``, ``(T, 1)`` [rad]: a single plane across all joints, in physical units."""

    name = "half_space"
    bounds = (Bound("sum_max", 1, np.inf),)

    def project(self, fields, bounds, units):
        joint_pos = units.physical("joint_pos", fields["joint_pos"])
        xp = array_namespace(joint_pos)
        excess = xp.clip(xp.sum(joint_pos, axis=-1, keepdims=True) - bounds["sum_max"], min=0.0)
        return {**fields, "joint_pos": fields["joint_pos"] - excess / 12.0 / units.scale_of("joint_pos")}

    def excess(self, fields, bounds):
        xp = array_namespace(fields["joint_pos"])
        return {"joint_sum": xp.clip(xp.sum(fields["joint_pos"], axis=-1, keepdims=True) - bounds["sum_max"], min=0.0)}

    def binds(self, bounds):
        return array_namespace(bounds["sum_max"]).any(bounds["sum_max"] < FREE_BOUND)

    def example(self, noise):
        return {"sum_max": noise["sum_max"]}

    def restrict(bounds, parameters, ticks):
        bounds["sum_max"][...] = np.minimum(bounds["sum_max"], parameters["joint_sum.max"])

    constraints = (Constraint("joint_sum", restrict, (SUM_MAX,), "sum of joints", "joint_sum", "rad", 0.01),)


class Shrink(nn.Module):
    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor([0.5]), requires_grad=False)

    def forward(self, tau, row_features):
        return self.share * tau + 0.0 * row_features.sum()


@pytest.fixture(scope="module", autouse=True)
def half_space():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "KINDS", dict(registry.KINDS))
        patch.setitem(registry.CONSTRAINTS, "joint_sum", None)  # so that it is taken out again
        registry.register(HalfSpace())
        yield


@pytest.fixture(scope="module")
def artefact(half_space, tmp_path_factory):
    mean = np.zeros(57)
    mean[JOINT_POS] = DEFAULT_JOINT_POS
    folder = tmp_path_factory.mktemp("models") / "small"
    metadata = ArtefactMetadata("small", horizon=11, replan_margin=3, reward_terms=("joint_velocity",))
    export_artefact(Shrink(), Normalizer(mean, np.full(57, 0.4)), NoiseSchedule(4), metadata, folder)
    return load(folder)


def settings(maximum):
    composer = RewardComposer({}, registry.CONSTRAINTS, check=registry.check_feasible)
    return composer.apply(0.0, parameters={"joint_sum.max": maximum}, constraints=["joint_sum"])


def test_it_is_projected_onto_and_measured():
    bounds = registry.feasible_bounds(("joint_sum",), settings(3.0).parameters, np.arange(2))
    fields = fields_of(np.full((1, 2, 57), 0.5))
    # 12 x 0.5 = 6 rad, 3 too many: a quarter for each joint.
    moved = registry.project(fields, bounds)
    np.testing.assert_allclose(moved["joint_pos"], 0.25)
    assert registry.violation(fields, bounds)["joint_sum"].tolist() == [[[3.0], [3.0]]]
    assert not registry.violation(moved, bounds)["joint_sum"].any()


def test_it_is_exported_and_planned_with(artefact):
    assert list(artefact.description.bounds)[-1] == "sum_max" and "sum_max" in artefact.description.inputs()
    planner = DiffusionMpcPlanner(artefact, DiffusionMpcConfig(Timing(), SamplingOptions(candidates=2, steps=4)))
    asked = DEFAULT_JOINT_POS.sum() - 2.0
    sums = {}
    for maximum in (10.0, asked):
        plan = planner.plan(PlanRequest(RobotState.standing(), np.zeros((1, 3)), settings(maximum)))
        sums[maximum] = plan.trajectory[0, 1:, JOINT_POS].sum(axis=-1)
    assert sums[10.0].max() > asked + 1.0 and sums[asked].max() <= asked + 1e-3


def test_it_is_measured_in_a_walk():
    state = BatchSimulation(1, seed=0, threads=1).state
    meter = ViolationMeter({"x": settings(state.joint_pos.sum() - 0.5)}, state, 0)
    meter.add(state)
    assert float(np.sum(meter._excess["x"])) == pytest.approx(12 * 0.5)  # of one number, told for every joint


def test_a_model_that_was_exported_without_it_refuses_it_in_words():
    planner = DiffusionMpcPlanner(load(model_folder("go2")), DiffusionMpcConfig())
    with pytest.raises(
        RewardError, match="'joint_sum': the model artefact was exported without .* 'half_space'; it kn"
    ):
        planner.check(settings(0.0))


def test_a_model_that_knows_it_is_refused_where_nobody_else_does(artefact, monkeypatch):
    monkeypatch.delitem(registry.KINDS, "half_space")
    with pytest.raises(ArtefactError, match="'sum_max': 1}; this version knows"):
        DiffusionMpcPlanner(artefact, DiffusionMpcConfig())
