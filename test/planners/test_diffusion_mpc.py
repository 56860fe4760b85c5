"""The planner on an exported artefact: plans, guidance, seam, refusals, and what it imports."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from diffusion_mpc_ros.core.errors import RewardError, TimingError
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.trajectory import JOINT_POS, OBSERVATION, make_observation
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner

STANDING, COMMAND = RobotState.standing(5), np.array([[0.5, 0.0, 0.0]])
OBSERVATION_STANDING = make_observation(
    base_ang_vel=np.zeros(3),
    projected_gravity=np.array([0.0, 0.0, -1.0]),
    command=np.array([0.5, 0.0, 0.0]),
    joint_pos=DEFAULT_JOINT_POS,
    joint_vel=np.zeros(12),
    previous_action=DEFAULT_JOINT_POS,
)
PAPER_TIMING, NO_REWARD = Timing(), RewardSettings()
COMMITTED = np.tile(DEFAULT_JOINT_POS, (3, 1, 1)) + 0.05


@pytest.fixture
def make_planner(random_artefact):
    def make(hold_committed=True, timing=PAPER_TIMING, **sampling):
        config = DiffusionMpcConfig(timing, SamplingOptions(**sampling), hold_committed)
        return DiffusionMpcPlanner(prior.load(random_artefact), config)

    return make


def request(tick=5, settings=NO_REWARD, committed=COMMITTED):
    return PlanRequest(replace(STANDING, tick=tick), COMMAND, settings, committed)


def test_a_plan_is_finite_within_limits_and_starts_with_what_is_committed(make_planner):
    plan = make_planner().plan(request(settings=RewardSettings(revision=4)))
    assert plan.joint_targets.shape == (11, 1, 12)
    assert (plan.start_tick, plan.reward_revision, plan.facts["denoising_steps"]) == (5, 4, 10)
    assert (plan.planner, plan.replan_margin) == ("diffusion_mpc", 3)
    np.testing.assert_array_equal(plan.command, COMMAND)
    assert plan.plan_time > 0.0
    assert (plan.joint_targets >= JOINT_POS_MIN).all()
    assert (plan.joint_targets <= JOINT_POS_MAX).all()
    np.testing.assert_array_equal(plan.joint_targets[:3], COMMITTED)
    np.testing.assert_allclose(plan.trajectory[0, 0, OBSERVATION], OBSERVATION_STANDING, atol=1e-5)


def test_a_plan_tells_the_candidates_that_it_is_the_best_of(make_planner):
    planner = make_planner(candidates=4)
    plan = planner.plan(request(settings=RewardSettings(1, {"joint_velocity": 0.1})))
    told = plan.candidates
    assert told.joint_pos.shape == (1, 4, 12, 12) and told.reward.shape == (1, 4)
    assert told.reward.max() == np.float32(plan.reward)
    best = told.joint_pos[0, np.argmax(told.reward[0])]
    np.testing.assert_array_equal(best, plan.trajectory[0, :, JOINT_POS])
    assert np.ptp(told.joint_pos[0, :, -1], axis=0).max() > 0.0
    before = told.joint_pos.copy()
    planner.plan(request(tick=6))
    np.testing.assert_array_equal(told.joint_pos, before)
    np.testing.assert_array_equal(plan.of(0).candidates.joint_pos, before[0])


def test_committed_actions_are_free_when_not_held(make_planner):
    plan = make_planner(hold_committed=False).plan(request())
    assert np.abs(plan.joint_targets[:3] - COMMITTED).max() > 1e-3


def test_the_same_seed_gives_the_same_plan_and_reset_starts_over(make_planner):
    planner, other = make_planner(seed=1), make_planner(seed=1)
    planner.warm_up()
    first = planner.plan(request()).joint_targets
    np.testing.assert_array_equal(other.plan(request()).joint_targets, first)
    assert np.abs(planner.plan(request()).joint_targets - first).max() > 0.0
    planner.reset()
    np.testing.assert_array_equal(planner.plan(request()).joint_targets, first)


def test_more_candidates_rank_higher_and_a_reward_steers(make_planner):
    settings = RewardSettings(weights={"joint_velocity": 0.01})
    plain = make_planner(candidates=1, guidance_scale=0.0).plan(request(settings=settings))
    ranked = make_planner(candidates=20, guidance_scale=0.0).plan(request(settings=settings))
    guided = make_planner(candidates=1).plan(request(settings=settings))
    assert plain.reward < ranked.reward <= 0.0
    assert np.abs(guided.trajectory - plain.trajectory).max() > 1e-5


def test_a_constraint_holds_in_every_predicted_row_but_the_measured_one(make_planner):
    low, high = DEFAULT_JOINT_POS - 0.02, DEFAULT_JOINT_POS + 0.02
    settings = RewardSettings(
        parameters={"joint_range.min": low, "joint_range.max": high}, constraints=("joint_range",)
    )
    joint_pos = make_planner(candidates=3).plan(request(settings=settings)).trajectory[0, 1:, JOINT_POS]
    assert (joint_pos >= low - 1e-5).all()
    assert (joint_pos <= high + 1e-5).all()


def test_early_steps_are_cached_until_the_revision_changes(make_planner):
    planner = make_planner(cached_steps=4)
    revisions = [0, 0, 1, 1]
    plans = [planner.plan(request(5 + 2 * i, RewardSettings(revision))) for i, revision in enumerate(revisions)]
    assert [plan.facts["denoising_steps"] for plan in plans] == [10, 6, 10, 6]


def test_a_batch_plans_for_each_robot(make_planner):
    planner = make_planner(candidates=1)
    state = RobotState.standing(3, robots=2)
    state = replace(state, joint_vel=np.stack([np.zeros(12), np.full(12, 0.1)]))
    commands, committed = np.array([[0.5, 0.0, 0.0], [0.0, 0.2, -0.3]]), np.repeat(COMMITTED, 2, axis=1)
    plan = planner.plan(PlanRequest(state, commands, RewardSettings(), committed))
    assert plan.joint_targets.shape == (11, 2, 12)
    observations = observe(state, commands, state.previous_action)
    np.testing.assert_allclose(plan.trajectory[:, 0, OBSERVATION], observations, atol=1e-5)


def test_an_unknown_term_is_refused(make_planner):
    planner = make_planner(candidates=1)
    with pytest.raises(RewardError, match="'diffusion_mpc' does not follow the reward term 'height'; it follows: post"):
        planner.plan(request(settings=RewardSettings(weights={"height": 1.0})))
    with pytest.raises(RewardError, match="does not follow the reward term"):
        planner.check(RewardSettings(weights={"height": 1.0}))
    planner.check(RewardSettings(weights={"height": 0.0, "energy": 1.0}))
    planner.plan(request(settings=RewardSettings(weights={"height": 0.0})))


def test_another_horizon_is_refused(make_planner):
    with pytest.raises(TimingError, match="plans H = 11 ticks, the configured horizon is 8"):
        make_planner(timing=Timing(horizon=8))


def test_importing_the_planner_loads_neither_torch_nor_mujoco_nor_ros_nor_the_sdk():
    code = (
        "import sys, diffusion_mpc_ros.planners.diffusion_mpc.settings; "
        "print(sorted({'torch', 'mujoco', 'rclpy', 'unitree_sdk2py', 'onnx'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
