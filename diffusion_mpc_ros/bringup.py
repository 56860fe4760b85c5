"""The one list of processes: ``launch/go2.launch.py`` and the ROS-less runner both start what :func:`processes` says.

Names of nodes are ROS names; parameters come from ``config/<node>.yaml`` (ROS parameter files), then from what the
options imply (interface, domain, viewer), then from the options' own overrides. All of them have the types that
``node_parameters`` declares, and are checked before any process starts. No ROS here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from diffusion_mpc_ros import node_parameters
from diffusion_mpc_ros.core.errors import ConfigurationError, TimingError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.declared_parameter import read_file
from diffusion_mpc_ros.go2.profile import GO2, RobotProfile, check_place, load_profile
from diffusion_mpc_ros.planners.registry import PLANNERS, check_planner_name, configured_timing

PACKAGE = "diffusion_mpc_ros"
EXECUTABLES = tuple(node_parameters.NODES)
# The nodes that speak to the robot over the Unitree SDK's own DDS domain.
ROBOT_LINK_NODES = ("go2_simulator", "state_estimator", "command_publisher")

# The convention of Unitree's own simulator; the robot itself is in domain 0.
SIMULATION_INTERFACE, SIMULATION_DOMAIN = "lo", 1
ROBOT_DOMAIN = 0
# Highest DDS domain that leaves ports for every participant.
MAX_DOMAIN = 230

# Fast DDS 2 reads the first, Fast DDS 3 the second.
FASTDDS_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
# By these a user may open the ROS topics of the real robot to the network (:func:`opened`).
DISCOVERY_VARIABLES = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", *FASTDDS_PROFILE_VARIABLES)
OPEN_RANGES = ("SUBNET", "SYSTEM_DEFAULT")

# So long [s] may the processes take to end in order; whoever started them kills them only then.
KILL_WAIT = 15.0

_NAMESPACE = re.compile(r"/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class BringupOptions:
    """What to start; validated here, in words.

    ``robot`` names a profile in ``config/robots``: what it says of itself and how it is commanded. A profile of another
    simulator takes the place of go2_simulator; away from the loopback only with ``simulator_on_network``.
    ``network_interface`` and ``domain_id`` are those of the Unitree topics: by default ``lo`` and 1 in simulation; the
    real robot's interface must be named and its domain is 0. ``viewer`` opens MuJoCo's. ``autostart`` stands the
    simulated robot up without being asked. ``dry_run`` does everything but writes to another topic than the robot's.
    ``wait_for_interface`` [s]: how long a card may take to appear. ``simulator_domain_id``: that of go2_simulator where
    something stands between it and the controller. ``parameters`` overrides node parameters, by node, then by name;
    what an option sets has no other override.
    """

    sim: bool = True
    robot: str = GO2.name
    simulator_on_network: bool = False
    planner: str = "diffusion_mpc"
    namespace: str = ""
    network_interface: str = ""
    domain_id: int | None = None
    viewer: bool = False
    autostart: bool = False
    dry_run: bool = False
    wait_for_interface: float = 0.0
    simulator_domain_id: int | None = None
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def profile(self) -> RobotProfile:
        """What ``robot`` names."""
        return load_profile(self.robot)

    @property
    def simulated(self) -> bool:
        """Whether no real robot is meant: this project's simulator, or the one that ``robot`` names."""
        return self.sim or self.profile.simulated

    @property
    def starts_simulator(self) -> bool:
        """Whether go2_simulator is one of the processes."""
        return self.sim and not self.profile.simulated

    def __post_init__(self) -> None:
        check_place(self.profile, self.network_interface in ("", SIMULATION_INTERFACE), self.simulator_on_network)
        check_planner_name(self.planner)
        if self.namespace and not _NAMESPACE.fullmatch(self.namespace):
            raise ConfigurationError(
                f"namespace {self.namespace!r} is no ROS namespace: names of letters, digits and _, separated by /"
            )
        if not self.simulated and not self.network_interface:
            raise ConfigurationError(
                "the real robot needs network_interface, the network card on 192.168.123.0/24 (list them: ip -4 addr)"
            )
        if self.viewer and not self.starts_simulator:
            raise ConfigurationError("viewer is that of go2_simulator, which is not started here; leave it off")
        if self.autostart and not self.simulated:
            raise ConfigurationError("autostart belongs to the simulation; with sim:=false leave it off")
        if self.autostart and self.network_interface not in ("", SIMULATION_INTERFACE):
            raise ConfigurationError(
                f"autostart is for simulation on {SIMULATION_INTERFACE!r}: on {self.network_interface!r} may be a robot"
            )
        for domain_id in (self.domain_id, self.simulator_domain_id):
            if domain_id is not None and not 0 <= domain_id <= MAX_DOMAIN:
                raise ConfigurationError(f"domain_id {domain_id} is no DDS domain: 0 .. {MAX_DOMAIN}")
        for node, overrides in self.parameters.items():
            for name, value in overrides.items():
                self._check_override(node, name, value)

    def _check_override(self, node: str, name: str, value: Any) -> None:
        owner = node_parameters.find(node, name).owner
        if owner:
            raise ConfigurationError(
                f"{node}.{name} is set by the option --{owner.replace('_', '-')} (ros2 launch: {owner}:=...), for "
                f"every node and nowhere else; got {value!r}"
            )
        if node == "command_publisher" and name in node_parameters.PLANNER_OWNS:
            raise ConfigurationError(
                f"{node}.{name} is the planner's: give planner.{name}, it holds for both nodes; got {value!r}"
            )


@dataclass(frozen=True)
class ProcessSpec:
    """One process: a ROS node with its executable, full set of parameters, namespace and remappings."""

    name: str
    executable: str
    parameters: dict[str, Any]
    namespace: str = ""
    remappings: tuple[tuple[str, str], ...] = ()


def processes(options: BringupOptions) -> list[ProcessSpec]:
    """The processes of ``options``; raises ConfigurationError for a value that does not fit."""
    planner = _parameters("planner", options)
    try:
        configured_timing(planner)
    except TimingError as error:
        raise TimingError(f"parameters of planner: {error}") from None
    executables = [name for name in EXECUTABLES if options.starts_simulator or name != "go2_simulator"]
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
    return arguments + parameter_arguments(spec)


def parameter_arguments(spec: ProcessSpec) -> list[str]:
    """The arguments that give a node its parameters, in the types that they have here."""
    return [part for name, value in spec.parameters.items() for part in ("-p", f"{name}:={_yaml(value)}")]


def _yaml(value: Any) -> str:
    """One line that ROS reads as the same type: text in quotes, because it guesses types otherwise than PyYAML."""
    style = '"' if isinstance(value, str) else None
    text = yaml.safe_dump(value, default_flow_style=True, default_style=style, width=10**6)
    return text.removesuffix("...\n").strip()


def environment(sim: bool) -> dict[str, str]:
    """Environment variables of whoever joins ROS: its topics stay on this machine.

    With a real robot (``sim`` false) a user may open them to the network (:func:`opened`); with a simulated one nothing
    does. One thread for numerics in each process: the machine's cores belong to five of them.
    """
    variables = {"OMP_NUM_THREADS": "1"}
    return variables if not sim and opened(os.environ) else variables | _this_machine_only()


def opened(variables: Mapping[str, str]) -> bool:
    """Whether ``variables`` of a shell ask for ROS topics that reach the network."""
    profiles = {variables.get(name) for name in FASTDDS_PROFILE_VARIABLES} - {None, ""}
    if profiles:
        return profiles != {str(config_file("fastdds.xml"))}
    reach = variables.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
    return reach in OPEN_RANGES if reach else variables.get("ROS_LOCALHOST_ONLY") == "0"


def _this_machine_only() -> dict[str, str]:
    # Humble has only the older of the two variables, and binds to 127.0.0.1 by it; newer distributions warn about it.
    if os.environ.get("ROS_DISTRO") == "humble":
        return {"ROS_LOCALHOST_ONLY": "1"}
    if os.environ.get("RMW_IMPLEMENTATION", "") not in ("", "rmw_fastrtps_cpp"):
        return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    # LOCALHOST would make rmw_fastrtps add a transport that is bound to all addresses.
    profile = str(config_file("fastdds.xml"))
    variables = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"} | dict.fromkeys(FASTDDS_PROFILE_VARIABLES, profile)
    # Set to 1 the older variable would override the range; ROS warns about it where it is set at all.
    return variables | ({"ROS_LOCALHOST_ONLY": "0"} if os.environ.get("ROS_LOCALHOST_ONLY") else {})


def load_parameters(name: str) -> dict[str, Any]:
    """Parameters of a node: those of ``config/<name>.yaml``, else the declared defaults; raises ConfigurationError."""
    path = config_file(f"{name}.yaml")
    values = {parameter.name: parameter.default for parameter in node_parameters.NODES[name].values()}
    for parameter, node in read_file(path).items():
        try:
            values[parameter] = node_parameters.find(name, parameter).read(node)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None
    return values


def _parameters(name: str, options: BringupOptions) -> dict[str, Any]:
    parameters = load_parameters(name)
    if options.profile.simulated and name == "planner":
        # Another simulator has no priority: of few cores it would get only the time that the planner leaves it.
        parameters["realtime_priority"] = 0
    for parameter, value in options.parameters.get(name, {}).items():
        try:
            parameters[parameter] = node_parameters.find(name, parameter).convert(value)
        except ConfigurationError as error:
            raise ConfigurationError(f"{name}: {error}") from None
    if name in ROBOT_LINK_NODES:
        parameters["network_interface"] = options.network_interface or SIMULATION_INTERFACE
        parameters["domain_id"] = _domain_id(name, options)
        wait = node_parameters.WAIT_FOR_INTERFACE.convert(options.wait_for_interface)
        parameters["wait_for_interface"] = wait
    if name == "planner":
        parameters["planner"] = options.planner
    if name in ("state_estimator", "command_publisher"):
        parameters |= {"robot": options.robot, "simulator_on_network": options.simulator_on_network}
    if name == "go2_simulator":
        parameters["viewer"] = options.viewer
    if name == "command_publisher":
        parameters |= {"sim": options.simulated, "autostart": options.autostart, "dry_run": options.dry_run}
        planner = _parameters("planner", options)
        parameters |= {shared: planner[shared] for shared in node_parameters.PLANNER_OWNS}
        if options.planner not in PLANNERS:
            parameters["artefact"] = ""  # one's own planner has none to check
    return parameters


def _domain_id(name: str, options: BringupOptions) -> int:
    if name == "go2_simulator" and options.simulator_domain_id is not None:
        return options.simulator_domain_id
    if options.domain_id is not None:
        return options.domain_id
    return SIMULATION_DOMAIN if options.simulated else ROBOT_DOMAIN
