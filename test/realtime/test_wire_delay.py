"""LowStates, plans and LowCmds are matched as they happened; stamps made by hand, milliseconds after the first tick."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core.types import Plan, Timing
from diffusion_mpc_ros.realtime import wire_delay
from diffusion_mpc_ros.realtime.action_buffer import ActionBuffer
from diffusion_mpc_ros.realtime.wire_delay import NO_PLAN, NodeRecord, ReportedCommand, WireRecord

MS = 10**6
TICK = 20  # [ms]
# A LowState leaves as its tick begins, the step begins 1 ms later, its LowCmd is sent 0.4 ms, heard 0.5 ms and reported
# 0.6 ms after that: 1.5 ms from LowState to LowCmd.
STEP, SENT, HEARD, REPORTED = 1.0, 1.4, 1.5, 1.6
REACTION = 1.5
END = 10**15


def walk(timing: Timing, ticks: int, plan_times: dict[int, float] | None = None, usual: float = 10.0):
    """What wire and nodes would tell of ``ticks`` ticks; a plan takes ``usual`` [ms] or what ``plan_times`` says."""
    plan_times = plan_times or {}
    starts = range(0, ticks, timing.replan_interval)
    arrivals = sorted((TICK * tick + plan_times.get(tick, usual), tick) for tick in starts)
    buffer = ActionBuffer(timing)
    nodes = NodeRecord(states={tick: TICK * tick for tick in range(ticks)})
    for tick in range(ticks):
        while arrivals and arrivals[0][0] <= TICK * tick + STEP:
            start = arrivals.pop(0)[1]
            buffer.add(Plan(start, np.zeros((timing.horizon, 12))))
            nodes.plans.append(start)
        row = buffer.row(tick)
        origin = (row.plan.start_tick, row.index) if row else (NO_PLAN, NO_PLAN)
        stamp = int((TICK * tick + REPORTED) * MS)
        nodes.commands.append(ReportedCommand(stamp, tick, TICK * tick, *origin, np.full(12, 0.1 * tick)))
    lowstates = np.arange(0, TICK * ticks, 2)
    lowcmds = TICK * np.arange(ticks)
    wire = WireRecord(
        lowstate_tick_ms=lowstates,
        lowstate_sent=lowstates * MS,
        lowstate_received=lowstates * MS + MS // 10,
        lowcmd_sent=((lowcmds + SENT) * MS).astype(np.int64),
        lowcmd_received=((lowcmds + HEARD) * MS).astype(np.int64),
        lowcmd_joint_pos=np.repeat(np.float32(0.1 * np.arange(ticks))[:, None], 12, axis=1),
    )
    return wire, nodes


def without(wire: WireRecord, lowstates=(), lowcmds=()) -> WireRecord:
    """``wire`` without the LowStates of these clocks [ms] and the LowCmds of these indices."""
    states = ~np.isin(wire.lowstate_tick_ms, list(lowstates))
    commands = ~np.isin(np.arange(len(wire.lowcmd_sent)), list(lowcmds))
    arrays = {name: getattr(wire, name) for name in WireRecord.__dataclass_fields__}
    kept = {name: values[states if name.startswith("lowstate") else commands] for name, values in arrays.items()}
    return WireRecord(**kept)


def measure(wire, nodes, timing, start: int = 0, end: int = END):
    return wire_delay.measure(wire, nodes, timing, start, end)


def milliseconds(durations: np.ndarray) -> list[float]:
    return np.round(durations * 1e3, 6).tolist()


@pytest.mark.parametrize("margin", [1, 2, 3])
def test_a_plan_in_time_waits_its_margin_and_the_reaction(margin):
    timing = Timing(horizon=6, replan_margin=margin, replan_interval=1)
    delays = measure(*walk(timing, 20), timing)
    # Plans of the ticks 0 .. 13 have their whole horizon within the 20 ticks.
    assert milliseconds(delays.planned) == [TICK * margin + REACTION] * 14
    assert milliseconds(wire_delay.beyond_buffer(delays, timing)) == [REACTION] * 14
    assert milliseconds(delays.reflex) == [REACTION] * 20
    assert milliseconds(delays.intervals) == [TICK] * 19
    assert (delays.plans_due, delays.plans, delays.missed, delays.unexecuted) == (14, 14, 0, 0)
    assert (delays.commands, delays.unmatched_commands, delays.unmatched_plans) == (20, 0, 0)


def test_without_a_margin_no_plan_is_in_time_for_its_own_tick():
    timing = Timing(horizon=6, replan_margin=0, replan_interval=1)
    delays = measure(*walk(timing, 20), timing)
    # Row 0 is due 1 ms after the tick began, the plan is there after 10 ms: row 1 is the first.
    assert milliseconds(wire_delay.beyond_buffer(delays, timing)) == [TICK + REACTION] * 14
    assert (delays.missed, delays.unexecuted) == (14, 0)


def test_a_late_plan_is_executed_from_a_later_row():
    timing = Timing(horizon=6, replan_margin=1, replan_interval=2)
    # Row 1 of the plan for tick 4 is due at 101 ms; it comes at 105 ms, and row 2 follows at 121.5 ms.
    delays = measure(*walk(timing, 20, {4: 25.0}), timing)
    assert milliseconds(wire_delay.beyond_buffer(delays, timing)) == [REACTION] * 2 + [21.5] + [REACTION] * 4
    assert (delays.plans_due, delays.plans, delays.missed, delays.unexecuted) == (7, 7, 1, 0)


def test_of_two_plans_in_a_tick_the_older_one_is_never_executed():
    timing = Timing(horizon=6, replan_margin=1, replan_interval=1)
    # The plans for ticks 4 and 5 come at 105 and 110 ms, both before the step of tick 6, which takes the newer one.
    delays = measure(*walk(timing, 20, {4: 25.0}), timing)
    assert milliseconds(wire_delay.beyond_buffer(delays, timing)) == [REACTION] * 13
    assert (delays.plans, delays.missed, delays.unexecuted, delays.unmatched_plans) == (14, 1, 1, 0)


def test_a_plan_that_was_never_made_is_due_all_the_same():
    timing = Timing(horizon=6, replan_margin=3, replan_interval=2)
    delays = measure(*walk(timing, 20, {4: 1e9}), timing)
    assert (delays.plans_due, delays.plans, delays.missed) == (7, 6, 0)


def test_a_lowstate_that_was_not_on_the_wire_leaves_its_plan_and_command_unmatched():
    timing = Timing(horizon=6, replan_margin=3, replan_interval=1)
    wire, nodes = walk(timing, 20)
    delays = measure(without(wire, lowstates=[80]), nodes, timing)
    assert milliseconds(delays.planned) == [61.5] * 13 and delays.unmatched_plans == 1
    assert milliseconds(delays.reflex) == [REACTION] * 19 and delays.unmatched_commands == 1


def test_a_plan_counts_from_the_lowstate_that_its_state_was_made_from():
    timing = Timing(horizon=6, replan_margin=3, replan_interval=1)
    wire, nodes = walk(timing, 20)
    nodes.states[4] = 82  # the estimator did not get the first one of tick 4
    del nodes.states[5]  # and nobody was told of tick 5
    delays = measure(wire, nodes, timing)
    assert milliseconds(delays.planned) == [61.5] * 4 + [59.5] + [61.5] * 8 and delays.unmatched_plans == 1


def test_of_a_lowstate_heard_twice_the_first_counts():
    timing = Timing(horizon=6, replan_margin=3, replan_interval=1)
    wire, nodes = walk(timing, 20)
    twice = {name: np.repeat(getattr(wire, name), 2) for name in ("lowstate_tick_ms", "lowstate_received")}
    later = np.stack([wire.lowstate_sent, wire.lowstate_sent + MS], axis=1).ravel()
    delays = measure(replace(wire, **twice, lowstate_sent=later), nodes, timing)
    assert milliseconds(delays.planned) == [61.5] * 14


def test_a_lost_lowcmd_is_not_replaced_by_the_next_one_of_the_plan():
    timing = Timing(horizon=8, replan_margin=1, replan_interval=2)
    wire, nodes = walk(timing, 20)
    # Tick 5 executes row 1 of the plan for tick 4, tick 6 its row 2.
    delays = measure(without(wire, lowcmds=[5]), nodes, timing)
    assert milliseconds(delays.planned) == [21.5] * 5 and (delays.plans, delays.unmatched_plans) == (6, 1)
    assert (len(delays.reflex), delays.unmatched_commands) == (19, 1)
    # One gap of two ticks.
    assert Counter(milliseconds(delays.intervals)) == {20.0: 17, 40.0: 1}


def test_standing_commands_are_told_apart_by_their_time():
    timing = Timing(horizon=6, replan_margin=3, replan_interval=1)
    wire, nodes = walk(timing, 20)
    wire = replace(wire, lowcmd_joint_pos=np.full((20, 12), 0.7, dtype=np.float32))
    commands = [replace(command, joint_pos=np.full(12, 0.7)) for command in nodes.commands]
    assert wire_delay.match_commands(wire, commands).tolist() == list(range(20))


def test_no_lowcmd_serves_twice():
    wire, nodes = walk(Timing(), 3)
    targets = np.full((2, 12), 0.7, dtype=np.float32)
    # Tick 1 was late by 15 ms (sent at 36.4); tick 2 was in time (sent at 41.4), but nobody heard it.
    wire = replace(
        wire,
        lowcmd_sent=np.array([1_400_000, 36_400_000]),
        lowcmd_received=np.array([1_500_000, 36_500_000]),
        lowcmd_joint_pos=targets,
    )
    commands = [replace(command, joint_pos=np.full(12, 0.7)) for command in nodes.commands]
    commands[1] = replace(commands[1], stamp=36_600_000)
    assert wire_delay.match_commands(wire, commands).tolist() == [0, 1, -1]


def test_somebody_elses_lowcmd_is_nobodys():
    wire, nodes = walk(Timing(), 3)
    # A watchdog's, 0.1 ms after that of tick 1, and heard before it.
    order = [0, 3, 1, 2]
    sent = np.append(wire.lowcmd_sent, wire.lowcmd_sent[1] + MS // 10)[order]
    received = np.append(wire.lowcmd_received, wire.lowcmd_received[1] + MS // 10)[order]
    targets = np.concatenate([wire.lowcmd_joint_pos, np.zeros((1, 12), dtype=np.float32) - 1.0])[order]
    wire = replace(wire, lowcmd_sent=sent, lowcmd_received=received, lowcmd_joint_pos=targets)
    assert wire_delay.match_commands(wire, nodes.commands).tolist() == [0, 2, 3]


def test_only_the_window_counts():
    timing = Timing(horizon=6, replan_margin=3, replan_interval=1)
    wire, nodes = walk(timing, 30)
    # Commands of the ticks 10 .. 24; plans of the ticks 10 .. 18 have their horizon among them.
    delays = measure(wire, nodes, timing, 200 * MS, 500 * MS)
    assert (delays.commands, delays.plans, len(delays.planned), len(delays.intervals)) == (15, 9, 9, 14)


def test_nothing_recorded_is_nothing_measured():
    timing = Timing()
    wire, _ = walk(timing, 20)
    for nodes in (NodeRecord(), NodeRecord(plans=[3], states={3: 60})):
        numbers = wire_delay.report(measure(wire, nodes, timing), timing)
        assert numbers["planned_ms"] is numbers["beyond_buffer_ms"] is numbers["reflex_ms"] is None
        assert set(numbers["plans"].values()) == {0} == set(numbers["commands"].values())


def test_the_report_is_in_milliseconds():
    # Of 0, 1 .. 100 ms the percentiles are the numbers themselves.
    summary = wire_delay.summarize(np.arange(101)[::-1] * 1e-3)
    expected = {"count": 101, "min": 0.0, "p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}
    assert summary == pytest.approx(expected)
    timing = Timing(horizon=6, replan_margin=3, replan_interval=1)
    numbers = wire_delay.report(measure(*walk(timing, 20), timing), timing)
    assert numbers["beyond_buffer_ms"]["p99"] == pytest.approx(REACTION)
    assert numbers["plans"] == {"due": 14, "made": 14, "missed": 0, "unexecuted": 0, "unmatched": 0}


@st.composite
def walks(draw):
    margin = draw(st.integers(0, 3))
    timing = Timing(8, margin, draw(st.integers(1, 8 - margin)))
    ticks = 24
    times = draw(st.dictionaries(st.integers(0, ticks - 1), st.floats(0.5, 150.0), max_size=10))
    return timing, ticks, times


@given(walks())
def test_every_executed_plan_has_its_delay(drawn):
    timing, ticks, times = drawn
    delays = measure(*walk(timing, ticks, times), timing)
    waited = np.round((delays.planned * 1e3 - REACTION) / TICK, 9)
    # Whole ticks, at least the margin; one more than the margin or later is a miss.
    assert (waited == np.floor(waited)).all() and (waited >= timing.replan_margin).all()
    assert len(waited) + delays.unexecuted == delays.plans <= delays.plans_due + 1
    assert (waited > timing.replan_margin).sum() + delays.unexecuted == delays.missed


@given(walks(), st.sets(st.integers(0, 239), max_size=40), st.sets(st.integers(0, 23), max_size=12))
def test_what_is_lost_on_the_wire_adds_and_changes_no_delay(drawn, lowstates, lowcmds):
    timing, ticks, times = drawn
    wire, nodes = walk(timing, ticks, times)
    everything = measure(wire, nodes, timing)
    heard = measure(without(wire, [2 * index for index in lowstates], lowcmds), nodes, timing)
    for name in ("planned", "reflex"):
        rest = Counter(milliseconds(getattr(heard, name)))
        assert rest <= Counter(milliseconds(getattr(everything, name)))
    assert len(heard.planned) + heard.unmatched_plans == len(everything.planned)
    assert len(heard.reflex) + heard.unmatched_commands == ticks
    assert (heard.plans, heard.missed, heard.unexecuted) == (everything.plans, everything.missed, everything.unexecuted)
