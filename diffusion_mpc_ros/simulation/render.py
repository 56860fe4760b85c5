"""Pictures of the simulated robot: off-screen to an array or a PNG, or in MuJoCo's viewer."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import mujoco
import numpy as np
from PIL import Image

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation.model import BASE_BODY
from diffusion_mpc_ros.simulation.robot import Go2Simulation

_MAX_GEOMS = 2000
_VIEWER_PERIOD = 1.0 / 60.0
# Share of the way to the robot that a gliding camera goes between two pictures.
_GLIDE = 0.25
# EGL renders without a display, on a graphics card or in software; OSMesa in software only.
_GL_BACKENDS = ("egl", "osmesa")
# MuJoCo's geom groups: 2 the meshes one sees, 3 the collision bodies.
_VISUAL_GROUP, _COLLISION_GROUP = 2, 3


class OffscreenCamera:
    """Renders a simulation without a display; a camera beside the robot follows its base.

    Build the simulation with ``ModelOptions(visual=True)`` to see the robot's meshes instead of its collision bodies.
    ``azimuth``, ``elevation`` [deg] and ``distance`` [m] place the camera; ``level`` [m]: it glides beside the robot at
    this height, so that the base is seen to rise and sink, instead of following it up and down. ``samples`` of each
    pixel smooth the edges, ``shadow_size`` [pixels] those of shadows; both cost most of the time. Raises
    :class:`ConfigurationError` when this machine has no off-screen OpenGL. Close it, or use it in a ``with`` statement.
    """

    def __init__(
        self,
        simulation: Go2Simulation,
        *,
        width: int = 640,
        height: int = 480,
        azimuth: float = 120.0,
        elevation: float = -15.0,
        distance: float = 1.3,
        level: float | None = None,
        samples: int = 4,
        shadow_size: int = 4096,
    ) -> None:
        self._simulation = simulation
        self._gl = _offscreen_gl(width, height)
        model = simulation.model
        model.vis.quality.offsamples, model.vis.quality.shadowsize = samples, shadow_size
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._scene = mujoco.MjvScene(model, _MAX_GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = True
        self._options = mujoco.MjvOption()
        meshes = bool(model.nmesh)
        self._options.geomgroup[_VISUAL_GROUP] = meshes
        self._options.geomgroup[_COLLISION_GROUP] = not meshes
        self._camera = mujoco.MjvCamera()
        self._level = level
        if level is None:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
            self._camera.trackbodyid = model.body(BASE_BODY).id
        else:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
            self._camera.lookat[:] = *simulation.data.qpos[:2], level
        self._camera.azimuth, self._camera.elevation, self._camera.distance = azimuth, elevation, distance
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def picture(self) -> np.ndarray:
        """Return the simulation as it is now, ``(height, width, 3)`` uint8."""
        self._gl.make_current()
        if self._level is not None:
            self._camera.lookat[:2] += _GLIDE * (self._simulation.data.qpos[:2] - self._camera.lookat[:2])
        mujoco.mjv_updateScene(
            self._simulation.model,
            self._simulation.data,
            self._options,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        pixels = np.empty((self._viewport.height, self._viewport.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._viewport, self._context)
        # OpenGL counts rows from the bottom.
        return pixels[::-1]

    def close(self) -> None:
        """Free the OpenGL context."""
        self._context.free()
        self._gl.free()

    def __enter__(self) -> OffscreenCamera:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _offscreen_gl(width: int, height: int):
    """Return a current OpenGL context without a window; raises ConfigurationError naming what each backend said."""
    failures = []
    for backend in _GL_BACKENDS:
        # PyOpenGL reads its platform once, when it is first imported.
        os.environ.setdefault("PYOPENGL_PLATFORM", backend)
        try:
            context = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
            context.make_current()
            return context
        except (ImportError, AttributeError, RuntimeError, OSError) as error:
            failures.append(f"{backend}: {type(error).__name__}: {error}")
            if os.environ.get("PYOPENGL_PLATFORM") == backend:
                del os.environ["PYOPENGL_PLATFORM"]
    raise ConfigurationError(
        "no off-screen OpenGL on this machine; install EGL (Debian, Ubuntu: libegl1 libgl1-mesa-dri) or OSMesa "
        f"(libosmesa6). {'; '.join(failures)}"
    )


def strip(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of equal height side by side, ``(height, sum of widths, 3)``."""
    return np.concatenate(list(pictures), axis=1)


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture ``(height, width, 3)`` uint8 as a PNG file."""
    Image.fromarray(picture).save(path, format="PNG", optimize=True)


class Viewer:
    """MuJoCo's interactive window on a running simulation; call :meth:`sync` after every physics step."""

    def __init__(self, simulation: Go2Simulation) -> None:
        """Open the window; raises :class:`ConfigurationError` where there is no display."""
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise ConfigurationError("the viewer needs a display (DISPLAY, WAYLAND_DISPLAY); start with viewer:=false")
        from mujoco import viewer

        self._simulation = simulation
        self._next = 0.0
        self._handle = viewer.launch_passive(simulation.model, simulation.data, show_left_ui=False, show_right_ui=False)

    def sync(self) -> None:
        """Show the present state, at most 60 times a simulated second."""
        time = self._simulation.time
        if time >= self._next or time < self._next - 2 * _VIEWER_PERIOD:
            self._next = time + _VIEWER_PERIOD
            self._handle.sync()

    def close(self) -> None:
        """Close the window."""
        self._handle.close()
