"""Projections and violations: by hand, and by their properties (inside, idempotent, identity on the set, nearest)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_mpc_ros.constraints.band import Band
from diffusion_mpc_ros.constraints.box import Box, restrict_box
from diffusion_mpc_ros.constraints.kind import PHYSICAL, Units
from diffusion_mpc_ros.constraints.registry import (
    BOX,
    KINDS,
    bounds_in,
    coupled,
    feasible_bounds,
    free_bounds,
    project,
    project_box,
    projected_kinds,
    release_observation,
    violation,
)
from diffusion_mpc_ros.constraints.torque import TorqueLimit, pd_torque
from diffusion_mpc_ros.core.go2 import JOINT_POS_MAX, JOINT_POS_MIN
from diffusion_mpc_ros.core.trajectory import ACTION, FIELDS, JOINT_POS, JOINT_VEL, OBSERVATION, fields_of

SEEDS = st.integers(0, 2**32 - 1)
NAMES = st.lists(st.sampled_from(["joint_range", "joint_velocity", "torque", "joint_band"]), unique=True)


def random_case(seed):
    """Rows ``(2, 4, 57)`` in units of a normaliser, that normaliser, and parameters of all constraints."""
    rng = np.random.default_rng(seed)
    units = Units(rng.normal(scale=0.3, size=57), rng.uniform(0.2, 2.0, size=57))
    low = rng.uniform(JOINT_POS_MIN, JOINT_POS_MAX - 0.5)
    band = rng.uniform(-1.5, 1.0, size=12)
    parameters = {
        "joint_range.min": low,
        "joint_range.max": rng.uniform(low, JOINT_POS_MAX),
        "joint_velocity.max": rng.uniform(0.5, 5.0, size=12),
        "torque.max": rng.uniform(1.0, 20.0, size=12),
        "joint_band.min": band,
        "joint_band.max": band + rng.uniform(0.0, 0.5, size=12),
    }
    return rng.normal(size=(2, 4, 57)), units, parameters


def joint_fields(joint_pos=0.0, joint_vel=0.0, action=0.0):
    """One candidate, one row; the other fields are zero."""
    values = {"joint_pos": joint_pos, "joint_vel": joint_vel, "action": action}
    sizes = {name: part.stop - part.start for name, part in FIELDS.items()}
    return {name: np.full((1, 1, size), values.get(name, 0.0)) for name, size in sizes.items()}


def only(**bounds):
    """Bounds of one row, free but for ``bounds``."""
    free = free_bounds(1)
    for name, value in bounds.items():
        free[name][...] = value
    return free


def joints_of(fields):
    return [float(fields[name][0, 0, 0]) for name in ("joint_pos", "joint_vel", "action")]


def test_a_box_by_hand_and_the_target_goes_along():
    bounds = free_bounds(1)
    restrict_box(bounds, JOINT_POS, -0.5, 0.5)
    restrict_box(bounds, JOINT_VEL, -4.0, 4.0)
    fields = joint_fields(0.7, 12.0, 1.0)
    # 0.2 rad less; 8 rad/s less are 8 N m less damping: a target 8 / 40 = 0.2 rad less far. In all 0.4 rad.
    assert joints_of(Box().project(fields, bounds, PHYSICAL)) == pytest.approx([0.5, 4.0, 0.6])
    restrict_box(bounds, ACTION, -0.9, 0.9)
    assert joints_of(Box().project(joint_fields(0.7, 12.0, 1.5), bounds, PHYSICAL)) == pytest.approx([0.5, 4.0, 0.9])
    outside = Box().excess(fields, bounds)
    assert joints_of(outside) == pytest.approx([0.2, 8.0, 0.1])


def test_a_band_by_hand():
    values = np.array([-1.0, -0.21, -0.2, -0.05, 0.05, 0.2, 0.5, -0.05, -0.05, 0.0, 0.0, 0.0])
    fields = {**joint_fields(action=1.0), "joint_pos": values[None, None]}
    bounds = only(band_lower=-0.2, band_upper=0.2)
    bounds["band_lower"][:, 7:] = bounds["band_upper"][:, 7:] = 0.0  # empty bands
    moved = Band().project(fields, bounds, PHYSICAL)
    expected = [-1.0, -0.21, -0.2, -0.2, 0.2, 0.2, 0.5, -0.05, -0.05, 0.0, 0.0, 0.0]
    assert moved["joint_pos"][0, 0].tolist() == expected
    np.testing.assert_allclose(moved["action"] - 1.0, moved["joint_pos"] - values)
    np.testing.assert_allclose(Band().excess(fields, bounds)["joint_pos"][0, 0, 3:5], 0.15)


@pytest.mark.parametrize(
    ("scales", "fields", "expected"),
    [
        # 40 (0.5 - 0) - 4 = 16 N m, 6 too many. Only the action may move: 6 / 40 = 0.15 rad.
        ((1e-9, 1e-9, 1.0), (0.0, 4.0, 0.5), (0.0, 4.0, 0.35)),
        # Position and action alike: each takes half, 0.075 rad.
        ((1.0, 1e-9, 1.0), (0.0, 4.0, 0.5), (0.075, 4.0, 0.425)),
        # The same downwards; and within the limit nothing moves.
        ((1.0, 1e-9, 1.0), (0.0, -4.0, -0.5), (-0.075, -4.0, -0.425)),
        ((1.0, 1.0, 1.0), (0.0, 4.0, 0.3), (0.0, 4.0, 0.3)),
    ],
)
def test_a_torque_by_hand(scales, fields, expected):
    units = Units(np.zeros(57), np.ones(57))
    for name, scale in zip(("joint_pos", "joint_vel", "action"), scales):
        units.scale[FIELDS[name]] = scale
    normalised = joint_fields(*(value / scale for value, scale in zip(fields, scales)))
    bounds = bounds_in(only(torque_max=10.0), units)
    moved = TorqueLimit().project(normalised, bounds, units)
    assert [value * scale for value, scale in zip(joints_of(moved), scales)] == pytest.approx(expected)
    outside = TorqueLimit().excess(joint_fields(*fields), bounds)["joint_torque"][0, 0, 0]
    assert outside == pytest.approx(0.0 if fields == expected else 6.0)
    # What was measured counts, where it was.
    measured = {"joint_torque": np.full((1, 1, 12), -13.0)}
    assert TorqueLimit().excess(measured, bounds)["joint_torque"].tolist() == [[[3.0] * 12]]


@given(SEEDS, NAMES)
def test_a_projection_is_inside_idempotent_and_the_identity_on_the_set(seed, names):
    rows, units, parameters = random_case(seed)
    physical = feasible_bounds(names, parameters, np.arange(4))
    # A torque limit gives way to the joint limits, where they keep a target from going along.
    physical["lower"][:, ACTION], physical["upper"][:, ACTION] = -np.inf, np.inf
    bounds = bounds_in(physical, units)
    once = project(fields_of(rows), bounds, units)
    twice = project(once, bounds, units)
    for name in FIELDS:
        np.testing.assert_allclose(twice[name], once[name], atol=1e-9)
    outside = violation({name: units.physical(name, value) for name, value in once.items()}, physical)
    assert max(np.max(value) for value in outside.values()) < 1e-9


@given(SEEDS)
def test_what_is_inside_has_no_violation_and_stays_and_what_is_outside_has_one(seed):
    rows, _, parameters = random_case(seed)
    for name in ("joint_range", "joint_velocity", "joint_band"):
        bounds = feasible_bounds([name], parameters, np.arange(4))
        bounds["lower"][:, ACTION], bounds["upper"][:, ACTION] = -np.inf, np.inf
        inside = project(fields_of(rows), bounds)
        again = project(inside, bounds)
        assert all(np.array_equal(again[field], inside[field]) for field in FIELDS)
        assert not any(value.any() for value in violation(inside, bounds).values())
        moved = any(not np.array_equal(inside[field], fields_of(rows)[field]) for field in FIELDS)
        assert moved == any(value.any() for value in violation(fields_of(rows), bounds).values())


@given(SEEDS)
def test_the_projection_onto_a_box_is_the_nearest_point(seed):
    rows, _, _ = random_case(seed)
    rng = np.random.default_rng(seed)
    bounds = free_bounds(4)
    bounds["lower"] = rng.normal(size=(4, 57))
    bounds["upper"] = bounds["lower"] + rng.uniform(0.0, 1.0, size=(4, 57))
    clipped = project_box(rows, bounds)
    other = project_box(rows + rng.normal(size=rows.shape), bounds)
    assert (np.abs(clipped - rows) <= np.abs(other - rows)).all()


@given(SEEDS)
def test_the_projection_onto_a_torque_limit_is_the_nearest_point(seed):
    rng = np.random.default_rng(seed)
    rows, units, parameters = random_case(seed)
    bounds = bounds_in(only(torque_max=parameters["torque.max"]), units)
    kind, point = TorqueLimit(), fields_of(rows)
    projected = kind.project(point, bounds, units)

    def distance(fields):
        return sum((fields[name] - point[name]) ** 2 for name in ("joint_pos", "joint_vel", "action"))

    for _ in range(5):  # no other feasible point is nearer, in units of the normaliser
        other = kind.project(fields_of(rows + rng.normal(scale=0.3, size=rows.shape)), bounds, units)
        assert (distance(other) >= distance(projected) - 1e-9).all()


@given(SEEDS)
def test_band_and_box_together_are_a_projection(seed):
    rng = np.random.default_rng(seed)
    bounds = free_bounds(4)
    low, band = rng.uniform(-1.5, 0.5, size=(4, 12)), rng.uniform(-1.5, 1.0, size=(4, 12))
    restrict_box(bounds, JOINT_POS, low, low + rng.uniform(0.0, 2.0, size=(4, 12)))
    bounds["band_lower"], bounds["band_upper"] = band, band + rng.uniform(0.0, 0.5, size=(4, 12))
    for kind in KINDS.values():
        kind.settle(bounds)
    low, high = bounds["lower"][:, JOINT_POS], bounds["upper"][:, JOINT_POS]
    ends = bounds["band_lower"], bounds["band_upper"]
    fields = fields_of(rng.normal(size=(2, 4, 57)))
    values = fields["joint_pos"]
    moved = project(fields, bounds)
    projected = moved["joint_pos"]
    assert ((projected >= low) & (projected <= high)).all()
    assert not ((ends[0] < projected) & (projected < ends[1])).any()
    np.testing.assert_array_equal(project(moved, bounds)["joint_pos"], projected)
    # Nearest: no end of an interval of what is left lies closer.
    for end in (low, high, *ends):
        allowed = (low <= end) & (end <= high) & ~((ends[0] < end) & (end < ends[1]))
        nearer = np.abs(projected - values) <= np.abs(end - values) + 1e-12
        assert nearer[np.broadcast_to(allowed, values.shape)].all()


@given(SEEDS)
def test_where_a_band_or_a_speed_moves_a_joint_its_torque_stays(seed):
    rows, _, parameters = random_case(seed)
    bounds = feasible_bounds(["joint_velocity", "joint_band"], parameters, np.arange(4))
    bounds["lower"][:, ACTION], bounds["upper"][:, ACTION] = -np.inf, np.inf
    fields = fields_of(rows)
    np.testing.assert_allclose(pd_torque(project(fields, bounds)), pd_torque(fields), atol=1e-9)


def test_without_a_constraint_only_the_joint_limits_of_the_actions_hold():
    rows, units, _ = random_case(0)
    bounds = feasible_bounds((), {}, np.arange(4))
    moved = project(fields_of(100.0 * rows), bounds)
    assert (moved["action"] >= JOINT_POS_MIN).all() and (moved["action"] <= JOINT_POS_MAX).all()
    np.testing.assert_array_equal(moved["joint_vel"], fields_of(100.0 * rows)["joint_vel"])
    assert not coupled(bounds_in(bounds, units))
    np.testing.assert_array_equal(
        project_box(100.0 * rows, bounds), np.concatenate([moved[name] for name in FIELDS], axis=-1)
    )
    assert coupled(bounds_in(feasible_bounds(("torque",), {}, np.arange(4)), units))


def test_a_known_observation_is_not_projected_and_the_other_rows_are():
    bounds = feasible_bounds(
        ("joint_range", "joint_band"),
        {
            "joint_range.min": np.full(12, -0.5),
            "joint_range.max": np.full(12, 0.5),
            "joint_band.min": np.full(12, -0.2),
            "joint_band.max": np.full(12, 0.2),
        },
        np.arange(3),
    )
    release_observation(bounds, 0)
    moved = project(fields_of(np.full((1, 3, 57), 0.1)), bounds)
    assert (moved["joint_pos"][0, 0] == 0.1).all() and (moved["joint_pos"][0, 1:] == 0.2).all()
    assert np.isinf(bounds["lower"][0, OBSERVATION]).all() and (bounds["lower"][0, ACTION] == JOINT_POS_MIN).all()


def test_the_box_has_the_last_word():
    assert projected_kinds()[-1] is BOX and len(projected_kinds()) == len(KINDS)
