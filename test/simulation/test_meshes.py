"""The robot's links for viewers: the model's kinematics, and few enough triangles."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.go2 import JOINT_NAMES
from diffusion_mpc_ros.core.links import joint_quaternions
from diffusion_mpc_ros.simulation.meshes import robot_links
from diffusion_mpc_ros.simulation.model import build_model


@pytest.fixture(scope="module")
def links():
    return robot_links()


def test_links_are_the_base_and_what_each_joint_moves(links):
    assert [link.name for link in links] == ["base", *(name.removesuffix("_joint") for name in JOINT_NAMES)]
    assert [link.parent for link in links] == [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11]


def test_links_stand_where_the_model_has_them(links):
    model = build_model()
    data = mujoco.MjData(model)
    joint_pos = np.random.default_rng(0).uniform(-0.5, 0.5, 12)
    data.qpos[3:7] = [1.0, 0.0, 0.0, 0.0]
    for name, angle in zip(JOINT_NAMES, joint_pos):
        data.joint(name).qpos[0] = angle
    mujoco.mj_kinematics(model, data)
    positions, turns = [data.body("base").xpos], [np.eye(3)]
    for link, wxyz in zip(links[1:], joint_quaternions(links, joint_pos)):
        positions.append(positions[link.parent] + turns[link.parent] @ link.offset)
        turns.append(turns[link.parent] @ rotations.rotation_matrix(wxyz))
        np.testing.assert_allclose(positions[-1], data.body(link.name).xpos, atol=1e-9)
        np.testing.assert_allclose(turns[-1].ravel(), data.body(link.name).xmat, atol=1e-9)


def test_meshes_look_like_the_robot_and_are_light(links):
    assert sum(len(mesh.faces) for link in links for mesh in link.meshes) < 40_000
    base = np.concatenate([mesh.vertices for mesh in links[0].meshes])
    size = np.ptp(base, axis=0)
    assert 0.4 < size[0] < 0.8 and 0.15 < size[1] < 0.3 and 0.1 < size[2] < 0.3
    for link in links:
        for mesh in link.meshes:
            assert mesh.faces.max() < len(mesh.vertices) and ((mesh.color >= 0.0) & (mesh.color <= 1.0)).all()
