"""The periodic loop on a fake clock: absolute deadlines, skipping, alignment."""

import threading

import pytest

from diffusion_mpc_ros.realtime.periodic import PeriodicLoop


class FakeClock:
    """Time passes only in ``wait`` and by ``spend``."""

    def __init__(self):
        self.now = 10.0

    def monotonic(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds
        return False


def run_loop(costs, align_to=None):
    """Run one turn per cost [s]; returns the deadlines and the loop."""
    clock, turns = FakeClock(), []

    def step(deadline):
        turns.append(deadline)
        clock.now += costs[len(turns) - 1]
        if align_to is not None:
            loop.align(align_to)
        if len(turns) == len(costs):
            loop.stop()

    loop = PeriodicLoop(0.02, step, monotonic=clock.monotonic, wait=clock.wait)
    loop.run()
    return turns, loop


def test_deadlines_are_absolute():
    turns, loop = run_loop([0.005, 0.015, 0.0, 0.019])
    assert [turn.time for turn in turns] == pytest.approx([10.0, 10.02, 10.04, 10.06])
    assert all(turn.lateness == pytest.approx(0.0, abs=1e-9) for turn in turns) and loop.skipped == 0


def test_a_short_overrun_is_made_up_for():
    turns, loop = run_loop([0.025, 0.0, 0.0])
    assert [turn.time for turn in turns] == pytest.approx([10.0, 10.02, 10.04])
    assert turns[1].lateness == pytest.approx(0.005) and loop.skipped == 0


def test_missed_deadlines_are_skipped_and_counted():
    # The step ends at 10.070: 10.02 is 50 ms past, 10.04 is 30 ms past; 10.06 is late by 10 ms and still served.
    turns, loop = run_loop([0.070, 0.0, 0.0])
    assert [turn.time for turn in turns] == pytest.approx([10.0, 10.06, 10.08])
    assert turns[1].lateness == pytest.approx(0.010) and turns[1].skipped == 2 and loop.skipped == 2


def test_alignment_moves_half_a_millisecond_a_period():
    # Deadlines at 10.000 + n * 20 ms shall fall on 10.0012 + n * 20 ms: 0.5, 0.5, then 0.2 ms.
    turns, _ = run_loop([0.0] * 6, align_to=110.0012)
    assert [turn.time for turn in turns] == pytest.approx([10.0, 10.0205, 10.0410, 10.0612, 10.0812, 10.1012])
    # The nearest alignment may lie before.
    turns, _ = run_loop([0.0] * 3, align_to=9.9992)
    assert [turn.time for turn in turns] == pytest.approx([10.0, 10.0195, 10.0392])


def run_parts(parts, step_cost=0.0, between_cost=0.0, turns=3):
    """What is called when [ms since the start], with so many parts a period."""
    clock, calls = FakeClock(), []

    def note(name, cost):
        calls.append((name, round((clock.now - 10.0) * 1e3, 6)))
        clock.now += cost
        if [name for name, _ in calls].count("step") == turns:
            loop.stop()

    loop = PeriodicLoop(
        0.02,
        lambda deadline: note("step", step_cost),
        between=lambda: note("between", between_cost),
        parts=parts,
        monotonic=clock.monotonic,
        wait=clock.wait,
    )
    loop.run()
    return calls, loop


def test_between_two_steps_it_is_called_at_equal_distances():
    calls, loop = run_parts(4)
    between = [("between", time) for time in (5.0, 10.0, 15.0)]
    later = [("between", time) for time in (25.0, 30.0, 35.0)]
    assert calls == [("step", 0.0), *between, ("step", 20.0), *later, ("step", 40.0)]
    assert run_parts(1)[0] == [("step", 0.0), ("step", 20.0), ("step", 40.0)]


def test_what_would_come_late_between_two_steps_is_left_out():
    # A step takes 7 ms: the call at 5 ms is left out, those at 10 and 15 ms are on time.
    calls, loop = run_parts(4, step_cost=0.007, turns=2)
    assert calls == [("step", 0.0), ("between", 10.0), ("between", 15.0), ("step", 20.0)]
    # Each call takes 12 ms: the one at 10 is late as well, and the next step begins on time.
    calls, loop = run_parts(4, between_cost=0.012, turns=2)
    assert calls == [("step", 0.0), ("between", 5.0), ("step", 20.0)] and loop.skipped == 0


def test_what_comes_late_because_the_wait_took_too_long_is_left_out():
    clock, calls, extra = FakeClock(), [], [0.0, 0.012]

    def oversleep(seconds):
        clock.now += seconds + (extra.pop(0) if extra else 0.0)
        return False

    def note(name):
        calls.append((name, round((clock.now - 10.0) * 1e3, 6)))
        if [name for name, _ in calls].count("step") == 3:
            loop.stop()

    loop = PeriodicLoop(
        0.02, lambda _: note("step"), between=lambda: note("between"), parts=4,
        monotonic=clock.monotonic, wait=oversleep,
    )  # fmt: skip
    loop.run()
    # The wait until 5 ms ends at 17: nothing is said again before the step at 20.
    assert calls[:3] == [("step", 0.0), ("step", 20.0), ("between", 25.0)] and calls[-1] == ("step", 40.0)


def test_an_exception_of_the_step_leaves_the_loop():
    def step(deadline):
        raise RuntimeError("motor bus")

    with pytest.raises(RuntimeError, match="motor bus"):
        PeriodicLoop(0.02, step).run()


def test_stop_from_another_thread_ends_the_wait():
    started = threading.Event()
    loop = PeriodicLoop(3600.0, lambda deadline: started.set())
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    assert started.wait(5.0)
    loop.stop()
    thread.join(5.0)
    assert not thread.is_alive()


def test_a_wait_that_ends_too_soon_by_the_loops_clock_is_gone_on_with():
    """As after a pause of the whole computer, whose timers have run on and whose clock has not."""
    now, steps, waits = [0.0], [], []

    def wait(seconds):
        waits.append(seconds)
        now[0] += seconds / 2 if len(waits) % 2 else seconds
        return len(steps) == 3

    loop = PeriodicLoop(
        0.02, lambda deadline: steps.append((deadline.time, now[0])), monotonic=lambda: now[0], wait=wait
    )
    loop.run()
    assert len(steps) == 3 and all(started >= due for due, started in steps)
