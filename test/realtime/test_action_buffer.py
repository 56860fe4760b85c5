"""The action buffer against hand-worked timetables and under late, lost, duplicated and reordered plans."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.types import Plan, Timing
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer
from diffusion_mpc_ros.realtime.replan import ReplanSchedule

H, D = 11, 3


def make_plan(start, horizon=H, batch=()):
    """Row i of the plan for tick s holds the number 100 s + i in every entry."""
    rows = 100.0 * start + np.arange(horizon)
    return Plan(start, np.broadcast_to(rows.reshape(-1, *[1] * len(batch), 1), (horizon, *batch, 12)).copy())


def make_buffer(timing, tick=0):
    """A buffer that knows the present tick."""
    buffer = ActionBuffer(timing)
    buffer.advance(tick)
    return buffer


def executed(buffer, ticks):
    rows = [buffer.row(tick) for tick in ticks]
    return [None if row is None else (row.plan.start_tick, row.index) for row in rows]


def run_timetable(timing, ticks, delay):
    """Plan when due; a plan started at tick t is known ``delay`` ticks later. Returns (start, index) per tick."""
    buffer, schedule, in_flight, table = make_buffer(timing), ReplanSchedule(timing), [], []
    for tick in range(ticks):
        buffer.advance(tick)
        if schedule.due(tick):
            schedule.start(tick)
            in_flight.append((tick + delay, make_plan(tick)))
        for arrival, plan in in_flight:
            if arrival == tick:
                buffer.add(plan)
        table += executed(buffer, [tick])
    return table


def test_the_papers_timetable():
    # H = 11, D = 3, R = H - D = 8: plans start at 0, 8, 16; each is executed from row 3 to row 10.
    table = run_timetable(Timing(11, 3, 8), 27, delay=3)
    assert table[:3] == [None] * 3  # rows 0..2 of the first plan pass while it is computed
    assert table[3:11] == [(0, index) for index in range(3, 11)]  # ticks 3..10
    assert table[11:19] == [(8, index) for index in range(3, 11)]  # ticks 11..18 = 8+3 .. 8+10
    assert table[19:27] == [(16, index) for index in range(3, 11)]


def test_replanning_every_second_tick():
    # R = 2 < D = 3: the plan of tick s serves ticks s+3 and s+4, then that of s+2 has its row 3 at s+5.
    table = run_timetable(Timing(11, 3, 2), 10, delay=3)
    assert table[3:] == [(0, 3), (0, 4), (2, 3), (2, 4), (4, 3), (4, 4), (6, 3)]


@pytest.mark.parametrize("interval", range(1, 9))
@pytest.mark.parametrize("delay", range(4))
def test_every_interval_leaves_no_gap_and_uses_rows_d_to_d_plus_r(interval, delay):
    table = run_timetable(Timing(11, 3, interval), 60, delay)
    assert None not in table[3:]
    assert {index for _, index in table[3:]} == set(range(3, 3 + interval))


def test_without_a_new_plan_the_old_one_runs_out():
    buffer = make_buffer(Timing(11, 3, 8))
    buffer.add(make_plan(5))
    # Rows 3..10 are those of ticks 8..15.
    assert executed(buffer, [7, 8, 15, 16]) == [None, (5, 3), (5, 10), None]


def test_a_late_plan_is_taken_up_at_its_own_row():
    buffer = make_buffer(Timing(11, 3, 8))
    buffer.add(make_plan(0))
    assert executed(buffer, [10, 11, 12]) == [(0, 10), None, None]
    buffer.add(make_plan(8))  # due at tick 11, arrives for tick 13: row 13 - 8 = 5
    assert executed(buffer, [13]) == [(8, 5)]


def test_committed_is_what_will_be_executed():
    buffer = make_buffer(Timing(11, 3, 2))
    buffer.add(make_plan(0))
    buffer.add(make_plan(2))
    # Tick 4 is row 4 of plan 0; ticks 5 and 6 are rows 3 and 4 of plan 2.
    assert buffer.committed(4)[:, 0].tolist() == [4.0, 203.0, 204.0]
    # Ticks 11, 12 are rows 9, 10 of plan 2, tick 13 has none: nothing is committed.
    assert buffer.committed(11) is None
    assert ActionBuffer(Timing(11, 0, 11)).committed(4) is None


def test_batched_plans_keep_their_shape():
    buffer = make_buffer(Timing(11, 3, 8))
    buffer.add(make_plan(0, batch=(5,)))
    assert buffer.row(3).joint_targets.shape == (5, 12)
    assert buffer.committed(3).shape == (3, 5, 12)


def test_refused_plans():
    buffer = make_buffer(Timing(11, 3, 8))
    assert buffer.add(make_plan(0))
    assert not buffer.add(make_plan(0))  # duplicate
    with pytest.raises(PlanError, match="10 rows, H = 11"):
        buffer.add(make_plan(1, horizon=10))
    with pytest.raises(PlanError, match="clear"):
        buffer.add(make_plan(1, batch=(2,)))
    buffer.row(50)
    assert not buffer.add(make_plan(39))  # its last row was tick 39 + 10 = 49
    assert buffer.add(make_plan(40))
    assert not buffer.add(make_plan(62))  # more than H ticks ahead
    buffer.clear()
    assert len(buffer) == 0
    buffer.advance(0)
    assert buffer.add(make_plan(1, batch=(2,)))  # after a restart numbers may be small again
    assert buffer.row(4).index == 3


def test_no_plan_is_taken_before_the_present_tick_is_known():
    # The robot's clock is at 1000 and begins anew: the plan of 1000 is on its way while nobody has asked for a tick.
    buffer = make_buffer(Timing(11, 3, 8), 1000)
    buffer.clear()
    assert not buffer.add(make_plan(1000))
    buffer.row(0)
    assert not buffer.add(make_plan(1000))
    assert buffer.add(make_plan(0))
    assert executed(buffer, [3, 1003]) == [(0, 3), None]
    assert not ActionBuffer(Timing(11, 3, 8)).add(make_plan(0))


def test_what_is_committed_at_an_old_tick_does_not_move_the_present_one():
    buffer = make_buffer(Timing(11, 3, 8), 1000)
    buffer.clear()
    buffer.advance(0)
    assert buffer.committed(1000) is None  # the planner began with a request of the clock of before
    assert buffer.add(make_plan(0))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), old=st.integers(0, 2000), new=st.integers(0, 2000), cleared=st.booleans())
def test_a_plan_of_another_clock_is_never_executed(data, old, new, cleared):
    """The clock jumps by more than 4 H from ``old`` to ``new``; plans of the old one arrive before, while and after."""
    assume(abs(new - old) > 4 * H)
    foreign = data.draw(st.lists(st.integers(max(old - H, 0), old), max_size=6))
    buffer = make_buffer(Timing(H, D, 2), old)
    arrivals = [data.draw(st.sampled_from(["before", "while", "after"])) for _ in foreign]

    def arrive(when):
        for start, arrival in zip(foreign, arrivals):
            if arrival == when:
                buffer.add(make_plan(start))

    arrive("before")
    if cleared:
        buffer.clear()
    arrive("while")
    for tick in range(new, new + 2 * H):
        assert buffer.row(tick) is None
        arrive("after")


# Each plan is started at a tick and arrives after a delay; None is a lost plan, two delays a duplicate.
PLANS = st.lists(
    st.tuples(st.integers(0, 60), st.lists(st.integers(0, 20), max_size=2)), max_size=60, unique_by=lambda plan: plan[0]
)


@settings(max_examples=200, deadline=None)
@given(plans=PLANS, interval=st.integers(1, 8), margin=st.integers(0, 3))
def test_under_late_lost_duplicated_and_reordered_plans(plans, interval, margin):
    timing = Timing(H, margin, interval)
    buffer = make_buffer(timing)
    arrivals = sorted((start + delay, start) for start, delays in plans for delay in delays)
    known = set()
    for tick in range(85):
        buffer.advance(tick)
        for start in [start for arrival, start in arrivals if arrival == tick]:
            buffer.add(make_plan(start))
            known.add(start)
        eligible = [start for start in known if margin <= tick - start < H]
        predicted = buffer.committed(tick)
        row = buffer.row(tick)
        assert len(buffer) <= 2 * H
        if not eligible:
            assert row is None and (predicted is None)
            continue
        assert row.plan.start_tick == max(eligible) <= tick
        assert row.index == tick - row.plan.start_tick >= margin
        assert np.isfinite(row.joint_targets).all()
        assert (row.joint_targets == 100.0 * row.plan.start_tick + row.index).all()
        if predicted is not None:
            assert (predicted[0] == row.joint_targets).all()


@settings(max_examples=100, deadline=None)
@given(starts=st.lists(st.integers(0, 10**9), max_size=200), asked=st.none() | st.integers(0, 10**9))
def test_memory_is_bounded_whatever_arrives(starts, asked):
    buffer = ActionBuffer(Timing())
    if asked is not None:
        buffer.row(asked)
    for start in starts:
        buffer.add(make_plan(start))
        assert len(buffer) <= 2 * H


@given(st.integers(1, 8), st.integers(0, 1000))
def test_replan_schedule(interval, start):
    schedule = ReplanSchedule(Timing(H, D, interval))
    assert schedule.due(start)
    schedule.start(start)
    assert [schedule.due(start + n) for n in range(1, interval + 2)] == [False] * (interval - 1) + [True, True]
    assert schedule.due(start - 1)  # the clock went backwards
    schedule.reset()
    assert schedule.due(start)


def test_each_plan_is_executed_from_the_margin_that_it_says():
    buffer = make_buffer(Timing(11, 3, 2))
    late = dataclasses.replace(make_plan(0), replan_margin=3)
    at_once = dataclasses.replace(make_plan(4), replan_margin=1)
    for plan in (late, at_once):
        assert buffer.add(plan)
    starts = [row and row.plan.start_tick for row in (buffer.row(tick) for tick in range(7))]
    assert starts == [None, None, None, 0, 0, 4, 4]
    # What is committed is as long as the plan to be made asks for.
    assert len(buffer.committed(5, 1)) == 1 and buffer.committed(5, 0) is None
