"""The planner thread: latest request only, failures reported, bounded close."""

import queue
import threading

import numpy as np
import pytest

from diffusion_mpc_ros.core.types import Plan, PlanRequest, RewardSettings, RobotState
from diffusion_mpc_ros.realtime.asynchronous_planner import AsynchronousPlanner
from diffusion_mpc_ros.realtime.latency import LatencyStatistics

BOUND = 5.0


def make_request(tick):
    return PlanRequest(RobotState.standing(tick), np.zeros((1, 3)), RewardSettings())


class GatedPlanner:
    """Says when a plan begins, then waits for the test's permission; fails on the ticks in ``failing``."""

    def __init__(self, failing=()):
        self.begun, self.gate, self.failing = queue.Queue(), threading.Semaphore(0), set(failing)

    def plan(self, request):
        self.begun.put(request.tick)
        assert self.gate.acquire(timeout=BOUND)
        if request.tick in self.failing:
            raise ValueError(f"tick {request.tick}")
        return Plan(request.tick, np.zeros((11, 12)))


@pytest.fixture
def setup():
    made = []

    def make(planner, on_plan=None, **options):
        plans, failures = queue.Queue(), queue.Queue()
        worker = AsynchronousPlanner(
            planner, on_plan or plans.put, failures.put, LatencyStatistics(limit=0.06), **options
        )
        made.append((worker, planner))
        return worker, plans, failures

    yield make
    for worker, planner in made:
        planner.gate.release(100)
        assert worker.close(BOUND)


def test_latest_request_only(setup):
    planner = GatedPlanner()
    worker, plans, _ = setup(planner)
    worker.request(make_request(1))
    assert planner.begun.get(timeout=BOUND) == 1
    for tick in (2, 3, 4):  # never blocks while a plan is computed
        worker.request(make_request(tick))
    assert worker.busy
    planner.gate.release(2)
    assert [plans.get(timeout=BOUND).start_tick for _ in range(2)] == [1, 4]
    assert planner.begun.get(timeout=BOUND) == 4 and planner.begun.empty()


def test_failures_are_reported_retried_and_survived(setup):
    planner = GatedPlanner(failing={1})
    worker, plans, failures = setup(planner, retries=2)
    planner.gate.release(100)
    worker.request(make_request(1))
    reports = [failures.get(timeout=BOUND) for _ in range(3)]  # one try and two retries
    assert [report.consecutive for report in reports] == [1, 2, 3]
    assert all(isinstance(report.error, ValueError) and report.request.tick == 1 for report in reports)
    worker.request(make_request(2))
    assert plans.get(timeout=BOUND).start_tick == 2
    assert failures.empty()


def test_a_failed_request_gives_way_to_a_newer_one(setup):
    planner = GatedPlanner(failing={1})
    worker, plans, failures = setup(planner, retries=10)
    worker.request(make_request(1))
    assert planner.begun.get(timeout=BOUND) == 1
    worker.request(make_request(2))
    planner.gate.release(2)
    assert plans.get(timeout=BOUND).start_tick == 2
    assert failures.get(timeout=BOUND).consecutive == 1 and failures.empty()


def test_a_failing_callback_is_reported_too(setup):
    planner, seen = GatedPlanner(), queue.Queue()

    def on_plan(plan):
        if plan.start_tick == 1:
            raise RuntimeError("publisher")
        seen.put(plan.start_tick)

    worker, _, failures = setup(planner, on_plan, retries=0)
    planner.gate.release(100)
    worker.request(make_request(1))
    assert str(failures.get(timeout=BOUND).error) == "publisher"
    worker.request(make_request(2))
    assert seen.get(timeout=BOUND) == 2


def test_discard_drops_what_is_in_flight(setup):
    planner = GatedPlanner()
    worker, plans, _ = setup(planner)
    worker.request(make_request(1))
    assert planner.begun.get(timeout=BOUND) == 1
    worker.request(make_request(2))
    worker.discard()
    worker.request(make_request(3))
    planner.gate.release(2)
    assert plans.get(timeout=BOUND).start_tick == 3
    assert plans.empty()


class GatedDelivery:
    """Says when a plan is handed over, then waits for the test's permission; ``done``: those that were handed over."""

    def __init__(self):
        self.begun, self.gate, self.done = queue.Queue(), threading.Semaphore(0), []

    def __call__(self, plan):
        self.begun.put(plan.start_tick)
        assert self.gate.acquire(timeout=BOUND)
        self.done.append(plan.start_tick)


def test_after_discard_no_plan_of_before_is_delivered(setup):
    planner, delivery, returned = GatedPlanner(), GatedDelivery(), queue.Queue()
    worker, _, failures = setup(planner, delivery)
    planner.gate.release(100)
    worker.request(make_request(1))
    assert delivery.begun.get(timeout=BOUND) == 1  # the plan was not discarded when it was looked at
    discarding = threading.Thread(target=lambda: returned.put((worker.discard(BOUND), list(delivery.done))))
    discarding.start()
    with pytest.raises(queue.Empty):
        returned.get(timeout=0.05)
    delivery.gate.release(100)
    assert returned.get(timeout=BOUND) == (True, [1])
    discarding.join()
    assert failures.empty()


def test_discard_does_not_wait_for_ever_nor_for_itself(setup):
    planner, delivery, answers = GatedPlanner(), GatedDelivery(), queue.Queue()
    worker, _, _ = setup(planner, lambda plan: answers.put((delivery(plan), worker.discard(BOUND))))
    planner.gate.release(100)
    worker.request(make_request(1))
    assert delivery.begun.get(timeout=BOUND) == 1
    assert not worker.discard(timeout=0.01)  # as when on_plan waits for a lock of whoever discards
    delivery.gate.release(100)
    assert answers.get(timeout=BOUND) == (None, True)
    worker.request(make_request(2))
    assert delivery.begun.get(timeout=BOUND) == 2


def test_close_is_bounded_and_nothing_is_published_after_it():
    planner, plans = GatedPlanner(), queue.Queue()
    worker = AsynchronousPlanner(planner, plans.put, plans.put, LatencyStatistics(limit=0.06))
    worker.request(make_request(1))
    assert planner.begun.get(timeout=BOUND) == 1
    assert not worker.close(timeout=0.01)  # the planner hangs
    planner.gate.release()
    assert worker.close(timeout=BOUND)
    assert plans.empty()


def test_latency_statistics():
    statistics = LatencyStatistics(limit=0.06, window=4)
    assert np.isnan(statistics.summary().p50)
    for duration in (9.0, 0.01, 0.02, 0.03, 0.07):
        statistics.add(duration)
    # The window holds .01 .02 .03 .07: median .025; p99 = .03 + .97 * .04 = .0688; two of five are over .06.
    summary = statistics.summary()
    assert (summary.count, summary.misses) == (5, 2)
    assert (summary.p50, summary.p99, summary.max) == pytest.approx((0.025, 0.0688, 0.07))
