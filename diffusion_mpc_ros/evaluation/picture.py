"""``diffusion-mpc evaluate picture``: a strip of pictures of the simulated Go2 walking under the planner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.diffusion.prior import load
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
from diffusion_mpc_ros.policies.closed_loop import AsynchronousController
from diffusion_mpc_ros.simulation.ground.ground import Ground
from diffusion_mpc_ros.simulation.model import ModelOptions
from diffusion_mpc_ros.simulation.render import OffscreenCamera, strip, write_png
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose


@dataclass(frozen=True)
class PictureConfig:
    """``frames`` pictures, one every ``interval`` control ticks, once the robot has walked ``start`` ticks.

    ``ground``: NAME[:DIFFICULTY][@SEED] (docs/ground.md).
    """

    output: Path = Path("docs/walking.png")
    artefact: str = "go2"
    cmd_vel: tuple[float, float, float] = (0.7, 0.0, 0.0)
    ground: str = "flat"
    start: int = 150
    interval: int = 5
    frames: int = 4
    width: int = 320
    height: int = 260


def main(config: PictureConfig) -> None:
    """Walk in lock-step and write the strip."""
    controller = AsynchronousController(DiffusionMpcPlanner(load(model_folder(config.artefact)), DiffusionMpcConfig()))
    simulation = Go2Simulation(ModelOptions(visual=True, ground=Ground.parse(config.ground)))
    simulation.reset(Pose.STANDING)
    targets, command, pictures = DEFAULT_JOINT_POS, np.array([config.cmd_vel]), []
    with OffscreenCamera(simulation, width=config.width, height=config.height) as camera:
        for tick in range(config.start + config.frames * config.interval):
            targets = controller.joint_targets(simulation.robot_state(tick, targets).batched(), command)[0]
            simulation.step_control_tick(JointCommand.position(targets, WALKING_KP, WALKING_KD))
            if tick >= config.start and (tick - config.start) % config.interval == 0:
                pictures.append(camera.picture())
    config.output.parent.mkdir(parents=True, exist_ok=True)
    write_png(config.output, strip(pictures))
