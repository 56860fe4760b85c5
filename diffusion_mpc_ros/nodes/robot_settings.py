"""What can be set of more than one node: where the robot is, which one it is, how its frames are called."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.core.settings import Settings, setting

# Stands for a prefix of frames that follows the namespace.
FRAME_PREFIX = "auto"


@dataclass(frozen=True)
class RobotLinkSettings(Settings):
    """Where the Unitree topics are."""

    network_interface: str = setting(
        "Network card of the Unitree topics; lo in simulation.", "lo", option="network_interface"
    )
    domain_id: int = setting(
        "DDS domain of the Unitree topics: 0 on the robot, 1 in simulation.", 1, low=0, high=230, option="domain_id"
    )
    wait_for_interface: float = setting(
        "How long to wait for a network card that is not there or has no IPv4 address yet; 0: refuse at once. For a "
        "start at boot (systemd) take longer than the card needs, such as 120.",
        0.0,
        unit="s",
        low=0.0,
        high=3600.0,
        option="wait_for_interface",
    )


@dataclass(frozen=True)
class RobotSettings(RobotLinkSettings):
    """Which robot, and where."""

    robot: str = setting(
        "Robot profile in config/robots: go2, or unitree_mujoco for Unitree's own simulator, which you start yourself.",
        "go2",
        option="robot",
    )
    simulator_on_network: bool = setting(
        "The simulator of the robot profile runs on another computer: no real robot answers on the network card.",
        False,
        option="simulator_on_network",
    )


@dataclass(frozen=True)
class FrameSettings(Settings):
    """Names of frames (REP 105)."""

    base_frame: str = setting("Frame of the robot's base; IMU and feet are given in it.", "base")
    frame_prefix: str = setting(
        "Put before the names of frames; auto: <namespace>/, nothing without a namespace.", FRAME_PREFIX
    )
