"""The one list of processes: ``launch/go2.launch.py`` and the ROS-less runner both start what :func:`processes` says.

Names of nodes are ROS names; parameters come from ``config/<node>.yaml`` (ROS parameter files), then from what the
options imply (interface, domain, viewer), then from the options' own overrides. Standard library and PyYAML only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import config_file

PACKAGE = "diffusion_mpc_ros"
EXECUTABLES = ("go2_simulator", "state_estimator", "reward_composer", "planner", "command_publisher")
# The nodes that speak to the robot over the Unitree SDK's own DDS domain.
ROBOT_LINK_NODES = ("go2_simulator", "state_estimator", "command_publisher")
PLANNERS = ("diffusion_mpc",)

# The convention of Unitree's own simulator; the robot itself is in domain 0.
SIMULATION_INTERFACE, SIMULATION_DOMAIN = "lo", 1
ROBOT_DOMAIN = 0
# Highest DDS domain that leaves ports for every participant.
MAX_DOMAIN = 230

# Fast DDS 2 reads the first, Fast DDS 3 the second.
FASTDDS_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
# Who sets one of them has decided how far ROS topics reach.
DISCOVERY_VARIABLES = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", *FASTDDS_PROFILE_VARIABLES)

# So long [s] may the processes take to end in order; whoever started them kills them only then.
KILL_WAIT = 15.0

_NAMESPACE = re.compile(r"/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class BringupOptions:
    """What to start; validated here, in words.

    ``network_interface`` and ``domain_id`` are those of the Unitree topics: by default ``lo`` and 1 in simulation; the
    real robot's interface must be named and its domain is 0. ``viewer`` opens MuJoCo's. ``autostart`` stands the
    simulated robot up without being asked. ``dry_run`` does everything but writes to another topic than the robot's.
    ``parameters`` overrides node parameters, by node, then by name.
    """

    sim: bool = True
    planner: str = "diffusion_mpc"
    namespace: str = ""
    network_interface: str = ""
    domain_id: int | None = None
    viewer: bool = False
    autostart: bool = False
    dry_run: bool = False
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.planner not in PLANNERS:
            raise ConfigurationError(f"unknown planner {self.planner!r}; there is {list(PLANNERS)}")
        if self.namespace and not _NAMESPACE.fullmatch(self.namespace):
            raise ConfigurationError(
                f"namespace {self.namespace!r} is no ROS namespace: names of letters, digits and _, separated by /"
            )
        if not self.sim and not self.network_interface:
            raise ConfigurationError(
                "the real robot needs network_interface, the network card on 192.168.123.0/24 (list them: ip -4 addr)"
            )
        if not self.sim and (self.viewer or self.autostart):
            raise ConfigurationError("viewer and autostart belong to the simulation; with sim:=false leave them off")
        if self.domain_id is not None and not 0 <= self.domain_id <= MAX_DOMAIN:
            raise ConfigurationError(f"domain_id {self.domain_id} is no DDS domain: 0 .. {MAX_DOMAIN}")
        unknown = sorted(set(self.parameters) - set(EXECUTABLES))
        if unknown:
            raise ConfigurationError(f"parameters for unknown nodes {unknown}; there are {list(EXECUTABLES)}")


@dataclass(frozen=True)
class ProcessSpec:
    """One process: a ROS node with its executable, full set of parameters, namespace and remappings."""

    name: str
    executable: str
    parameters: dict[str, Any]
    namespace: str = ""
    remappings: tuple[tuple[str, str], ...] = ()


def processes(options: BringupOptions) -> list[ProcessSpec]:
    """The processes of ``options``; raises ConfigurationError for a parameter that a node does not have."""
    executables = [name for name in EXECUTABLES if options.sim or name != "go2_simulator"]
    return [
        ProcessSpec(name=name, executable=name, parameters=_parameters(name, options), namespace=options.namespace)
        for name in executables
    ]


def ros_arguments(spec: ProcessSpec) -> list[str]:
    """The command-line arguments that give a node its name, namespace, remappings and parameters without launch."""
    arguments = ["--ros-args", "-r", f"__node:={spec.name}"]
    if spec.namespace:
        arguments += ["-r", f"__ns:=/{spec.namespace.lstrip('/')}"]
    for source, target in spec.remappings:
        arguments += ["-r", f"{source}:={target}"]
    for name, value in spec.parameters.items():
        text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
        arguments += ["-p", f"{name}:={text}"]
    return arguments


def environment(options: BringupOptions) -> dict[str, str]:
    """Environment variables of the processes: ROS topics stay on this machine.

    With a real robot they may be opened to the network by whoever sets one of :data:`DISCOVERY_VARIABLES`; with a
    simulated one nothing opens them. One thread for numerics in each process: the machine's cores belong to five of
    them.
    """
    variables = {"OMP_NUM_THREADS": "1"}
    if not options.sim and any(os.environ.get(name) for name in DISCOVERY_VARIABLES):
        return variables
    return variables | _this_machine_only()


def _this_machine_only() -> dict[str, str]:
    # Humble has only the older of the two variables, and binds to 127.0.0.1 by it; newer distributions warn about it.
    if os.environ.get("ROS_DISTRO") == "humble":
        return {"ROS_LOCALHOST_ONLY": "1"}
    if os.environ.get("RMW_IMPLEMENTATION", "") not in ("", "rmw_fastrtps_cpp"):
        return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    # LOCALHOST would make rmw_fastrtps add a transport that is bound to all addresses.
    profile = str(config_file("fastdds.xml"))
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT", **dict.fromkeys(FASTDDS_PROFILE_VARIABLES, profile)}


def load_parameters(name: str) -> dict[str, Any]:
    """Parameters of ``config/<name>.yaml`` with dotted names, as ROS reads it; raises ConfigurationError."""
    path = config_file(f"{name}.yaml")
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the parameters {path} cannot be read: {error}") from None
    try:
        nested = content["/**"]["ros__parameters"]
    except (TypeError, KeyError):
        raise ConfigurationError(f"{path} is no ROS parameter file: '/**: ros__parameters:' is missing") from None
    return _flatten(nested or {})


def _parameters(name: str, options: BringupOptions) -> dict[str, Any]:
    parameters = load_parameters(name)
    known = sorted(parameters)
    overrides = dict(options.parameters.get(name, {}))
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ConfigurationError(f"{name} has no parameters {unknown}; it has {known}")
    if name in ROBOT_LINK_NODES:
        domain = SIMULATION_DOMAIN if options.sim else ROBOT_DOMAIN
        parameters["network_interface"] = options.network_interface or SIMULATION_INTERFACE
        parameters["domain_id"] = domain if options.domain_id is None else options.domain_id
    if name == "go2_simulator":
        parameters["viewer"] = options.viewer
    if name == "command_publisher":
        parameters["autostart"], parameters["dry_run"] = options.autostart, options.dry_run
        # Plans of another artefact than the one that command_publisher has checked are refused.
        planner = {**load_parameters("planner"), **options.parameters.get("planner", {})}
        parameters["artefact"] = planner["artefact"]
    return {**parameters, **overrides}


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
