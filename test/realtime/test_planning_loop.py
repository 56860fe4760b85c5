"""When a plan is made, from what, and what of the last one is committed."""

from __future__ import annotations

import queue
import threading

import numpy as np
import pytest

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.types import Plan, RewardSettings, RobotState, Timing
from diffusion_mpc_ros.realtime.planning_loop import PlanningLoop

TIMING = Timing(horizon=11, replan_margin=3, replan_interval=2)
WAIT = 10.0


class FakePlanner:
    """Plans the joint target 0.01 * tick for every row and keeps the requests."""

    timing = TIMING

    def __init__(self) -> None:
        self.requests: list = []

    def plan(self, request):
        self.requests.append(request)
        ticks = request.tick + np.arange(TIMING.horizon)
        return Plan(request.tick, np.repeat(0.01 * ticks[:, None, None], 12, axis=2))


def state(tick: int, previous_action: np.ndarray) -> RobotState:
    return RobotState(
        tick=tick,
        base_ang_vel=np.array([0.1, 0.2, 0.3]),
        base_quat_wxyz=np.array([1.0, 0.0, 0.0, 0.0]),
        joint_pos=DEFAULT_JOINT_POS,
        joint_vel=np.zeros(12),
        joint_torque=np.zeros(12),
        previous_action=previous_action,
        foot_contact=np.ones(4, dtype=bool),
        base_lin_vel=np.zeros(3),
        base_height=0.3,
    )


@pytest.fixture
def loop():
    planner, plans = FakePlanner(), queue.Queue()
    loop = PlanningLoop(planner, plans.put, lambda failure: plans.put(failure.error))
    loop.planner, loop.plans = planner, plans
    yield loop
    loop.close()


def plan_at(loop, tick: int, followed: bool = True):
    """Hand in the state of ``tick``; the request that was planned, or None when none was due."""
    before = len(loop.planner.requests)
    loop.update(state(tick, np.full(12, 0.4)), np.array([0.5, 0.0, 0.2]), RewardSettings(revision=7), followed)
    if tick % TIMING.replan_interval:
        return None
    plan = loop.plans.get(timeout=WAIT)
    assert isinstance(plan, Plan), plan
    assert len(loop.planner.requests) == before + 1
    return loop.planner.requests[-1]


def test_a_request_is_a_batch_of_one_robot_with_its_whole_state(loop):
    request = plan_at(loop, 0)
    assert (request.tick, request.robots, request.rewards.revision) == (0, 1, 7)
    assert request.command.tolist() == [[0.5, 0.0, 0.2]]
    assert request.state.base_ang_vel.tolist() == [[0.1, 0.2, 0.3]]
    assert request.state.base_height.tolist() == [0.3]
    assert request.state.previous_action.tolist() == [[0.4] * 12]


def test_plans_start_every_replan_interval_and_commit_what_will_be_executed(loop):
    for tick in range(9):
        request = plan_at(loop, tick)
        if tick % 2:
            assert request is None
        elif tick >= 4:
            # The targets of ticks t, t + 1, t + 2 are 0.01 times the tick, whichever plan they come from.
            assert request.committed_actions[:, 0, 0] == pytest.approx(0.01 * (tick + np.arange(3)))
        else:
            # No plan has had its row D = 3 executed yet.
            assert request.committed_actions is None


def test_nothing_is_committed_while_somebody_else_moves_the_joints(loop):
    for tick in range(9):
        request = plan_at(loop, tick, followed=False)
    assert request.committed_actions is None


def test_a_restarted_clock_forgets_the_plans(loop):
    for tick in range(100, 109):
        plan_at(loop, tick)
    assert plan_at(loop, 0).committed_actions is None


def test_a_request_keeps_whether_the_robot_followed_the_plans_then(loop):
    begun, gate, plan = queue.Queue(), threading.Semaphore(3), loop.plan

    def plan_when_allowed(request):
        begun.put(request.tick)
        assert gate.acquire(timeout=WAIT)
        return plan(request)

    loop.plan = plan_when_allowed
    for tick in (0, 2, 4):
        plan_at(loop, tick)
        assert begun.get(timeout=WAIT) == tick
    loop.update(state(6, np.zeros(12)), np.zeros(3), RewardSettings(), False)  # somebody else moves the joints
    assert begun.get(timeout=WAIT) == 6
    loop.update(state(8, np.zeros(12)), np.zeros(3), RewardSettings(), True)  # on the plans again
    gate.release(2)
    assert [loop.plans.get(timeout=WAIT).start_tick for _ in range(2)] == [6, 8]
    of_six, of_eight = loop.planner.requests[-2:]
    assert of_six.committed_actions is None
    assert of_eight.committed_actions is not None


def test_only_what_was_published_is_committed_to():
    planner, plans, published = FakePlanner(), queue.Queue(), []

    def publish(plan):
        if plan.start_tick == 2:
            raise RuntimeError("no publisher")
        published.append(plan.start_tick)
        plans.put(plan)

    loop = PlanningLoop(planner, publish, lambda failure: plans.put(failure))
    try:
        for tick in (0, 2, 4, 6):
            loop.update(state(tick, np.zeros(12)), np.zeros(3), RewardSettings(), True)
            attempts = 2 if tick == 2 else 1  # a request is tried once more
            taken = [plans.get(timeout=WAIT) for _ in range(attempts)]
            assert all(isinstance(each, Plan) is (tick != 2) for each in taken)
    finally:
        loop.close()
    assert published == [0, 4, 6]
    assert [plan.start_tick for plan in loop._session._buffer._plans] == [6, 4, 0]


def test_what_cannot_be_shown_was_published_all_the_same():
    planner, plans = FakePlanner(), queue.Queue()

    def show(plan):
        raise RuntimeError("no display")

    loop = PlanningLoop(planner, lambda plan: None, lambda failure: plans.put(str(failure.error)), show)
    try:
        loop.update(state(0, np.zeros(12)), np.zeros(3), RewardSettings(), True)
        assert [plans.get(timeout=WAIT) for _ in range(2)] == ["no display"] * 2
    finally:
        loop.close()
    assert loop._session.row(3).plan.start_tick == 0
