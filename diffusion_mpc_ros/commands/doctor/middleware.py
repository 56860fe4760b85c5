"""ROS beside the robot's own DDS: which RMW, which domain, and how far ROS topics reach."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from diffusion_mpc_ros import bringup, shell
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Finding, bad, ok, warning
from diffusion_mpc_ros.shell import DISCOVERY_VARIABLES, FASTDDS_PROFILE_VARIABLES

FAST_DDS = "rmw_fastrtps_cpp"
# Of these domains every port lies below the ones that Linux gives out by itself (from 32768 on).
SURE_ROS_DOMAINS = range(102)
_LOCAL_RANGES = ("LOCALHOST", "OFF")


def check_rmw(_: Context) -> Finding:
    """Judge the middleware that ROS uses."""
    cause, remedy = shell.rmw_obstacle(os.environ)
    return bad(cause, remedy) if cause else judge_rmw(os.environ)


def judge_rmw(environment: Mapping[str, str]) -> Finding:
    """``RMW_IMPLEMENTATION`` must leave the Unitree SDK its CycloneDDS."""
    name = environment.get("RMW_IMPLEMENTATION", "")
    if "cyclonedds" in name:
        return bad(
            f"RMW_IMPLEMENTATION={name} shares CycloneDDS with the Unitree SDK in one process: their domains clash",
            f"export RMW_IMPLEMENTATION={FAST_DDS}",
        )
    if name not in ("", FAST_DDS):
        return warning(
            f"RMW_IMPLEMENTATION={name}: this project was never run with it", f"export RMW_IMPLEMENTATION={FAST_DDS}"
        )
    return ok(name or f"RMW_IMPLEMENTATION is not set: {FAST_DDS}, the default")


def judge_ros_domain(environment: Mapping[str, str], domain_id: int) -> Finding:
    """``ROS_DOMAIN_ID`` against ``domain_id`` of the Unitree topics."""
    text = environment.get("ROS_DOMAIN_ID", "") or "0"
    cause, remedy = shell.domain_obstacle(environment)
    if cause:
        return bad(cause, remedy)
    if int(text) not in SURE_ROS_DOMAINS:
        return warning(
            f"ROS_DOMAIN_ID={text} uses ports that Linux may give to other programs",
            f"take one of 0 .. {SURE_ROS_DOMAINS[-1]}: export ROS_DOMAIN_ID=0",
        )
    if int(text) == domain_id:
        return ok(f"ROS_DOMAIN_ID={text}, the number of the Unitree domain too: with {FAST_DDS} both run side by side")
    return ok(f"ROS_DOMAIN_ID={text}, the Unitree topics are in domain {domain_id}")


def check_discovery(context: Context) -> Finding:
    """How far the ROS topics of the processes reach that ``diffusion-mpc`` and the launch file start."""
    cause, remedy = shell.discovery_obstacle(os.environ)
    if cause:
        return bad(cause, remedy)
    return judge_discovery({**os.environ, **bringup.environment(sim=not context.robot)}, os.environ)


def check_log_folder(_: Context) -> Finding:
    """May ROS write its log files."""
    cause, remedy = shell.log_obstacle(os.environ)
    return bad(cause, remedy) if cause else ok("log files can be written")


def judge_discovery(processes: Mapping[str, str], shell: Mapping[str, str]) -> Finding:
    """Compare environments, ``processes``: the one that the nodes are started with; ``shell``: that of the user."""
    reach = _reach(processes)
    if reach is None:
        variables = [name for name in DISCOVERY_VARIABLES if processes.get(name)]
        settings = ", ".join(f"{name}={processes[name]}" for name in variables) or "by the default of ROS"
        return warning(
            f"ROS topics are open to the network ({settings}): whoever is on it can command the robot",
            f"unset {' '.join(variables)}" if variables else "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST",
        )
    if any(shell.get(name) for name in DISCOVERY_VARIABLES) and _reach(shell) is None:
        return ok(f"{reach}; nodes started by hand in this shell are open to the network")
    return ok(reach)


def _reach(environment: Mapping[str, str]) -> str | None:
    """How ROS topics stay on this machine, or None when they do not, or when only a foreign profile could tell."""
    own_profile = Path(bringup.environment(sim=True).get(FASTDDS_PROFILE_VARIABLES[0], ""))
    profiles = {environment.get(name) for name in FASTDDS_PROFILE_VARIABLES} - {None, ""}
    if profiles:
        return "ROS topics stay on this machine (config/fastdds.xml)" if profiles == {str(own_profile)} else None
    if environment.get("ROS_LOCALHOST_ONLY") == "1":
        return "ROS topics stay on this machine (ROS_LOCALHOST_ONLY=1)"
    discovery_range = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "")
    if discovery_range in _LOCAL_RANGES:
        return f"ROS topics stay on this machine (ROS_AUTOMATIC_DISCOVERY_RANGE={discovery_range})"
    return None
