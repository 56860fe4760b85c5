"""DIAL-MPC as a planner: its contract, what it remembers, what the operator asks for, a short walk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.declared_model import DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError, PlanError, RewardError, TimingError
from diffusion_mpc_ros.core.trajectory import JOINT_POS, JOINT_VEL
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.planners.dial_mpc.methods import METHODS
from diffusion_mpc_ros.planners.dial_mpc.settings import DialMpcSettings, make
from diffusion_mpc_ros.planners.sampling.controls import CONTROL_RANGE, to_controls, to_targets
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.planners.sampling.memory import Memory
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, run_closed_loop
from diffusion_mpc_ros.rewards.outcomes import MEASURED
from diffusion_mpc_ros.simulation.batch import BatchSimulation

TIMING = Timing(horizon=11, replan_margin=2, replan_interval=2)
QUICK = DialMpcSettings(samples=8, iterations=1, first_iterations=2, model="elliptic_20ms", lookahead=12, knots=4)
WALK = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.5]])


def planner(settings: DialMpcSettings = QUICK, timing: Timing = TIMING):
    return make(settings, timing, False).levels[0]


def request(tick: int = 0, rewards: RewardSettings | None = None, committed: np.ndarray | None = None) -> PlanRequest:
    return PlanRequest(RobotState.standing(tick, 2), WALK, rewards or RewardSettings(), committed)


def test_a_plan_has_the_shapes_and_says_who_made_it() -> None:
    made = planner().plan(request(7))
    assert made.joint_targets.shape == (11, 2, 12) and made.trajectory.shape == (2, 12, 57)
    assert (made.start_tick, made.planner, made.replan_margin) == (7, "dial_mpc", 2)
    assert (go2.JOINT_POS_MIN <= made.joint_targets).all() and (made.joint_targets <= go2.JOINT_POS_MAX).all()
    assert made.reward < 0.0 and made.facts == {"iterations": 2}


def test_what_is_committed_comes_back_unchanged_and_is_where_the_plan_begins() -> None:
    committed = go2.DEFAULT_JOINT_POS + np.random.default_rng(0).uniform(-0.2, 0.2, (2, 2, 12))
    made = planner().plan(request(committed=committed))
    np.testing.assert_array_equal(made.joint_targets[:2], committed)
    # Without jumps from there: a quadratic through four knots, the first one held.
    assert np.abs(made.joint_targets[2] - committed[-1]).max() < 0.3 * 2.0 * CONTROL_RANGE.max()


def test_the_same_requests_are_planned_alike_and_a_seed_changes_them() -> None:
    first, again, other = planner(), planner(), planner(replace(QUICK, seed=1))
    for tick in (0, 2):
        plans = [each.plan(request(tick)).joint_targets for each in (first, again, other)]
        np.testing.assert_array_equal(plans[0], plans[1])
        assert np.abs(plans[0] - plans[2]).max() > 1e-3
    first.reset()
    again.reset()
    fresh = planner().plan(request(4)).joint_targets
    np.testing.assert_array_equal(first.plan(request(4)).joint_targets, fresh)
    # What it remembers is what makes the difference.
    assert np.abs(again.plan(request(2)).joint_targets - plans[0]).max() > 1e-3


def test_a_first_plan_takes_more_iterations_while_nothing_is_committed_to() -> None:
    committed = np.tile(go2.DEFAULT_JOINT_POS, (2, 2, 1))
    walking = planner()
    assert walking.plan(request(0, committed=committed)).facts["iterations"] == 1
    walking.reset()
    assert [walking.plan(request(tick)).facts["iterations"] for tick in (0, 2)] == [2, 1]


def test_knots_move_on_with_the_ticks_for_each_robot() -> None:
    knots, memory = Knots(9, 9, 1), Memory()  # a knot a row: nothing is lost
    kept = np.arange(9.0)[None, :, None] + np.array([0.0, 100.0])[:, None, None]
    memory.keep(kept, 50)
    moved = memory.at(knots, 53, kept.shape)
    np.testing.assert_allclose(moved[:, :6], kept[:, 3:], atol=1e-9)
    np.testing.assert_allclose(moved[:, 6:], 0.0, atol=1e-9)
    assert memory.at(knots, 49, kept.shape) is None and memory.at(knots, 59, kept.shape) is None
    assert memory.at(knots, 53, (1, 9, 1)) is None
    memory.clear()
    assert memory.at(knots, 53, kept.shape) is None


def test_controls_are_targets_round_the_default_pose() -> None:
    np.testing.assert_allclose(to_targets(np.zeros(12)), go2.DEFAULT_JOINT_POS)
    np.testing.assert_allclose(to_controls(go2.DEFAULT_JOINT_POS + 0.5 * CONTROL_RANGE), 0.5)
    np.testing.assert_allclose(to_controls(go2.DEFAULT_JOINT_POS - 2.0 * CONTROL_RANGE), -1.0)


def test_the_operators_rewards_and_constraints_act() -> None:
    settings = replace(QUICK, samples=64, iterations=3)
    low = RewardSettings(1, {"base_height": 8000.0}, {"base_height.target": np.array([0.22])})
    calm = RewardSettings(2, {}, {"joint_velocity.max": np.full(12, 1.0)}, ("joint_velocity",))
    plans = [planner(settings).plan(request(rewards=each)) for each in (RewardSettings(), low, calm)]
    assert [plan.reward_revision for plan in plans] == [0, 1, 2]
    # Lower is more folded; the last rows tell most.
    folded = [plan.trajectory[:, -1, JOINT_POS].reshape(2, 4, 3)[..., 2].mean() for plan in plans]
    assert folded[1] < folded[0] - 0.05
    speed = [np.abs(plan.trajectory[:, 1:, JOINT_VEL]).max() for plan in plans]
    assert speed[2] < 0.8 * speed[0]


def test_what_is_declared_acts_in_the_next_plan_and_is_told() -> None:
    ladder = make(QUICK, TIMING, False)
    nominal = ladder.levels[0].plan(request()).joint_targets
    ladder.levels[0].reset()
    ladder.physics.declare(DeclaredModel(payload_mass=8.0))
    made = ladder.levels[0].plan(request())
    assert np.abs(made.joint_targets - nominal).max() > 1e-3
    assert made.facts == {"iterations": 2, "declared_payload_mass": 8.0}
    again = planner(replace(QUICK, declared=DeclaredModel(slope=5.0)))
    again.resume(made.facts)
    np.testing.assert_array_equal(again.plan(request()).joint_targets, made.joint_targets)


def test_rewards_that_no_rollout_measures_are_refused() -> None:
    made = planner()
    assert made.provides == MEASURED and "velocity_tracking" in made.reward_terms
    made.check(RewardSettings(1, {"velocity_tracking": 10.0}, {}, ("joint_range",)))
    with pytest.raises(RewardError, match="'step_frequency' reads the outcome 'step_frequency'"):
        made.check(RewardSettings(1, {"step_frequency": 10.0}))
    with pytest.raises(RewardError, match="unknown constraint 'none'"):
        made.check(RewardSettings(1, {}, {}, ("none",)))
    with pytest.raises(RewardError, match="step_frequency"):
        made.plan(request(rewards=RewardSettings(1, {"step_frequency": 10.0})))


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TimingError, match="looks 10 ticks ahead, .* H = 11"):
        planner(replace(QUICK, lookahead=10))
    with pytest.raises(ConfigurationError, match="unknown planner model 'cheap'; there is full"):
        planner(replace(QUICK, model="cheap"))
    with pytest.raises(ConfigurationError, match="method = 'sqp'"):
        replace(QUICK, method="sqp")
    with pytest.raises(ConfigurationError, match="2 knots over 13 rows"):
        planner(replace(QUICK, knots=2))


def test_the_ladder_halves_iterations_then_samples() -> None:
    ladder = make(replace(QUICK, samples=64, iterations=4), TIMING, True)
    found = [(level.facts()["samples"], level.facts()["iterations"]) for level in ladder.levels]
    assert found == [(64, 4), (64, 2), (64, 1), (32, 1)]
    # A level goes on from what the one before planned.
    ladder.levels[0].plan(request(0))
    assert ladder.levels[-1].plan(request(2)).facts["iterations"] == 1
    assert len({level.identity for level in ladder.levels}) == 1 and len(ladder.levels[0].identity) == 64


@pytest.mark.parametrize("method", METHODS)
def test_every_method_plans(method) -> None:
    made = planner(replace(QUICK, method=method, samples=32))
    plans = [made.plan(request(tick)) for tick in (0, 2)]
    assert np.isfinite([plan.joint_targets for plan in plans]).all()
    assert np.abs(plans[1].joint_targets[2:] - go2.DEFAULT_JOINT_POS).max() > 1e-3


def test_it_walks() -> None:
    walking = planner(replace(QUICK, samples=48, lookahead=16), Timing(11, 0, 2))
    simulation = BatchSimulation(1, seed=0, threads=1)
    scores = run_closed_loop(AsynchronousController(walking), simulation, WALK[:1], 125)
    assert scores.survived().all()
    # After a second; it begins from a stand.
    assert 0.25 < scores.velocity[50:, 0, 0].mean() < 0.75
    assert 0.24 < scores.base_height[50:].mean() < 0.36


def test_a_score_that_is_not_finite_makes_no_plan_and_none_is_remembered() -> None:
    made = planner()
    made.plan(request(0))
    parts, knots = made._parts, made._parts.memory._knots
    made._parts = replace(parts, scoring=lambda rollout, *_: np.full(rollout.joint_targets.shape[:2], -np.inf))
    with pytest.raises(PlanError, match="reward, time or facts of the plan for tick 2 are not finite"):
        made.plan(request(2))
    assert parts.memory._knots is knots
