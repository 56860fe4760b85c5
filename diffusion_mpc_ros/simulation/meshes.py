"""What the Go2 looks like, from its MuJoCo model: for viewers that draw it themselves."""

from __future__ import annotations

import fast_simplification
import mujoco
import numpy as np

from diffusion_mpc_ros.core.go2 import JOINT_NAMES
from diffusion_mpc_ros.core.links import Link, Mesh
from diffusion_mpc_ros.simulation.model import BASE_BODY, ModelOptions, build_model

# MuJoCo's geom group of the meshes that one sees.
_VISUAL_GROUP = 2
# The files hold 400,000 triangles; a tenth of them looks the same on a screen. No mesh falls below the second number.
DETAIL, MIN_FACES = 0.1, 200
# Vertices closer together than this [m] are one: the files give each triangle its own.
_WELD = 5e-4


def robot_links(detail: float = DETAIL) -> list[Link]:
    """Return the base and the twelve links that the joints move, with ``detail`` in (0, 1] of their triangles."""
    model = build_model(ModelOptions(visual=True))
    bodies = [model.body(BASE_BODY).id, *(model.joint(name).bodyid[0] for name in JOINT_NAMES)]
    shapes: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    links = []
    for index, body in enumerate(bodies):
        parent = bodies.index(model.body_parentid[body]) if index else -1
        axis = model.jnt_axis[model.body_jntadr[body]] if index else np.zeros(3)
        offset = model.body_pos[body] if index else np.zeros(3)
        meshes = tuple(_mesh(model, geom, detail, shapes) for geom in _visible(model, body))
        links.append(Link(model.body(body).name, parent, np.array(offset), np.array(axis), meshes))
    return links


def _visible(model: mujoco.MjModel, body: int) -> list[int]:
    first = model.body_geomadr[body]
    geoms = range(first, first + model.body_geomnum[body])
    kind = mujoco.mjtGeom.mjGEOM_MESH
    return [geom for geom in geoms if model.geom_group[geom] == _VISUAL_GROUP and model.geom_type[geom] == kind]


def _mesh(model: mujoco.MjModel, geom: int, detail: float, shapes: dict[int, tuple[np.ndarray, np.ndarray]]) -> Mesh:
    number = model.geom_dataid[geom]
    if number not in shapes:
        shapes[number] = _simplified(model, number, detail)
    vertices, faces = shapes[number]
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    placed = vertices @ rotation.reshape(3, 3).T + model.geom_pos[geom]
    material = model.geom_matid[geom]
    color = model.geom_rgba[geom] if material < 0 else model.mat_rgba[material]
    return Mesh(placed.astype(np.float32), faces, np.array(color[:3], dtype=np.float64))


def _simplified(model: mujoco.MjModel, mesh: int, detail: float) -> tuple[np.ndarray, np.ndarray]:
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count]
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    cells = np.round(vertices / _WELD).astype(np.int64)
    _, kept, welded = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    faces = welded.ravel()[model.mesh_face[first : first + count]]
    corners = faces[:, [0, 1, 2]] != faces[:, [1, 2, 0]]
    faces = faces[corners.all(axis=1)]
    target = max(int(detail * len(faces)), min(MIN_FACES, len(faces)))
    vertices, faces = fast_simplification.simplify(
        np.ascontiguousarray(vertices[kept], np.float32), faces.astype(np.int32), target_count=target
    )
    return vertices, faces.astype(np.uint32)
