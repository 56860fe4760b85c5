"""Check what a robot or a simulation needs on this machine; each line says what was found and, if bad, what to do.

examples:
  diffusion-mpc doctor
  diffusion-mpc doctor --network-interface eth0 --domain-id 0
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import DiffusionMpcError, InterfaceError
from diffusion_mpc_ros.core.resources import model_folder

LOWSTATE_TIMEOUT = 2.0


@dataclass(frozen=True)
class Config:
    """What to check."""

    network_interface: str = bringup.SIMULATION_INTERFACE
    """Network card of the Unitree topics."""
    domain_id: int = bringup.SIMULATION_DOMAIN
    """DDS domain of the Unitree topics: 1 in simulation, 0 on the robot."""
    artefact: str = ""
    """Model artefact; default that of config/planner.yaml."""


def main(config: Config) -> int:
    """Print the findings; 1 when something is wrong."""
    checks: dict[str, Callable[[], str]] = {
        "interfaces": check_interfaces,
        "middleware": check_middleware,
        "Unitree domain": lambda: check_domain(config.network_interface, config.domain_id),
        "model artefact": lambda: check_artefact(config.artefact),
    }
    table = Table("check", "", "finding", title="diffusion-mpc doctor")
    healthy = True
    for name, check in checks.items():
        try:
            finding, mark = check(), "ok"
        except DiffusionMpcError as error:
            finding, mark, healthy = str(error), "bad", False
        table.add_row(name, mark, escape(finding))
    Console().print(table)
    return 0 if healthy else 1


def check_interfaces() -> str:
    """The message package is built and importable."""
    try:
        importlib.import_module("diffusion_mpc_msgs.msg")
    except ImportError as error:
        raise InterfaceError(
            f"diffusion_mpc_msgs cannot be imported ({error}): run `make setup`, or build with "
            "`colcon build --base-paths . interfaces` and source install/setup.bash"
        ) from None
    return "diffusion_mpc_msgs is importable"


def check_middleware() -> str:
    """The RMW is one that leaves the Unitree SDK its DDS domain."""
    rmw = os.environ.get("RMW_IMPLEMENTATION", "")
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    if "cyclonedds" in rmw:
        raise InterfaceError(
            f"RMW_IMPLEMENTATION={rmw} shares CycloneDDS with the Unitree SDK in one process; "
            "use rmw_fastrtps_cpp (unset RMW_IMPLEMENTATION)"
        )
    return f"{rmw or 'default RMW'}, ROS_DOMAIN_ID={domain}"


def check_domain(network_interface: str, domain_id: int) -> str:
    """The domain can be joined; says whether a robot or simulator speaks in it."""
    from diffusion_mpc_ros.go2.channels import LOWSTATE, Subscriber, open_domain

    with open_domain(network_interface, domain_id) as domain:
        subscriber = Subscriber(domain, LOWSTATE)
        lowstate = subscriber.wait(LOWSTATE_TIMEOUT)
        subscriber.close()
    silent = f"no rt/lowstate within {LOWSTATE_TIMEOUT:.0f} s: no robot or simulator speaks there"
    heard = "rt/lowstate is there" if lowstate else silent
    return f"joined domain {domain_id} on {network_interface}; {heard}"


def check_artefact(name: str) -> str:
    """The artefact's hash, schema and shapes fit."""
    from diffusion_mpc_ros.diffusion import artefact

    loaded = artefact.load(model_folder(name or bringup.load_parameters("planner")["artefact"]))
    return f"{loaded.name}, sha256 {loaded.identity[:12]}..., H = {loaded.description.horizon}"
