"""The hidden gait: ranges, the clock, the schedule of the feet, and the meter that reads a gait from the feet."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.core import go2
from diffusion_mpc_ros.policies.gait import (
    GAIT_PARAMETERS,
    STANCE_SHARE,
    GaitClock,
    GaitCommand,
    SwingMeter,
    foot_phases,
    stance_schedule,
    swing_progress,
)

WALK, STAND = np.array([[0.5, 0.0, 0.0]]), np.zeros((1, 3))


def test_the_table_names_the_fields():
    assert tuple(GAIT_PARAMETERS) == tuple(field.name for field in dataclasses.fields(GaitCommand))
    assert all(entry.low <= entry.default <= entry.high for entry in GAIT_PARAMETERS.values())


@given(st.integers(0, 2**32 - 1))
def test_drawn_gaits_are_within_their_ranges_and_the_legs_reach(seed):
    gait = GaitCommand.draw(50, np.random.default_rng(seed))
    for name, entry in GAIT_PARAMETERS.items():
        values = getattr(gait, name)
        assert ((values >= entry.low) & (values <= entry.high)).all(), name
    assert (gait.swing_height <= gait.highest_swing()).all()


def test_the_share_of_default_gaits_and_parameters_without_an_input():
    only_height = {"base_height": GAIT_PARAMETERS["base_height"]._replace(low=0.2, high=0.22)}
    gait = GaitCommand.draw(20_000, np.random.default_rng(0), only_height, default_share=0.25)
    default = gait.base_height == GAIT_PARAMETERS["base_height"].default
    # 20000 draws: five standard deviations of a share of 0.25 are 0.015.
    assert default.mean() == pytest.approx(0.25, abs=0.015)
    assert ((gait.base_height[~default] >= 0.2) & (gait.base_height[~default] <= 0.22)).all()
    assert (gait.step_frequency == GAIT_PARAMETERS["step_frequency"].default).all()


def test_a_low_and_leaning_base_leaves_less_room_to_swing():
    gait = GaitCommand.default(3)
    gait.base_height[:] = 0.30, 0.25, 0.18
    gait.pitch[:] = 0.0, -0.15, 0.15
    # Hip minus foot radius 0.022 and the shortest leg 0.10; the lower hip is 0.1934 sin(0.15) = 0.0289 deeper.
    np.testing.assert_allclose(gait.highest_swing(), [0.178, 0.0991, 0.0300], atol=1e-4)


def test_put_changes_the_robots_of_the_mask():
    gait = GaitCommand.default(3)
    gait.put(np.array([True, False, True]), GaitCommand(*np.full((4, 2), [[7.0, 8.0]])))
    np.testing.assert_array_equal(gait.columns()[:, 2], [7.0, 2.2, 8.0])
    assert gait.columns(["pitch"]).shape == (3, 1)


def test_the_clock_runs_while_walking_only():
    clock = GaitClock(1)
    for _ in range(10):
        clock.step(WALK, np.array([2.5]))
    # Ten ticks of 0.02 s at 2.5 Hz: half a cycle, from 0.55 on.
    assert clock.phase[0] == pytest.approx(0.05)
    np.testing.assert_allclose(clock.features(WALK), [[np.sin(0.1 * np.pi), np.cos(0.1 * np.pi)]], atol=1e-12)
    for _ in range(10):
        clock.step(STAND, np.array([2.5]))
    np.testing.assert_array_equal(clock.features(STAND), [[0.0, 0.0]])
    # Whoever is told to walk lifts its first two feet at the very next tick.
    clock.step(WALK, np.array([2.5]))
    assert stance_schedule(clock.phase, np.array([True])).tolist() == [[False, True, True, False]]
    for _ in range(14):
        clock.step(WALK, np.array([2.5]))
    # 15 ticks, three quarters of a cycle, after the start of the swing at 0.55.
    assert clock.phase[0] == pytest.approx(0.3)


def test_diagonal_pairs_alternate():
    # FR at 0.775 is half through its swing (0.55 to 1), FL at 0.275 in its stance.
    phase = np.array([0.775])
    np.testing.assert_allclose(foot_phases(phase), [[0.775, 0.275, 0.275, 0.775]])
    np.testing.assert_array_equal(stance_schedule(phase, np.array([True])), [[False, True, True, False]])
    np.testing.assert_array_equal(stance_schedule(phase, np.array([False])), [[True, True, True, True]])
    np.testing.assert_allclose(swing_progress(phase), [[0.5, 0.0, 0.0, 0.5]])


@given(st.floats(0.0, 0.999))
def test_half_a_cycle_later_the_other_pair_does_the_same(phase):
    now, later = (swing_progress(np.array([value % 1.0])) for value in (phase, phase + 0.5))
    np.testing.assert_allclose(now[:, [1, 0, 3, 2]], later, atol=1e-9)


def heights_of(frequency: float, lift: float, ticks: int) -> np.ndarray:
    """Heights ``(ticks, 1, 4)`` of feet that trot exactly as scheduled."""
    phase = np.arange(ticks) * go2.CONTROL_DT * frequency % 1.0
    return (go2.FOOT_RADIUS + lift * np.sin(np.pi * swing_progress(phase)) ** 2)[:, None]


@pytest.mark.parametrize(("frequency", "lift"), [(1.6, 0.12), (2.5, 0.05), (3.2, 0.08)])
def test_the_meter_reads_frequency_and_lift(frequency, lift):
    meter, counted = SwingMeter(1), np.array([True])
    for heights in heights_of(frequency, lift, 1000):
        meter.update(heights, counted)
    # A swing at either end of 20 s of at least 32 counts wholly or not at all; between two ticks the peak is missed
    # by at most half a tick, at 3.2 Hz 0.071 of a swing: sin^2 is 0.95 there.
    assert meter.frequency[0] == pytest.approx(frequency, rel=0.02)
    assert 0.95 * lift <= meter.lift[0] <= lift


def test_the_meter_counts_whole_swings_by_hand():
    meter, counted = SwingMeter(2), np.array([True, False])
    for lift in (0.0, 0.01, 0.02, 0.05, 0.012, 0.03, 0.005, 0.0, 0.016, 0.0):
        heights = np.full((2, 4), go2.FOOT_RADIUS)
        heights[:, 0] += lift
        meter.update(heights, counted)
    # 0.012 is above the end of a swing: one swing of 0.05, then one of 0.016; the second robot is not counted.
    np.testing.assert_array_equal(meter.swings, [2, 0])
    assert meter.lift[0] == pytest.approx(0.033)
    assert meter.frequency[0] == pytest.approx(2 / 4 / 0.2)
    assert np.isnan(meter.frequency[1]) and np.isnan(meter.lift[1])


def test_the_stance_is_longer_than_the_swing():
    assert 0.5 <= STANCE_SHARE < 0.7
