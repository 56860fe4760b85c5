"""Make the real robot lie down and its own controller let go of the motors; command_publisher needs that to start.

Two programs that command the motors at once throw the robot over. Hold the robot or put it on a stand the first time.
With --select, give the motors back to one of the robot's own controllers instead; end command_publisher before, and
stand clear: the robot may stand up at once.

examples:
  diffusion-mpc release --network-interface eth0
  diffusion-mpc release --network-interface eth0 --select normal
"""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros import bringup


@dataclass(frozen=True)
class Config:
    """Where the robot is."""

    network_interface: str
    """Network card of the Unitree topics."""
    domain_id: int = bringup.ROBOT_DOMAIN
    """DDS domain of the Unitree topics."""
    select: str = ""
    """Give the motors back to this controller of the robot (normal, ai, advanced, mcf) instead of releasing."""


def main(config: Config) -> None:
    """Release, or select, and say what was or is active; raises InterfaceError when the robot does not do it."""
    from diffusion_mpc_ros.go2.domain import open_domain
    from diffusion_mpc_ros.go2.motion_switcher import MotionSwitcher

    with open_domain(config.network_interface, config.domain_id) as domain, MotionSwitcher(domain) as switcher:
        if config.select:
            print(f"the robot's controller {switcher.select(config.select)!r} commands the motors")
            return
        mode = switcher.release()
    print(f"the robot's controller {mode!r} has let go" if mode else "no controller of the robot's own was active")
