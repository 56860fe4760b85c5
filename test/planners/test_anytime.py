"""The choice of a level at start, and when the level changes: no clock, no model."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core.errors import TimingError
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.anytime import (
    OVERRUN_WINDOW,
    UP_SHARE,
    LevelController,
    Trial,
    choose_level,
    plan_time_budget,
)


@pytest.mark.parametrize(
    ("timing", "milliseconds", "budget"),
    [
        # 80 % of the shorter of max(D, 1) and R ticks of 20 ms.
        (Timing(11, 3, 2), -1.0, 0.032),
        (Timing(11, 3, 8), -1.0, 0.048),
        (Timing(11, 0, 1), -1.0, 0.016),
        (Timing(11, 3, 2), 0.0, math.inf),
        (Timing(11, 3, 2), 60.0, 0.060),
    ],
)
def test_the_budget(timing, milliseconds, budget):
    assert plan_time_budget(milliseconds, timing) == pytest.approx(budget)


@pytest.mark.parametrize("milliseconds", [60.1, -0.5, math.nan])
def test_a_budget_that_does_not_fit_the_timing_is_refused(milliseconds):
    with pytest.raises(TimingError, match="60 ms: more than 0 and at most that, -1 for an automatic budget or 0 for"):
        plan_time_budget(milliseconds, Timing(11, 3, 2))


def choose(costs, limits, p99):
    """What is chosen, and which levels were measured; every plan at a level takes ``p99[level]`` [s]."""
    measured = []

    def measure(level, limit):
        assert limit == limits[level]
        measured.append(level)
        return np.full(10, p99[level])

    return choose_level(measure, costs, limits), measured


@pytest.mark.parametrize(
    ("limits", "p99", "chosen", "measured"),
    [
        # Undisturbed, each level takes 8, 5, 3, 1; the last may take 60.
        ([10, 10, 10, 60], [9, 6, 4, 2], 0, [0]),
        # Level 0 can not be in time, it is not measured.
        ([6, 6, 6, 60], [9, 6, 4, 2], 1, [1]),
        # 24 at level 0 are 24 * 5/8 = 15 at level 1 and 24 * 3/8 = 9 at level 2.
        ([10, 10, 10, 60], [24, 15, 10, 3], 2, [0, 2]),
        # That was too hopeful.
        ([10, 10, 10, 60], [24, 15, 11, 3], 3, [0, 2, 3]),
        # Nothing is within the budget: the last level, as long as it is in time.
        ([0.1, 0.1, 0.1, 60], [9, 6, 4, 2], 3, [3]),
    ],
)
def test_the_best_level_that_fits_is_chosen(limits, p99, chosen, measured):
    trial, levels = choose([8, 5, 3, 1], limits, p99)
    assert (trial.level, levels) == (chosen, measured)
    assert trial == Trial(False, chosen, p99[chosen], p99[chosen])


def test_the_last_level_may_be_too_slow_and_trials_are_ordered():
    trial, levels = choose([8, 5], [10, 60], [200, 100])
    assert trial == Trial(True, 1, 100, 100) and levels == [0, 1]
    assert min(trial, Trial(False, 1, 20, 10), Trial(False, 0, 30, 25)) == Trial(False, 0, 30, 25)


def add(controller, *plan_times):
    """The level after each plan."""
    levels = []
    for plan_time in plan_times:
        controller.add(plan_time)
        levels.append(controller.level)
    return levels


def test_two_slow_plans_near_each_other_are_needed_to_go_down():
    controller = LevelController([8.0, 5.0, 3.0, 1.0], budget=10.0)
    assert add(controller, 11.0, *[8.0] * (OVERRUN_WINDOW - 1), 11.0) == [0] * (OVERRUN_WINDOW + 1)
    assert (controller.degraded, controller.overruns) == (0, 2)
    assert add(controller, *[10.0] * (OVERRUN_WINDOW - 2), 11.0) == [0] * (OVERRUN_WINDOW - 2) + [1]
    assert (controller.degraded, controller.overruns) == (1, 3)


def test_it_goes_down_to_where_the_shorter_of_the_two_had_been_in_time():
    # 20 * 5/8 = 12.5 is not in time, 20 * 3/8 = 7.5 is; the plan of 500 was an accident.
    assert add(LevelController([8.0, 5.0, 3.0, 1.0], budget=10.0), 20.0, 500.0) == [0, 2]
    assert add(LevelController([8.0, 5.0, 3.0, 1.0], budget=10.0), 500.0, 500.0) == [0, 3]


def test_it_stays_at_the_last_level_and_without_budget_at_the_first():
    controller = LevelController([8.0, 5.0], budget=10.0, level=1)
    assert set(add(controller, *[1000.0] * 500)) == {1} and controller.degraded == 0
    controller = LevelController([8.0], budget=math.inf)
    assert set(add(controller, *[1000.0] * 500)) == {0} and controller.overruns == 0


def test_it_goes_up_one_level_at_a_time_after_enough_fast_plans():
    controller = LevelController([8.0, 4.0, 2.0], budget=10.0, level=2, calm=100)
    # 3 are 6 one level up, within 80 % of the budget; one plan in a hundred may be slower: 5 are 10.
    assert add(controller, 5.0, *[3.0] * 99) == [2] * 99 + [1]
    # 5 at level 1 are 10 at level 0.
    assert set(add(controller, *[5.0] * 1000)) == {1}
    assert add(controller, *[4.0] * 100) == [1] * 99 + [0]
    # Two slow ones in a hundred are too many.
    assert set(add(LevelController([4.0, 2.0], budget=10.0, level=1, calm=100), 5.0, 5.0, *[3.0] * 98)) == {1}


def walk(controller, plan_time, plans):
    """Levels before and after each of so many plans of ``plan_time(level)`` [s]."""
    levels = [controller.level]
    for _ in range(plans):
        controller.add(plan_time(controller.level))
        levels.append(controller.level)
    return levels


def test_a_level_that_does_not_hold_is_tried_more_and_more_rarely():
    controller = LevelController([1.0, 0.5], budget=1.0, calm=10)
    walk(controller, lambda level: (1.5, 0.3)[level], 2000)
    # Down after 2 plans, then 10, 20, 40, 80, 160, 160, ... calm ones and 2 slow ones each:
    # 2 + 12 + 22 + 42 + 82 = 160 plans, and (2000 - 160) / 162 = 11.4 times more.
    assert controller.degraded == 1 + 4 + 11
    # Held for longer than 16 * 10 plans: what comes then is another load, and the first try is early again.
    walk(controller, lambda level: 0.3, 400)
    assert controller.level == 0
    assert walk(controller, lambda level: (1.5, 0.3)[level], 13)[2:] == [1] * 10 + [0] * 2


COSTS = st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=8).map(lambda costs: sorted(costs, reverse=True))


@given(COSTS, st.floats(0.1, 10.0), st.floats(1e-3, 1.0), st.data())
def test_under_a_steady_load_it_settles_and_never_turns_round(costs, load, budget, data):
    controller = LevelController(costs, budget, data.draw(st.integers(0, len(costs) - 1)), calm=5)
    plan_time = np.array(costs) * load
    levels = walk(controller, plan_time.__getitem__, 8 * len(costs) + 10)
    changes = np.diff(levels)
    assert (changes >= 0).all() or (changes <= 0).all()
    assert not changes[-5:].any()
    level, rounding = levels[-1], 1.0 + 1e-9
    assert plan_time[level] <= budget * rounding or level == len(costs) - 1
    assert level == 0 or plan_time[level - 1] * rounding > UP_SHARE * budget


@given(COSTS, st.lists(st.floats(0.0, 3.0), max_size=300))
def test_under_any_load_it_never_flaps(costs, plan_times):
    calm, changed_at, recent = 5, 0, []
    controller = LevelController(costs, 1.0, calm=calm)
    downs = 0
    for index, plan_time in enumerate(plan_times):
        before = controller.level
        recent.append(plan_time)
        controller.add(plan_time)
        after = controller.level
        assert 0 <= after < len(costs)
        if after > before:
            downs += 1
            assert plan_time > 1.0 and sum(duration > 1.0 for duration in recent[-OVERRUN_WINDOW:]) >= 2
        elif after < before:
            assert after == before - 1 and index + 1 - changed_at >= calm
        if after != before:
            changed_at, recent = index + 1, []
    assert controller.degraded == downs
    assert controller.overruns == sum(duration > 1.0 for duration in plan_times)
