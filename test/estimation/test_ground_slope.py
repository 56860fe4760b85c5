"""The ground's slope: by hand, whatever the base's own tilt, and of robots that walk in simulation."""

from dataclasses import replace

import numpy as np
import pytest
from robot_states import standing

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.estimation.ground_slope import MAX_GAP, GroundSlope, plane_slope
from diffusion_mpc_ros.policies.closed_loop import run_closed_loop
from diffusion_mpc_ros.policies.condition_walks import shipped_controller
from diffusion_mpc_ros.policies.conditions import Condition, MixedSimulation
from diffusion_mpc_ros.policies.objectives import make_composer

ALL = np.ones(4, dtype=bool)


def turned(axis, degrees):
    """Quaternion of a turn round a coordinate axis."""
    quat, half = np.zeros(4), np.radians(degrees) / 2
    quat[0], quat[1 + "xyz".index(axis)] = np.cos(half), np.sin(half)
    return quat


def product(first, second):
    (w, x), (u, y) = (first[0], first[1:]), (second[0], second[1:])
    return np.array([w * u - x @ y, *(w * y + u * x + np.cross(x, y))])


def on_legs(front, rear, tick=100, quat=(1.0, 0.0, 0.0, 0.0), contact=ALL):
    """A robot whose feet are so far below their hips [m], along the base's z axis."""
    # Thigh and calf are 0.213 m each: bent by a and -2 a they reach 0.426 cos(a) down.
    bent = np.repeat(np.arccos(np.array([front, rear]) / 0.426), 2)
    joint_pos = np.stack([np.zeros(4), bent, -2.0 * bent], axis=1).ravel()
    return standing(tick, joint_pos=joint_pos, base_quat_wxyz=np.array(quat), foot_contact=contact)


def test_a_plane_by_hand():
    # z = 1 + 0.5 x - 0.25 y at (+-0.4, +-0.3): xx = 4 * 0.16 = 0.64, to which SPREAD adds 0.001; yy = 0.36 + 0.001.
    # atan(0.5 * 0.64 / 0.641) = 26.53 deg, atan(-0.25 * 0.36 / 0.361) = -14.00 deg.
    points = np.array([(x, y, 1.0 + 0.5 * x - 0.25 * y) for x in (0.4, -0.4) for y in (0.3, -0.3)])
    assert np.degrees(plane_slope(points)) == pytest.approx([26.53, -14.00], abs=0.01)


@pytest.mark.parametrize("heading", [0.0, 130.0])
def test_legs_alike_stand_on_ground_as_tilted_as_the_base(heading):
    # Nose up by 10 deg is a negative turn round y, left side up by 8 deg a positive one round x.
    for axis, degrees, expected in (("y", -10.0, (10.0, 0.0)), ("x", 8.0, (0.0, 8.0))):
        quat = product(turned("z", heading), turned(axis, degrees))
        assert np.degrees(GroundSlope().update(on_legs(0.3, 0.3, quat=quat))) == pytest.approx(expected, abs=0.15)


def test_a_tilted_base_on_level_ground_is_no_slope():
    # Hips are 0.1934 m before and behind the origin: nose up by 10 deg the front ones are 2 * 0.1934 * tan(10 deg) =
    # 0.0682 m further from level ground, along the base's z axis.
    slope = GroundSlope().update(on_legs(0.3682, 0.3, quat=turned("y", -10.0)))
    assert np.degrees(slope) == pytest.approx([0.0, 0.0], abs=0.05)


def test_feet_are_averaged_over_their_time_on_the_ground():
    ground = GroundSlope()
    assert ground.update(on_legs(0.3, 0.3)) == pytest.approx([0.0, 0.0])
    # After 5 ticks, 0.1 s of 0.5 s, the new footholds count a fifth: sin and cos of 10 deg are 0.1736 and 0.9848, so
    # 0.2 * 0.1736 / (0.8 + 0.2 * 0.9848) = 0.03484; SPREAD takes 0.7 % off: 1.98 deg.
    uphill = on_legs(0.3, 0.3, 105, turned("y", -10.0))
    assert np.degrees(ground.update(uphill)[0]) == pytest.approx(1.98, abs=0.01)
    # What feet do in the air, and what is no number, changes nothing.
    in_the_air = on_legs(0.2, 0.3, 106, contact=np.array([False, False, True, True]))
    unknown = replace(uphill, tick=107, joint_pos=np.full(12, np.nan))
    known = ground.update(in_the_air)
    assert np.abs(np.degrees(known[0])) < 2.0 and (ground.update(unknown) == known).all()


def test_it_is_unknown_until_every_foot_has_stood_and_after_a_gap():
    ground, front = GroundSlope(), np.array([True, True, False, False])
    assert np.isnan(ground.update(on_legs(0.3, 0.3, 1, contact=front))).all()
    assert not np.isnan(ground.update(on_legs(0.3, 0.3, 2, contact=~front))).any()
    assert not np.isnan(ground.update(on_legs(0.3, 0.3, 2 + MAX_GAP, contact=front))).any()
    for tick in (3 + 2 * MAX_GAP, 1):  # later than that, and back
        assert np.isnan(ground.update(on_legs(0.3, 0.3, tick, contact=front))).all()


def test_of_walking_robots_it_is_that_of_the_ground_under_their_heading():
    """Four robots with rear legs folded by a preset: up, down and across a slope of 12 deg, and on flat ground."""
    grounds = ("slope_up:12", "slope_down:12", "slope_across:12", "flat")
    simulation = MixedSimulation([(Condition(name, grounds=(name,)), 1) for name in grounds], seed=5)
    rewards = make_composer().preset_settings("posture_negative")
    ground, slopes, yaws, noses = GroundSlope(), [], [], []

    def watch(state):
        slopes.append(ground.update(state.robot_state(len(slopes), state.joint_pos)))
        yaws.append(rotations.yaw(state.base_quat_wxyz))
        noses.append(np.arcsin(-state.projected_gravity_b[:, 0]))

    walker = shipped_controller(load(model_folder("go2_terrain")), 5, rewards=rewards)
    run_closed_loop(walker, simulation, np.tile([0.5, 0.0, 0.0], (4, 1)), 150, watch=watch)
    # Slopes rise along the world's x: by the cosine of the heading ahead, by minus its sine to the left.
    steep = np.tan(np.radians(12.0)) * np.array([1.0, 1.0, 1.0, 0.0])
    expected = np.arctan(steep[:, None] * np.stack([np.cos(yaws), -np.sin(yaws)], axis=-1))
    off = np.degrees(np.array(slopes) - expected)[50:]
    assert np.abs(off).max() < 3.0 and np.abs(off.mean(axis=0)).max() < 2.0
    # On flat ground the nose rises by more than 2.5 deg, the ground does not.
    assert np.degrees(np.max(noses, axis=0)[3]) > 2.5 and np.abs(off[:, 3]).max() < 1.0
