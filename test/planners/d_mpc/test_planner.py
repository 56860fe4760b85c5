"""The sampling planner on models whose answers are known: it takes the best and keeps what is committed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from d_mpc_models import ROWS, first_joint_is_the_speed, models

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import PlanError, RewardError, TimingError
from diffusion_mpc_ros.core.trajectory import JOINT_POS
from diffusion_mpc_ros.core.transition import BASE_LIN_VEL, STATE_DIM
from diffusion_mpc_ros.core.types import PlanRequest, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.planners.d_mpc.planner import DMpcConfig, DMpcPlanner
from diffusion_mpc_ros.planners.d_mpc.settings import DMpcSettings, configs
from diffusion_mpc_ros.rewards.predictions import PREDICTED

TIMING = Timing(horizon=11, replan_margin=1, replan_interval=1)
COMMANDS = np.array([[0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]])


NOTHING, DEFAULT = RewardSettings(), DMpcConfig()


def planner(config=DEFAULT, timing=TIMING, **networks):
    return DMpcPlanner(models(**networks), config, timing)


def request(tick=0, rewards=NOTHING, committed=None):
    return PlanRequest(RobotState.standing(tick, 2), COMMANDS, rewards, committed)


def test_a_plan_has_the_shapes_and_says_who_made_it():
    made = planner().plan(request(7))
    assert made.joint_targets.shape == (11, 2, 12) and made.trajectory.shape == (2, 12, 57)
    assert (made.start_tick, made.planner, made.replan_margin) == (7, "d_mpc", 1)
    assert made.candidates.joint_pos.shape == (2, 24, 12, 12) and made.candidates.reward.shape == (2, 24)
    assert made.reward == pytest.approx(made.candidates.reward.max(axis=1).mean())


def test_each_robot_takes_the_candidate_that_is_predicted_to_follow_its_command():
    made = planner().plan(request())
    # The base is predicted at 10 x the first joint's offset: of 24 candidates one has a mean near 0.05 rad.
    offset = made.joint_targets[..., 0] - go2.DEFAULT_JOINT_POS[0]
    assert offset[:, 0].mean() > 0.02 and offset[:, 1].mean() < -0.02
    best = made.candidates.reward.argmax(axis=1)
    np.testing.assert_allclose(
        made.trajectory[..., JOINT_POS], made.candidates.joint_pos[np.arange(2), best], atol=1e-12
    )


def test_more_candidates_find_better_plans():
    few, many = (planner(DMpcConfig(candidates=count)).plan(request()).reward for count in (2, 256))
    assert few < many <= 0.0


# Proposals are 0.1 rad round the default pose, white; another posture is asked for.
POSTURE = RewardSettings(1, {"posture": 1000.0}, {"posture.target": go2.DEFAULT_JOINT_POS + 0.1})


def test_a_search_goes_on_from_the_best_and_loses_none():
    one, four = (planner(DMpcConfig(candidates=8, rounds=rounds)).plan(request(rewards=POSTURE)) for rounds in (1, 4))
    # The first candidates are the same; the best of them stay until they are beaten.
    assert one.reward < four.reward <= 0.0
    assert four.candidates.reward.shape == (2, 8) and (np.diff(four.candidates.reward, axis=1) <= 0.0).all()


def test_a_search_gets_further_than_as_many_proposals():
    proposed, searched = (
        planner(config).plan(request(rewards=POSTURE)).reward
        for config in (DMpcConfig(candidates=128, rounds=1), DMpcConfig(candidates=32, rounds=4))
    )
    # The score is 0 at best.
    assert searched > 0.75 * proposed


def test_without_rewards_nothing_is_searched():
    one, four = (planner(DMpcConfig(candidates=8, rounds=rounds)).plan(request()) for rounds in (1, 4))
    np.testing.assert_array_equal(one.joint_targets, four.joint_targets)


def as_fast_as_told(noisy, level, condition):
    """Proposals whose first joint's offset is a tenth of the commanded forward speed, with a little noise."""
    actions = 0.02 * noisy.reshape(len(noisy), ROWS, 12)
    actions[..., 0] += condition[:, STATE_DIM + 12, None]
    return actions.reshape(len(noisy), -1)


def slower_than_told(noisy, level, condition):
    """Dynamics of a robot that lacks 0.2 m/s, whichever way it goes."""
    changes = first_joint_is_the_speed(noisy, level, condition).reshape(len(noisy), ROWS, STATE_DIM)
    told = changes[..., BASE_LIN_VEL.start].mean(axis=1, keepdims=True)
    changes[..., BASE_LIN_VEL.start] -= 0.2 * np.sign(told)
    return changes.reshape(len(noisy), -1)


@pytest.mark.parametrize(("correction", "proposed"), [(0.0, 0.5), (0.25, 0.55), (0.5, 0.6), (3.0, 0.65)])
def test_proposals_make_up_for_the_speed_that_is_predicted_to_be_missing(correction, proposed):
    config = DMpcConfig(correction=correction, candidates=8)
    made = planner(config, proposals=as_fast_as_told, dynamics=slower_than_told).plan(request())
    speed = 10.0 * (made.joint_targets[..., 0] - go2.DEFAULT_JOINT_POS[0]).mean(axis=0)
    # At most by 0.15 m/s.
    np.testing.assert_allclose(speed, [proposed, -proposed], atol=0.03)


def test_who_is_told_to_stand_is_proposed_nothing_else():
    made = planner(DMpcConfig(candidates=8), proposals=as_fast_as_told, dynamics=slower_than_told)
    standing = PlanRequest(RobotState.standing(0, 1), np.zeros((1, 3)), NOTHING)
    np.testing.assert_allclose(made.plan(standing).joint_targets[..., 0], go2.DEFAULT_JOINT_POS[0], atol=0.01)


def test_what_is_committed_comes_back_unchanged():
    committed = go2.DEFAULT_JOINT_POS + np.random.default_rng(0).uniform(-0.1, 0.1, (2, 2, 12))
    made = planner().plan(request(committed=committed))
    np.testing.assert_array_equal(made.joint_targets[:2], committed)
    searched = planner().plan(request(rewards=POSTURE, committed=committed))
    np.testing.assert_array_equal(searched.joint_targets[:2], committed)
    free = planner(DMpcConfig(hold_committed=False)).plan(request(committed=committed))
    assert np.abs(free.joint_targets[:2] - committed).max() > 1e-3


def test_the_same_request_is_planned_alike_and_a_seed_or_another_tick_changes_it():
    first = planner().plan(request(3)).joint_targets
    np.testing.assert_array_equal(first, planner().plan(request(3)).joint_targets)
    assert np.abs(first - planner().plan(request(4)).joint_targets).max() > 1e-3
    assert np.abs(first - planner(DMpcConfig(seed=1)).plan(request(3)).joint_targets).max() > 1e-3


def test_constraints_move_actions_and_count():
    narrow = {"joint_range.min": go2.DEFAULT_JOINT_POS - 0.05, "joint_range.max": go2.DEFAULT_JOINT_POS + 0.05}
    constrained = RewardSettings(1, {}, narrow, ("joint_range",))
    free, kept = (planner().plan(request(rewards=each)) for each in (RewardSettings(), constrained))
    # Joints are predicted where they are told to be; those of a free plan leave the range.
    assert np.abs(free.trajectory[:, 1:, JOINT_POS] - go2.DEFAULT_JOINT_POS).max() > 0.1
    assert np.abs(kept.trajectory[:, 1:, JOINT_POS] - go2.DEFAULT_JOINT_POS).max() < 0.05 + 1e-6
    assert kept.reward_revision == 1


def test_rewards_choose_among_candidates():
    target = go2.DEFAULT_JOINT_POS + 0.1
    posture = RewardSettings(1, {"posture": 1000.0}, {"posture.target": target})
    config = DMpcConfig(candidates=256)
    distances = [
        np.square(planner(config).plan(request(rewards=each)).trajectory[:, 1:, JOINT_POS] - target).sum(axis=-1).mean()
        for each in (RewardSettings(), posture)
    ]
    assert distances[1] < distances[0] - 0.01


def test_what_cannot_be_followed_is_refused():
    made = planner()
    assert made.provides == frozenset(PREDICTED) and "step_frequency" in made.reward_terms
    with pytest.raises(RewardError, match="unknown constraint 'none'"):
        made.check(RewardSettings(1, {}, {}, ("none",)))
    with pytest.raises(RewardError, match="'foo'"):
        made.plan(request(rewards=RewardSettings(1, {"foo": 1.0})))


def test_scores_that_are_not_finite_are_no_plan():
    broken = planner(values=lambda features: np.full((len(features), 12), np.nan))
    with pytest.raises(PlanError, match="the scores for tick 5 are not finite"):
        broken.plan(request(5))


def test_plans_longer_than_the_models_look_are_refused():
    assert planner().at(Timing(ROWS, 2, 1)).timing.horizon == ROWS
    with pytest.raises(TimingError, match="looks 12 ticks ahead, which is less than the horizon H = 13"):
        planner().at(Timing(ROWS + 1, 1, 1))


def test_a_ladder_halves_the_candidates():
    levels = configs(replace(DMpcSettings(), candidates=50).config)
    assert [level.candidates for level in levels] == [50, 25, 12]
    assert [level.candidates for level in configs(replace(DMpcSettings(), candidates=4).config)] == [4]
