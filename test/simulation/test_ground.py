"""Ground: heights against MuJoCo's own rays, the same from the same seed, robots that start on it, and its contacts."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from diffusion_mpc_ros.core import go2, rotations
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation.batch import BATCH_TIMESTEP, BatchSimulation
from diffusion_mpc_ros.simulation.ground.ground import FLAT, Ground
from diffusion_mpc_ros.simulation.ground.kinds import KINDS, Kind
from diffusion_mpc_ros.simulation.ground.surfaces import Discs, Plane
from diffusion_mpc_ros.simulation.model import ModelIndices, ModelOptions, build_model
from diffusion_mpc_ros.simulation.randomization import Randomization
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

UNEVEN = ("bumps", "cobbles", "stairs", "patches", "mixed")
MODELS = {name: build_model(ModelOptions(timestep=BATCH_TIMESTEP, ground=Ground.parse(name))) for name in KINDS}
POINTS = np.random.default_rng(0).uniform(-15.9, 15.9, size=(60, 2))


def standing(name: str, ticks: int, robots: int = 2) -> BatchSimulation:
    simulation = BatchSimulation(robots, seed=0, threads=1, ground=Ground.parse(name))
    for _ in range(ticks):
        simulation.step(np.tile(go2.DEFAULT_JOINT_POS, (robots, 1)))
    return simulation


@pytest.mark.parametrize("name", KINDS)
def test_heights_are_where_mujocos_rays_end(name):
    model, ground, top = MODELS[name], Ground.parse(name), 20.0
    data, hit = mujoco.MjData(model), np.zeros(1, dtype=np.int32)
    data.qpos[2:4] = 50.0, 1.0
    mujoco.mj_forward(model, data)
    down = np.array([0.0, 0.0, -1.0])
    ends = [top - mujoco.mj_ray(model, data, np.array([*point, top]), down, None, 1, -1, hit, None) for point in POINTS]
    np.testing.assert_allclose(ground.height(POINTS), ends, atol=1e-6)


@pytest.mark.parametrize("name", UNEVEN)
def test_the_same_seed_gives_the_same_ground_and_another_seed_another_one(name):
    ground, again, other = (Ground.parse(f"{name}@{seed}") for seed in (3, 3, 4))
    np.testing.assert_array_equal(ground.height(POINTS), again.height(POINTS))
    assert name == "stairs" or (ground.height(POINTS) != other.height(POINTS)).any()


@pytest.mark.parametrize("name", UNEVEN)
def test_harder_ground_is_rougher(name):
    if name != "patches":
        spans = [np.ptp(Ground.parse(f"{name}:{percent}%").height(POINTS)) for percent in (0, 30, 60)]
        # The patches of a mixed course lie 2 mm higher.
        assert spans[0] <= 0.002 and spans[1] < spans[2]
    assert Ground.parse(f"{name}:25%").difficulty == pytest.approx(0.25 * KINDS[name].hardest)


def test_a_crate_by_hand():
    # Its middle 1.3 m ahead, 0.62 m long and 0.92 m wide.
    points = np.array([[1.3, 0.0], [1.0, 0.45], [0.98, 0.0], [1.3, -0.47], [0.0, 0.0]])
    ground = Ground.parse("crate:0.4")
    assert ground.height(points).tolist() == [0.4, 0.4, 0.0, 0.0, 0.0]
    starts, heading = ground.starts(3, np.random.default_rng(0))
    assert not starts.any() and not heading.any()


def test_discs_mark_the_ground_and_touch_nothing():
    marks = Discs(np.array([[0.2, -0.135], [0.0, 3.0]]), 0.1)
    marked = Ground(Kind("plates", "-", 0.0, 0.0, 0.0, "", lambda *_: [Plane(), marks]))
    np.testing.assert_array_equal(marked.height(POINTS), 0.0)
    model = build_model(ModelOptions(ground=marked))
    assert model.geom("disc_1").pos[:2].tolist() == [0.0, 3.0]
    assert not model.geom("disc_0").contype.any() and not model.geom("disc_0").conaffinity.any()
    assert set(ModelIndices.of(model).ground) == {model.geom("floor").id}


def test_a_slope_by_hand():
    # Up along x at 15 degrees: tan(15 deg) = 0.26795; its normal leans back by sin(15 deg) = 0.25882.
    ground = Ground.parse("slope_up")
    np.testing.assert_allclose(ground.height(np.array([[2.0, 5.0], [-1.0, 0.0]])), [0.53590, -0.26795], atol=1e-5)
    np.testing.assert_allclose(ground.normal(np.array([2.0, 5.0])), [-0.25882, 0.0, 0.96593], atol=1e-5)
    # A robot that stands on it and looks uphill is pitched up: gravity pulls it back and down.
    quat = ground.orientation(np.zeros(2), np.array(0.0))
    np.testing.assert_allclose(rotations.projected_gravity(quat), [-0.25882, 0.0, -0.96593], atol=1e-5)
    # One that looks along it, uphill to the right, is pulled to the left.
    across = ground.orientation(np.zeros(2), np.array(np.pi / 2))
    np.testing.assert_allclose(rotations.projected_gravity(across), [0.0, 0.25882, -0.96593], atol=1e-5)


def test_stairs_by_hand():
    # Level to 0.8 m, then treads of 0.3 m; the landing after six steps; in the next flight down again.
    ground = Ground.parse("stairs:0.1")
    along = np.array([0.5, 0.9, 1.2, 2.2, 3.0, 3.4, 3.6, 5.7, -0.9])
    for axis in range(2):
        points = np.zeros((len(along), 2))
        points[:, axis] = along
        np.testing.assert_allclose(ground.height(points), [0.0, 0.1, 0.2, 0.5, 0.6, 0.5, 0.4, 0.0, 0.1])


@pytest.mark.parametrize("name", KINDS)
def test_robots_start_and_stand_on_it_at_their_height(name):
    simulation = standing(name, 0, robots=4)
    start = simulation.state
    np.testing.assert_allclose(start.foot_height.min(axis=1), go2.FOOT_RADIUS, atol=1e-3)
    heading = KINDS[name].heading
    if heading is not None:
        np.testing.assert_allclose(np.cos(rotations.yaw(start.base_quat_wxyz) - heading), 1.0, atol=1e-6)
    for _ in range(15):
        state = simulation.step(np.tile(go2.DEFAULT_JOINT_POS, (4, 1)))
    assert not state.fallen().any()
    # 0.297 m on flat ground; it sits a little lower on a slope and where feet sink in.
    np.testing.assert_allclose(state.base_height, 0.285, atol=0.05)


def test_a_robot_far_up_a_slope_has_not_fallen_and_one_in_it_has():
    simulation = standing("slope", 0)
    start = simulation.full_state
    start.qpos[0, :3] += [10.0, 0.0, 10.0 * np.tan(np.deg2rad(15.0))]
    start.qpos[1, 2] -= 0.25
    simulation.full_state = start
    state = simulation.step(np.tile(go2.DEFAULT_JOINT_POS, (2, 1)))
    assert state.base_pos[0, 2] > 2.5 and state.base_height[0] == pytest.approx(0.3, abs=0.03)
    simulation.full_state = start
    assert simulation.state.fallen().tolist() == [False, True]


@pytest.mark.parametrize("depth", [0.005, 0.015, 0.02])
def test_feet_sink_into_soft_ground_by_its_depth(depth):
    sunk = go2.FOOT_RADIUS - standing(f"soft:{depth}", 100).state.foot_height
    assert sunk.mean() == pytest.approx(depth, rel=0.2)


def test_slippery_ground_has_its_share_of_the_worlds_friction():
    # 0.3 in a world of 0.8; in one of 0.4 half of it.
    for world, expected in ((0.8, 0.3), (0.4, 0.15)):
        model = build_model(ModelOptions(friction=world, ground=Ground.parse("slippery:0.3")))
        assert model.geom("floor").friction[0] == pytest.approx(expected)
    robot = Go2Simulation(ModelOptions(ground=Ground.parse("patches:1")))
    robot.set_friction(0.4)
    # The plane, 80 soft patches, and 80 with a quarter of the world's friction.
    friction = robot.model.geom_friction[ModelIndices.of(robot.model).ground, 0]
    np.testing.assert_allclose(np.sort(friction), [0.1] * 80 + [0.4] * 81)


def test_randomised_robots_walk_the_same_slippery_ground_each_with_its_own_friction():
    ground = Ground.parse("slippery:0.2")
    simulation = BatchSimulation(8, seed=0, threads=1, ground=ground, randomization=Randomization(nominal_fraction=0.5))
    friction = np.array([model.geom("floor").friction[0] for model in simulation.models])
    np.testing.assert_allclose(friction[:4], 0.2)
    assert ((friction[4:] >= 0.05 - 1e-12) & (friction[4:] <= 0.5 + 1e-12)).all() and np.ptp(friction[4:]) > 0.0


@pytest.mark.parametrize("name", ["slope_across", "cobbles"])
@pytest.mark.parametrize("pose", list(Pose))
def test_the_simulated_robot_stands_and_lies_on_it(name, pose):
    robot = Go2Simulation(ModelOptions(ground=Ground.parse(name)))
    robot.reset(pose)
    height = robot.truth().height
    feet = np.array([robot.data.geom(leg).xpos for leg in go2.LEGS])
    assert (feet[:, 2] - robot.ground.height(feet[:, :2])).min() == pytest.approx(go2.FOOT_RADIUS + 0.002, abs=1e-6)
    assert robot.fallen() == (height < go2.FALL_HEIGHT)
    assert pose is Pose.LYING or height == pytest.approx(0.32, abs=0.03)


def test_every_kind_is_in_the_documentation():
    text = (Path(__file__).resolve().parents[2] / "docs" / "ground.md").read_text()
    assert [name for name in KINDS if f"`{name}`" not in text] == []


def test_triangles_show_the_ground():
    triangles = Ground.parse("slope").triangles(0.2, 0.1)
    # Four by four cells, two triangles each, all corners on the plane.
    assert triangles.shape == (32, 3, 3)
    np.testing.assert_allclose(triangles[..., 2], np.tan(np.deg2rad(15.0)) * triangles[..., 0], atol=1e-12)
    area = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])[:, 2].sum() / 2.0
    assert area == pytest.approx(0.4 * 0.4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sand", "'sand' is none of flat, slope"),
        ("slope:steep", r"'steep'.*0 \(easiest\) .. 30 \(hardest\) deg, or 0% .. 100%"),
        ("slope:31", "out of range"),
        ("slippery:0.05", r"0.8 \(easiest\) .. 0.1 \(hardest\)"),
        ("flat:1", "out of range"),
        ("mixed:nan", "out of range"),
        ("bumps:120%", "out of range"),
        ("bumps@-1", "no whole number from 0 on: '-1'"),
    ],
)
def test_what_is_no_ground_is_refused(text, words):
    with pytest.raises(ConfigurationError, match=words):
        Ground.parse(text)


def test_grounds_say_what_they_are():
    assert [str(Ground.parse(text)) for text in ("flat", "slope", "slope:7.5", "slippery:50%", "bumps@2")] == [
        "flat", "slope:15", "slope:7.5", "slippery:0.45", "bumps:0.06@2",
    ]  # fmt: skip
    assert FLAT.flat and not Ground.parse("slope").flat
