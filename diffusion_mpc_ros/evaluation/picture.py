"""``diffusion-mpc evaluate picture``: a strip of pictures of the simulated Go2 walking under the planner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.diffusion.artefact import load
from diffusion_mpc_ros.evaluation.closed_loop import AsynchronousController
from diffusion_mpc_ros.planners.diffusion_mpc import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.simulation.model import ModelOptions
from diffusion_mpc_ros.simulation.render import OffscreenCamera, strip, write_png
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose


@dataclass(frozen=True)
class PictureConfig:
    """``frames`` pictures, one every ``interval`` control ticks, once the robot has walked ``start`` ticks."""

    output: Path = Path("docs/walking.png")
    artefact: str = "go2"
    cmd_vel: tuple[float, float, float] = (0.7, 0.0, 0.0)
    start: int = 150
    interval: int = 5
    frames: int = 4
    width: int = 320
    height: int = 260


def main(config: PictureConfig) -> None:
    """Walk in lock-step and write the strip."""
    controller = AsynchronousController(DiffusionMpcPlanner(load(model_folder(config.artefact)), DiffusionMpcConfig()))
    simulation = Go2Simulation(ModelOptions(visual=True))
    simulation.reset(Pose.STANDING)
    lowstate, previous, pictures = simulation.lowstate(0.0), DEFAULT_JOINT_POS, []
    with OffscreenCamera(simulation, width=config.width, height=config.height) as camera:
        for tick in range(config.start + config.frames * config.interval):
            observation = observe(lowstate, np.array(config.cmd_vel), previous)
            previous = controller.joint_targets(tick, observation[None])[0]
            lowstate = simulation.step_control_tick(JointCommand.position(previous, WALKING_KP, WALKING_KD))
            if tick >= config.start and (tick - config.start) % config.interval == 0:
                pictures.append(camera.picture())
    config.output.parent.mkdir(parents=True, exist_ok=True)
    write_png(config.output, strip(pictures))
