"""The three-dimensional picture: meshes that move, lines, arrows, points.

The robot stays in the middle and the world moves under it, so that it does not walk out of anybody's picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import viser

from diffusion_mpc_ros.core.links import Link, joint_quaternions
from diffusion_mpc_ros.view.scene import Drawing, Figure

BACKGROUND = np.array([0.10, 0.11, 0.13])
GHOST, CHOSEN, CANDIDATE = (64, 156, 255), (255, 170, 30), (70, 130, 220)
WANTED, ACTUAL, FORCE = (255, 170, 30), (80, 220, 140), (240, 80, 130)
LOADED, FREE = (80, 220, 140), (110, 120, 135)
# The model's black parts on a dark background.
DARKEST = 0.16
GHOST_OPACITY, GHOST_SHOWN = 0.16, 0.03  # [m], a ghost that is nearer to the robot is not drawn
# Squares of the ground [m]: it moves by whole ones.
SQUARE = 1.0
NOTHING = np.zeros((1, 2, 3), np.float32)


class Stage:
    """Draws into the scene of a viser server, for all browsers."""

    def __init__(self, scene: viser.SceneApi, links: Sequence[Link]) -> None:
        scene.set_up_direction("+z")
        # Its pictures come from the internet, which is not here.
        scene.configure_environment_map(None)
        scene.add_light_hemisphere("/sky", sky_color=(235, 240, 255), ground_color=(70, 70, 80), intensity=1.6)
        self._ground = scene.add_grid(
            "/ground", 60.0, 60.0, cell_size=0.25, section_size=SQUARE, fade_distance=14.0,
            cell_color=(52, 56, 64), section_color=(84, 90, 102), shadow_opacity=0.35,
        )  # fmt: skip
        self._world = scene.add_frame("/world", show_axes=False)
        self._robot = RobotFigure(scene, "/world/robot", links)
        self._ghost = RobotFigure(scene, "/world/ghost", links, GHOST, GHOST_OPACITY)
        self._candidates = Lines(scene, "/world/candidates", CANDIDATE, 0.0025)
        self._chosen = Lines(scene, "/world/chosen", CHOSEN, 0.011)
        self._trail = Lines(scene, "/world/trail", FREE, 0.004)
        self._feet = scene.add_point_cloud(
            "/world/feet", np.zeros((4, 3)), np.full((4, 3), FREE), point_size=0.034, point_shape="circle"
        )
        self._forces = Arrows(scene, "/world/forces", FORCE, 0.006)
        self._wanted = Arrows(scene, "/world/wanted", WANTED, 0.012)
        self._actual = Arrows(scene, "/world/actual", ACTUAL, 0.008)

    def show(self, drawing: Drawing, trail: np.ndarray) -> None:
        """Show ``drawing``, and where the base has been: ``trail (P, 3)`` [m], the oldest point first."""
        x, y, _ = drawing.robot.position
        level = drawing.feet[drawing.contact, 2].min() if drawing.contact.any() else drawing.feet[:, 2].min()
        self._world.position = (-x, -y, 0.022 - level)
        self._ground.position = (-(x % SQUARE), -(y % SQUARE), 0.0)
        self._robot.show(drawing.robot)
        self._show_ghost(drawing)
        paths = np.zeros((0, 2, 4, 3)) if drawing.paths is None else drawing.paths
        self._candidates.show(paths[1:])
        self._chosen.show(paths[:1])
        self._trail.show(trail[None, :, None] if len(trail) > 1 else np.zeros((0, 2, 1, 3)), backwards=True)
        self._feet.points = drawing.feet
        self._feet.colors = np.where(drawing.contact[:, None], LOADED, FREE).astype(np.uint8)
        self._forces.show(drawing.forces)
        self._wanted.show(drawing.wanted[None])
        self._actual.show(drawing.actual[None])

    def _show_ghost(self, drawing: Drawing) -> None:
        ghost, robot = drawing.ghost, drawing.robot
        away = ghost is not None and np.linalg.norm(ghost.position - robot.position) >= GHOST_SHOWN
        self._ghost.visible = bool(away)
        if away:
            self._ghost.show(ghost)


class RobotFigure:
    """A robot of meshes below the node ``name``, in its own colours or in one, translucent."""

    def __init__(
        self,
        scene: viser.SceneApi,
        name: str,
        links: Sequence[Link],
        color: tuple[int, int, int] | None = None,
        opacity: float | None = None,
    ) -> None:
        self._links = links
        self._nodes, names = [], []
        for link in links:
            path = name if link.parent < 0 else f"{names[link.parent]}/{link.name}"
            names.append(path)
            self._nodes.append(scene.add_frame(path, show_axes=False, position=link.offset))
            for index, mesh in enumerate(link.meshes):
                own = tuple(int(255 * max(part, DARKEST)) for part in mesh.color)
                scene.add_mesh_simple(
                    f"{path}/mesh_{index}", mesh.vertices, mesh.faces, color=color or own, opacity=opacity,
                    cast_shadow=color is None, receive_shadow=color is None,
                )  # fmt: skip

    @property
    def visible(self) -> bool:
        """Whether it is drawn."""
        return self._nodes[0].visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        self._nodes[0].visible = visible

    def show(self, figure: Figure) -> None:
        """Take the pose of ``figure``."""
        base = self._nodes[0]
        base.position, base.wxyz = figure.position, figure.quat_wxyz
        for node, wxyz in zip(self._nodes[1:], joint_quaternions(self._links, figure.joint_pos)):
            node.wxyz = wxyz


class Lines:
    """Paths of one colour that fade along their way into the background."""

    def __init__(self, scene: viser.SceneApi, name: str, color: tuple[int, int, int], thickness: float) -> None:
        self._color = np.array(color) / 255.0
        self._shape: tuple[int, ...] = ()
        self._handle = scene.add_line_segments(
            name, NOTHING, NOTHING.astype(np.uint8), thickness=thickness, visible=False
        )

    def show(self, paths: np.ndarray, *, backwards: bool = False) -> None:
        """Show ``paths (N, T, L, 3)`` [m]: N x L lines of T points; ``backwards``: faint at the beginning."""
        candidates, rows, lines, _ = paths.shape
        self._handle.visible = candidates > 0
        if not candidates:
            return
        if paths.shape != self._shape:
            self._shape = paths.shape
            share = np.linspace(1.0, 0.12, rows)[:: -1 if backwards else 1]
            shades = share[:, None] * self._color + (1.0 - share[:, None]) * BACKGROUND
            pairs = np.stack([shades[:-1], shades[1:]], axis=1)[None, :, None]
            colors = np.broadcast_to(pairs, (candidates, rows - 1, lines, 2, 3))
            self._handle.colors = (255.0 * colors).astype(np.uint8).reshape(-1, 2, 3)
        segments = np.stack([paths[:, :-1], paths[:, 1:]], axis=3)
        self._handle.points = segments.reshape(-1, 2, 3).astype(np.float32)


class Arrows:
    """Arrows of one colour; those of NaN are left out."""

    def __init__(self, scene: viser.SceneApi, name: str, color: tuple[int, int, int], radius: float) -> None:
        self._handle = scene.add_arrows(
            name, np.array([[[0.0] * 3, [0.0, 0.0, 1e-3]]]), color, shaft_radius=radius, head_radius=2.2 * radius,
            head_length=4.0 * radius, visible=False,
        )  # fmt: skip

    def show(self, arrows: np.ndarray) -> None:
        """Show ``arrows (K, 2, 3)`` [m]."""
        known = arrows[np.isfinite(arrows).all(axis=(1, 2))]
        self._handle.visible = len(known) > 0
        if len(known):
            self._handle.points = known.astype(np.float32)
