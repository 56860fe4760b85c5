"""What a shell must offer to whoever joins ROS: each obstacle with its cause and what to do about it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from diffusion_mpc_ros.core.errors import ConfigurationError

# Fast DDS 2 reads the first, Fast DDS 3 the second.
FASTDDS_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
# By these a user may open the ROS topics of the real robot to the network (:func:`bringup.opened`).
DISCOVERY_VARIABLES = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", *FASTDDS_PROFILE_VARIABLES)
OPEN_RANGES = ("SUBNET", "SYSTEM_DEFAULT")
# Of the domains above ROS has no ports.
MAX_ROS_DOMAIN = 232
# Libraries of implementations, not those that they share.
_RMW = re.compile(r"lib(rmw_(?!dds_common|implementation|\w*_shared)[a-z0-9]+(?:_dynamic)?(?:_cpp)?)\.so")
RANGES = ("LOCALHOST", "OFF", *OPEN_RANGES)


def check(variables: Mapping[str, str]) -> None:
    """Raise ConfigurationError naming the first obstacle in the environment ``variables`` and its remedy."""
    for obstacle in (rmw_obstacle, domain_obstacle, discovery_obstacle, log_obstacle):
        cause, remedy = obstacle(variables)
        if cause:
            raise ConfigurationError(f"{cause}; {remedy}")


def rmw_obstacle(variables: Mapping[str, str]) -> tuple[str, str]:
    """Return cause and remedy where ``RMW_IMPLEMENTATION`` is not installed: rcl ends the process. Else ""."""
    name = variables.get("RMW_IMPLEMENTATION", "")
    if not name:
        return "", ""
    prefixes = [sys.prefix, *filter(None, variables.get("AMENT_PREFIX_PATH", "").split(os.pathsep))]
    folders = [Path(prefix) / "lib" for prefix in prefixes]
    folders += map(Path, filter(None, variables.get("LD_LIBRARY_PATH", "").split(os.pathsep)))
    names = (path.name for folder in folders for path in folder.glob("librmw_*.so"))
    found = {match[1] for match in map(_RMW.fullmatch, names) if match}
    # In a layout that is not known here nothing is found, and nothing is said.
    if not found or name in found:
        return "", ""
    cause = f"RMW_IMPLEMENTATION={name} is not installed; there is {', '.join(sorted(found))}"
    return cause, "unset RMW_IMPLEMENTATION"


def domain_obstacle(variables: Mapping[str, str]) -> tuple[str, str]:
    """Return cause and remedy where ``ROS_DOMAIN_ID`` is no domain; both "" where it is."""
    text = variables.get("ROS_DOMAIN_ID", "") or "0"
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= MAX_ROS_DOMAIN:
        return "", ""
    return f"ROS_DOMAIN_ID={text} is no DDS domain: 0 .. {MAX_ROS_DOMAIN}", "export ROS_DOMAIN_ID=0"


def discovery_obstacle(variables: Mapping[str, str]) -> tuple[str, str]:
    """Return cause and remedy where a variable of discovery means nothing to ROS; both "" where all do."""
    valid = {"ROS_AUTOMATIC_DISCOVERY_RANGE": RANGES, "ROS_LOCALHOST_ONLY": ("0", "1")}
    for name in DISCOVERY_VARIABLES:
        value = variables.get(name, "")
        if value and name in valid and value not in valid[name]:
            return f"{name}={value} is none of {', '.join(valid[name])}", f"unset {name}"
        if value and name in FASTDDS_PROFILE_VARIABLES and not Path(value).is_file():
            return f"{name}={value} is no file: ROS would listen on every address", f"unset {name}"
    return "", ""


def log_obstacle(variables: Mapping[str, str]) -> tuple[str, str]:
    """Return cause and remedy where ROS cannot make its log files; both "" where it can."""
    remedy = "export ROS_LOG_DIR=/tmp/ros_log, or another folder that can be written to"
    given = variables.get("ROS_LOG_DIR") or variables.get("ROS_HOME") or variables.get("HOME")
    if not given:
        return "HOME is not set, and ROS keeps its log files there", remedy
    folder = Path(given).expanduser()
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        usable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        usable = False
    return ("", "") if usable else (f"ROS cannot write its log files in {given}", remedy)
