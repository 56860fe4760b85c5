"""The asynchronous loop executes what the action buffer says, and the scores are what they claim to be."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.types import Plan, RobotState, Timing
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController, WalkScores, run_closed_loop
from diffusion_mpc_ros.simulation.batch import BatchSimulation


class CountingPlanner:
    """Row i of the plan made at tick t holds the number 100 t + i on every joint."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.committed = {}

    def plan(self, request):
        self.committed[request.tick] = request.committed_actions
        rows = 100.0 * request.tick + np.arange(self.timing.horizon)
        shape = (self.timing.horizon, request.robots, 12)
        return Plan(request.tick, np.broadcast_to(rows[:, None, None], shape).copy())


def executed(timing: Timing, ticks: int, latency: int = 0) -> tuple[list[float], CountingPlanner]:
    planner = CountingPlanner(timing)
    controller = AsynchronousController(planner, latency_ticks=latency)
    targets = [controller.joint_targets(RobotState.standing(tick, 2), np.zeros((2, 3))) for tick in range(ticks)]
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


STANDING = go2.DEFAULT_JOINT_POS[0]


def test_without_a_margin_a_plan_is_executed_from_its_latency_on():
    # D = 0, R = 1. One tick: the plan from tick t is known at t + 1, where its row 1 is due.
    values, planner = executed(Timing(11, 0, 1), 5, latency=1)
    assert values == [STANDING, 1, 101, 201, 301]
    assert sorted(planner.committed) == [0, 1, 2, 3, 4]
    # Two ticks: the planner is free again at ticks 2, 4, 6 and takes the newest request; rows 2 and 3 are executed.
    values, planner = executed(Timing(11, 0, 1), 8, latency=2)
    assert values == [STANDING, STANDING, 2, 3, 202, 203, 402, 403]
    assert sorted(planner.committed) == [0, 2, 4, 6]


@pytest.mark.parametrize("latency", [1, 2, 3])
def test_the_replan_margin_hides_as_many_ticks(latency):
    values, planner = executed(Timing(11, 3, 8), 30, latency)
    without, same_planner = executed(Timing(11, 3, 8), 30)
    assert values == without
    np.testing.assert_array_equal(planner.committed[16], same_planner.committed[16])


def test_a_plan_that_comes_late_leaves_a_gap_in_which_the_robot_settles():
    # D = 3, R = 8, 4 ticks: plan 0 is known at tick 4 and has rows to tick 10, plan 8 is known at tick 12.
    values, _ = executed(Timing(11, 3, 8), 14, latency=4)
    assert values[:4] == [STANDING] * 4
    assert values[4:11] == list(range(4, 11))
    # settle_time 0.3 s: after 0.02 s the phase is 1/15, (3 - 2/15) (1/15)^2 = 0.0127407 of the way.
    assert values[11] == pytest.approx(10.0 + 0.0127407 * (STANDING - 10.0), abs=1e-5)
    assert values[12:] == [804, 805]


def test_a_request_that_waits_keeps_the_observation_of_its_own_tick():
    # D = 0, R = 8, 10 ticks: the request of tick 8 waits for plan 0 (known at 10) and is known at 20: too late for
    # any of its rows. The request of tick 16 has waited meanwhile.
    values, planner = executed(Timing(11, 0, 8), 22, latency=10)
    assert sorted(planner.committed) == [0, 8, 16]
    assert values[10] == 10
    assert all(value not in (808, 809, 810) for value in values)
    assert values[9] == STANDING and STANDING <= values[21] < values[11] < 10


# A plan every eleven ticks at most: three of them, and some ticks of the last.
TICKS = 26


@cache
def without_latency(timing: Timing) -> list[float]:
    return executed(timing, TICKS)[0]


@given(margin=st.integers(0, 10), data=st.data())
def test_a_latency_within_margin_and_interval_changes_nothing(margin, data):
    interval = data.draw(st.integers(1, 11 - margin))
    latency = data.draw(st.integers(0, min(margin, interval)))
    timing = Timing(11, margin, interval)
    assert executed(timing, TICKS, latency)[0] == without_latency(timing)


def test_a_plan_is_not_known_before_it_is_begun():
    with pytest.raises(TimingError, match="latency_ticks = -1"):
        AsynchronousController(CountingPlanner(Timing()), latency_ticks=-1)


def scores(planar_error: np.ndarray) -> WalkScores:
    zeros = np.where(np.isfinite(planar_error), 0.0, np.nan)
    fields = ("yaw_rate_error", "base_height", "torque", "power", "joint_vel_squared")
    return WalkScores(planar_error, velocity=np.zeros((*planar_error.shape, 3)), **dict.fromkeys(fields, zeros))


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
    def joint_targets(self, state, command):
        return np.tile(go2.DEFAULT_JOINT_POS, (len(command), 1))


class Toppling(Standing):
    """Folds the left legs of the second robot and stretches its right ones."""

    def joint_targets(self, state, command):
        targets = super().joint_targets(state, command)
        if state.tick > 20:
            targets[1] = [1.0, 0.0, -0.84, 1.0, 2.5, -2.7, 1.0, 0.0, -0.84, 1.0, 2.5, -2.7]
        return targets


def test_a_standing_robot_tracks_standing():
    simulation = BatchSimulation(2, seed=0, threads=1)
    result = run_closed_loop(Standing(), simulation, np.zeros((2, 3)), 120)
    assert result.survived().all()
    assert result.summary(np.ones(2, bool))["velocity_error"] < 0.02
    assert result.summary(np.ones(2, bool))["base_height"] == pytest.approx(0.30, abs=0.03)


def test_commands_may_change_from_tick_to_tick():
    class Watching(Standing):
        def joint_targets(self, state, command):
            seen.append(command.copy())
            return super().joint_targets(state, command)

    seen = []
    commands = np.zeros((4, 1, 3))
    commands[2:] = [0.5, 0.0, 1.0]
    result = run_closed_loop(Watching(), BatchSimulation(2, seed=0, threads=1), commands, 4)
    np.testing.assert_array_equal(seen, np.repeat(commands, 2, axis=1))
    assert result.velocity.shape == (4, 2, 3)
    planar = np.linalg.norm(result.velocity[..., :2] - commands[..., :2], axis=-1)
    np.testing.assert_allclose(result.planar_error, planar)
    np.testing.assert_allclose(result.yaw_rate_error, np.abs(result.velocity[..., 2] - commands[..., 2]))


def test_a_toppled_robot_is_counted_from_its_fall_on():
    simulation = BatchSimulation(2, seed=0, threads=1)
    result = run_closed_loop(Toppling(), simulation, np.zeros((2, 3)), 150)
    np.testing.assert_array_equal(result.survived(), [True, False])
    fall = np.isnan(result.planar_error[:, 1]).argmax()
    assert fall > 20
    assert np.isnan(result.base_height[fall:, 1]).all() and np.isfinite(result.base_height[:fall, 1]).all()
