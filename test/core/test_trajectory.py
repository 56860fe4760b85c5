"""The layout: fields tile the row, packing and slicing are inverse."""

import numpy as np

from diffusion_mpc_ros.core import trajectory


def test_fields_tile_the_row_in_the_documented_order():
    order = ["base_ang_vel", "projected_gravity", "command", "joint_pos", "joint_vel", "previous_action", "action"]
    assert list(trajectory.FIELDS) == order
    covered = np.concatenate([np.arange(57)[field] for field in trajectory.FIELDS.values()])
    np.testing.assert_array_equal(covered, np.arange(57))
    assert (trajectory.OBSERVATION_DIM, trajectory.ROW_DIM) == (45, 57)


def test_round_trip_by_name():
    rng = np.random.default_rng(0)
    fields = {name: rng.normal(size=(4, size)) for name, size in trajectory.OBSERVATION_FIELDS.items()}
    observation = trajectory.make_observation(**fields)
    for name, value in fields.items():
        np.testing.assert_array_equal(observation[:, trajectory.FIELDS[name]], value)
