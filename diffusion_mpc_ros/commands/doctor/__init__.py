"""Check what the controller needs: this machine, the network, ROS, the robot (or the simulator), the model.

A line for each check, and what to do where it is not ok. Nothing is changed, nothing is sent to the motors, no root is
needed. Without --robot a silent domain only means that no simulator runs. Exit status: 0 nothing is bad (there may be
warnings), 1 something is, 2 a setting does not fit.

examples:
  diffusion-mpc doctor                              this machine, and the simulator if one runs
  diffusion-mpc doctor --robot                      the robot, on the card that is on 192.168.123.0/24
  diffusion-mpc doctor --network-interface eth0     the robot, on this card
  diffusion-mpc doctor --profile unitree_mujoco     Unitree's own simulator
  diffusion-mpc doctor --quick --json -             for programs, in a second or two
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands.doctor import network, report
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import run_checks
from diffusion_mpc_ros.commands.doctor.table import CHECKS
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.machine import describe_machine
from diffusion_mpc_ros.go2.profile import GO2, check_place, load_profile


@dataclass(frozen=True)
class Config:
    """What to check."""

    network_interface: str = ""
    """Network card of the Unitree topics; default lo, with --robot the one on 192.168.123.0/24."""
    domain_id: int | None = None
    """DDS domain of the Unitree topics; default 1 on lo (simulation), else 0 (the robot)."""
    profile: str = GO2.name
    """Robot profile in config/robots: go2, or unitree_mujoco for Unitree's own simulator."""
    simulator_on_network: bool = False
    """The simulator of --profile runs on another computer: no real robot answers on the network card."""
    robot: bool = False
    """A robot must be there: silence is bad. Any network card but lo implies it."""
    artefact: str = ""
    """Model artefact; default that of config/planner.yaml."""
    quick: bool = False
    """Leave out what takes more than half a second."""
    json: str = ""
    """Write the report to this file, - for the standard output instead of the table."""


def main(config: Config) -> int:
    """Check everything; 1 when something is bad."""
    report.check_target(config.json)
    with choose(config) as context, Console(stderr=True).status("checking ...") as progress:
        findings = run_checks(CHECKS, context, lambda name: progress.update(f"checking {name} ..."))
    if config.json != report.STDOUT:
        report.print_table(findings, Console())
    if config.json:
        chosen = {name: getattr(context, name) for name in ("network_interface", "domain_id", "robot", "quick")}
        chosen["profile"] = context.profile.name
        report.write_json(report.as_json(findings, chosen, describe_machine()), config.json)
    return 0 if report.is_healthy(findings) else 1


def choose(config: Config) -> Context:
    """Return the card and the domain that ``config`` leaves open; raises ConfigurationError for what does not fit."""
    interface = config.network_interface
    if not interface:
        interface = network.robot_card(network.read_cards()) if config.robot else bringup.SIMULATION_INTERFACE
    loopback = interface == bringup.SIMULATION_INTERFACE
    domain_id = config.domain_id
    if domain_id is None:
        domain_id = bringup.SIMULATION_DOMAIN if loopback else bringup.ROBOT_DOMAIN
    if not 0 <= domain_id <= bringup.MAX_DOMAIN:
        raise ConfigurationError(f"--domain-id {domain_id} is no DDS domain: 0 .. {bringup.MAX_DOMAIN}")
    profile = load_profile(config.profile)
    check_place(profile, loopback, config.simulator_on_network)
    robot = config.robot or not loopback
    return Context(interface, domain_id, robot, config.artefact, config.quick, profile)
