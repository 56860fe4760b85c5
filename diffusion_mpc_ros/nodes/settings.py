"""What can be set of every node: one dataclass each. ROS declarations, ``config/*.yaml``, command line and docs follow.

Those of reward_composer are in reward_settings.py. Nothing of ROS is imported: ``bringup`` checks before any process
starts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from diffusion_mpc_ros.control.gamepad_layouts import LAYOUT_NAMES
from diffusion_mpc_ros.core.declared_model import DeclaredModel, Position
from diffusion_mpc_ros.core.go2 import MAX_COMMAND, NUM_JOINTS, ROBOT_CONTROLLERS
from diffusion_mpc_ros.core.settings import Settings, same, setting
from diffusion_mpc_ros.nodes.robot_settings import FrameSettings, RobotLinkSettings, RobotSettings
from diffusion_mpc_ros.planners.diffusion_mpc.settings import DiffusionMpcSettings
from diffusion_mpc_ros.planners.settings import PlanningSettings
from diffusion_mpc_ros.realtime.settings import TimingSettings

Velocity = tuple[float, float, float]
Joints = tuple[float, float, float, float, float, float, float, float, float, float, float, float]


def _priority(default: int) -> Any:
    """Declare a priority: the nearer to the motors, the higher."""
    text = "SCHED_FIFO priority of what has a deadline, where the system grants it; 0: none."
    return setting(text, default, low=0, high=98)


def _velocity(description: str, default: Velocity) -> Any:
    """Declare vx, vy and yaw rate, or their change."""
    return setting(description, default, low=0.0, high=100.0)


@dataclass(frozen=True)
class Go2SimulatorSettings(RobotLinkSettings):
    """go2_simulator: a MuJoCo Go2 in real time behind the Unitree topics."""

    viewer: bool = setting("Open MuJoCo's viewer; needs a display.", False, option="viewer")
    friction: float = setting("Sliding friction coefficient of the ground.", 0.8, low=0.05, high=3.0, live=True)
    ground: str = setting("What the robot stands on, NAME[:DIFFICULTY][@SEED] (docs/ground.md).", "flat")
    payload: float = setting("Payload fixed to the base.", 0.0, unit="kg", low=0.0, high=20.0, live=True)
    payload_position: Position = setting(
        "Where the payload is, in the base frame: x, y, z; by default where `diffusion-mpc declare payload` puts it.",
        DeclaredModel.payload_position, unit="m", low=-0.5, high=0.5, live=True,
    )  # fmt: skip
    motor_strength: Joints = setting(
        "Share of the torque that each motor gives: FR, FL, RR, RL; hip, thigh, calf.",
        (1.0,) * NUM_JOINTS, low=0.05, high=2.0, live=True,
    )  # fmt: skip
    robot_controller: str = setting(
        "The robot's own controller that is active; empty: none.", "", choices=("", *ROBOT_CONTROLLERS), live=True
    )
    releases_needed: int = setting("How many releases the robot's own controller takes.", 1, low=1, high=100)
    realtime_priority: int = _priority(50)


@dataclass(frozen=True)
class StateEstimatorSettings(FrameSettings, RobotSettings):
    """state_estimator: rt/lowstate in; RobotState, joint states, IMU and odometry out, 50 times a second."""

    odom_frame: str = setting("Odometry frame.", "odom")
    realtime_priority: int = _priority(30)


@dataclass(frozen=True)
class PlannerSettings(FrameSettings, PlanningSettings):
    """planner: robot states, velocity commands and reward weights in, plans out."""

    max_command: Velocity = _velocity(
        "Bounds of the vx, vy [m/s] and yaw rate [rad/s] that are planned for.", MAX_COMMAND
    )
    max_command_rate: Velocity = _velocity("Bounds of their change [m/s^2, m/s^2, rad/s^2].", (2.0, 2.0, 4.0))
    realtime_priority: int = _priority(10)


@dataclass(frozen=True)
class CommandPublisherSettings(TimingSettings, RobotSettings):
    """command_publisher: plans in, rt/lowcmd out at 50 Hz, watched by the safety supervisor (safety.yaml)."""

    sim: bool = setting("The robot is simulated, on the loopback; autostart needs that.", False, option="sim")
    autostart: bool = setting("Stand up and walk without being asked; in simulation only.", False, option="autostart")
    artefact: str = setting(
        "The planner's model artefact; checked before arming. Empty: plans of any artefact.",
        DiffusionMpcSettings.artefact,
    )
    dry_run: bool = setting(
        "Do everything, but send the commands to rt/lowcmd_dry_run, where no robot listens.", False, option="dry_run"
    )
    release_robot_controller: bool = setting("Make the robot's own controller lie down and let go at the start.", False)
    restore_robot_controller: bool = setting("Give the motors back to the released controller at the end.", False)
    stick_velocity: Velocity = _velocity("Of a stick at its stop: vx, vy [m/s], yaw rate [rad/s].", MAX_COMMAND)
    command_deadband: float = setting(
        "Part of a stick's range around its middle that counts as zero.", 0.08, low=0.0, high=0.5
    )
    cmd_vel_timeout: float = setting(
        "Age from which cmd_vel, joy or the remote counts as silent.", 0.5, unit="s", low=0.05, high=5.0
    )
    gamepad_layout: str = setting("Layout of the gamepad on joy.", "auto", choices=LAYOUT_NAMES)
    realtime_priority: int = _priority(60)

    #: What the planner says for both: its settings of these names.
    OWNED_BY_PLANNER = ("artefact", *(field.name for field in dataclasses.fields(TimingSettings)))


@dataclass(frozen=True)
class ViewSettings(Settings):
    """view: the robot in a web browser, and as markers for rviz."""

    frame_prefix: str = same(FrameSettings, "frame_prefix")
    odom_frame: str = setting("Odometry frame, in which everything is drawn.", StateEstimatorSettings.odom_frame)
    browser: bool = setting("Serve the view to browsers; else only markers for rviz.", True, option="view")
    address: str = setting(
        "Address to listen at: 127.0.0.1 for browsers on this machine, 0.0.0.0 for all networks, then with a token.",
        "127.0.0.1",
    )
    port: int = setting("TCP port to listen at; 0: any that is free.", 8080, low=0, high=65535)
    rate: float = setting("Pictures a second.", 20.0, unit="Hz", low=1.0, high=50.0)
