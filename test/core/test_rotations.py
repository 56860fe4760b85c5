"""Rotations by hand and by their axioms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diffusion_mpc_ros.core import rotations

vectors = hnp.arrays(float, 3, elements=st.floats(-10, 10))
quaternions = hnp.arrays(float, 4, elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 1e-3).map(
    lambda q: q / np.linalg.norm(q)
)  # fmt: skip
# A quarter turn to the left about z.
LEFT = np.array([np.cos(np.pi / 4), 0.0, 0.0, np.sin(np.pi / 4)])


def test_a_quarter_turn_to_the_left():
    # The base's x axis points to the world's y; the world's x axis is to the base's right.
    np.testing.assert_allclose(rotations.rotation_matrix(LEFT)[:, 0], [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(rotations.rotate_inverse(LEFT, np.array([1.0, 0.0, 0.0])), [0.0, -1.0, 0.0], atol=1e-12)
    assert rotations.yaw(LEFT) == pytest.approx(np.pi / 2)


@pytest.mark.parametrize(
    ("quat", "gravity"),
    [
        ([1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0]),
        # Nose down by 90 degrees (pitch about +y): gravity points out of the nose.
        ([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0], [1.0, 0.0, 0.0]),
        # Rolled to the right by 90 degrees (about +x): gravity points to the base's right, -y.
        ([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0], [0.0, -1.0, 0.0]),
    ],
)
def test_projected_gravity_by_hand(quat, gravity):
    np.testing.assert_allclose(rotations.projected_gravity(np.array(quat)), gravity, atol=1e-12)


@given(quaternions, vectors)
def test_inverse_undoes_and_length_is_kept(quat, vector):
    there = rotations.rotation_matrix(quat) @ vector
    np.testing.assert_allclose(rotations.rotate_inverse(quat, there), vector, atol=1e-9)
    assert np.linalg.norm(there) == pytest.approx(np.linalg.norm(vector), abs=1e-9)


@given(quaternions)
def test_projected_gravity_is_the_rotated_vertical(quat):
    expected = rotations.rotate_inverse(quat, np.array([0.0, 0.0, -1.0]))
    np.testing.assert_allclose(rotations.projected_gravity(quat), expected, atol=1e-9)
    assert rotations.tilt(expected) == pytest.approx(np.arccos(np.clip(-expected[2], -1.0, 1.0)))


@given(quaternions, vectors)
def test_there_and_back_again(quat, vector):
    np.testing.assert_allclose(rotations.rotate(quat, rotations.rotate_inverse(quat, vector)), vector, atol=1e-9)
    np.testing.assert_allclose(rotations.rotate(quat, vector), rotations.rotation_matrix(quat) @ vector, atol=1e-9)
