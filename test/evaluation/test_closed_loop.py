"""The asynchronous loop executes what the action buffer says, and the scores are what they claim to be."""

import numpy as np
import pytest

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.trajectory import OBSERVATION_DIM
from diffusion_mpc_ros.core.types import Plan, Timing
from diffusion_mpc_ros.evaluation.closed_loop import AsynchronousController, WalkScores, run_closed_loop
from diffusion_mpc_ros.simulation.batch import BatchSimulation


class CountingPlanner:
    """Row i of the plan made at tick t holds the number 100 t + i on every joint."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.committed = {}

    def plan_batch(self, tick, observation, committed_actions, settings, mode="walking"):
        self.committed[tick] = committed_actions
        rows = 100.0 * tick + np.arange(self.timing.horizon)
        return Plan(tick, np.broadcast_to(rows[:, None, None], (self.timing.horizon, len(observation), 12)).copy())


def executed(timing: Timing, ticks: int) -> tuple[list[float], CountingPlanner]:
    planner = CountingPlanner(timing)
    controller = AsynchronousController(planner)
    observation = np.zeros((2, OBSERVATION_DIM))
    targets = [controller.joint_targets(tick, observation) for tick in range(ticks)]
    assert all(target.shape == (2, 12) for target in targets)
    return [float(target[0, 0]) for target in targets], planner


def test_the_papers_timetable_by_hand():
    # H = 11, D = 3, R = 8: plans at ticks 0, 8, 16; plan 0 serves ticks 3..10 with rows 3..10, plan 8 ticks 11..18.
    values, planner = executed(Timing(11, 3, 8), 19)
    standing = [go2.DEFAULT_JOINT_POS[0]] * 3
    assert values == [*standing, *range(3, 11), *(800 + row for row in range(3, 11))]
    assert sorted(planner.committed) == [0, 8, 16]
    assert planner.committed[0] is None
    np.testing.assert_array_equal(planner.committed[8][:, 0, 0], [8, 9, 10])


def test_replanning_every_tick_without_delay_executes_row_zero():
    values, planner = executed(Timing(11, 0, 1), 5)
    assert values == [0, 100, 200, 300, 400]
    assert all(committed is None for committed in planner.committed.values())


def scores(planar_error: np.ndarray) -> WalkScores:
    zeros = np.where(np.isfinite(planar_error), 0.0, np.nan)
    fields = ("yaw_rate_error", "base_height", "torque", "power", "joint_vel_squared")
    return WalkScores(np.zeros((planar_error.shape[1], 3)), planar_error, **dict.fromkeys(fields, zeros))


def test_scores_by_hand():
    error = np.full((200, 2), 0.1)
    error[:100] = 9.0  # settling does not count
    error[150:, 1] = np.nan  # the second robot falls at tick 150
    summary = scores(error).summary(np.array([True, True]))
    assert summary["survival"] == 0.5 and summary["robots"] == 2
    assert summary["velocity_error"] == pytest.approx(0.1)
    # exp(-0.1^2 / 0.25) = exp(-0.04) = 0.96079
    assert summary["tracking_score"] == pytest.approx(0.96079, abs=1e-5)


class Standing:
    def joint_targets(self, tick, observation):
        return np.tile(go2.DEFAULT_JOINT_POS, (len(observation), 1))


class Toppling(Standing):
    """Folds the left legs of the second robot and stretches its right ones."""

    def joint_targets(self, tick, observation):
        targets = super().joint_targets(tick, observation)
        if tick > 20:
            targets[1] = [1.0, 0.0, -0.84, 1.0, 2.5, -2.7, 1.0, 0.0, -0.84, 1.0, 2.5, -2.7]
        return targets


def test_a_standing_robot_tracks_standing():
    simulation = BatchSimulation(2, seed=0, threads=1)
    result = run_closed_loop(Standing(), simulation, np.zeros((2, 3)), 120)
    assert result.survived().all()
    assert result.summary(np.ones(2, bool))["velocity_error"] < 0.02
    assert result.summary(np.ones(2, bool))["base_height"] == pytest.approx(0.30, abs=0.03)


def test_a_toppled_robot_is_counted_from_its_fall_on():
    simulation = BatchSimulation(2, seed=0, threads=1)
    result = run_closed_loop(Toppling(), simulation, np.zeros((2, 3)), 150)
    np.testing.assert_array_equal(result.survived(), [True, False])
    fall = np.isnan(result.planar_error[:, 1]).argmax()
    assert fall > 20
    assert np.isnan(result.base_height[fall:, 1]).all() and np.isfinite(result.base_height[:fall, 1]).all()
