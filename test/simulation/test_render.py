"""Pictures: a real one where the machine can, a clear error where it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation import render
from diffusion_mpc_ros.simulation.model import ModelOptions
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose


def test_a_picture_shows_the_robot_or_the_error_says_what_to_install():
    simulation = Go2Simulation(ModelOptions(visual=True))
    simulation.reset(Pose.STANDING)
    error = ""
    try:
        camera = render.OffscreenCamera(simulation, width=160, height=120)
    except ConfigurationError as raised:
        error = str(raised)
    if error:
        assert "libegl1" in error
        return
    with camera:
        with_robot = camera.picture()
        simulation.data.qpos[2] = 50.0
        simulation.data.qpos[0] = 3.0
        again = camera.picture()
    assert with_robot.shape == (120, 160, 3) and with_robot.dtype == np.uint8
    # Sky above, the pattern of the floor below: neither is a single colour.
    assert with_robot[:10].mean() > 100 and np.ptp(with_robot[-40:]) > 30
    assert again.shape == with_robot.shape


def test_without_opengl_the_error_names_what_was_tried(monkeypatch):
    monkeypatch.setattr(render, "_GL_BACKENDS", ("no_such_backend",))
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    with pytest.raises(ConfigurationError, match="libegl1.*no_such_backend: ModuleNotFoundError"):
        render.OffscreenCamera(Go2Simulation())


def test_a_viewer_without_a_display_is_refused(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ConfigurationError, match="viewer:=false"):
        render.Viewer(Go2Simulation())


def test_a_strip_is_written_as_png(tmp_path):
    left, right = np.zeros((4, 3, 3), np.uint8), np.full((4, 5, 3), 200, np.uint8)
    render.write_png(tmp_path / "strip.png", render.strip([left, right]))
    read = np.asarray(Image.open(tmp_path / "strip.png"))
    assert read.shape == (4, 8, 3)
    assert (read[:, :3] == 0).all() and (read[:, 3:] == 200).all()
