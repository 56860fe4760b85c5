"""The one list of processes: ``launch/go2.launch.py`` and the ROS-less runner both start what :func:`processes` says.

Names of nodes are ROS names; parameters come from ``config/<node>.yaml`` (ROS parameter files), then from what the
options imply (interface, domain, viewer), then from the options' own overrides. All of them are what
``nodes/settings.py`` declares, and are checked before any process starts. No ROS here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.settings import Declaration, Settings, declarations, same, setting, values_of, written
from diffusion_mpc_ros.go2.profile import RobotProfile, check_place, load_profile
from diffusion_mpc_ros.nodes.robot_settings import RobotSettings
from diffusion_mpc_ros.nodes.settings import CommandPublisherSettings
from diffusion_mpc_ros.nodes.settings_lookup import NODES, declarations_of_node, find, settings_of_node
from diffusion_mpc_ros.planners.registry import PLANNERS, check_planner_name, settings_of
from diffusion_mpc_ros.planners.settings import PlanningSettings
from diffusion_mpc_ros.shell import FASTDDS_PROFILE_VARIABLES, OPEN_RANGES

PACKAGE = "diffusion_mpc_ros"
# For people alone: started where it is asked for.
VIEW = "view"
EXECUTABLES = tuple(name for name in NODES if name != VIEW)
# The nodes that speak to the robot over the Unitree SDK's own DDS domain.
ROBOT_LINK_NODES = ("go2_simulator", "state_estimator", "command_publisher")

# The convention of Unitree's own simulator; the robot itself is in domain 0.
SIMULATION_INTERFACE, SIMULATION_DOMAIN = "lo", 1
ROBOT_DOMAIN = 0
# Highest DDS domain that leaves ports for every participant.
MAX_DOMAIN = 230


# The recorder beside the nodes: not one of them, and nothing waits for it.
RECORDER = "recorder"

# So long [s] may the processes take to end in order; whoever started them kills them only then.
KILL_WAIT = 15.0

_NAMESPACE = re.compile(r"/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class Options(Settings):
    """The start: options of `diffusion-mpc launch` and of `go2.launch.py`, of some also of other commands."""

    sim: bool = setting("The simulated Go2 instead of the real one.", True)
    robot: str = same(RobotSettings, "robot")
    simulator_on_network: bool = same(RobotSettings, "simulator_on_network")
    network_interface: str = setting(
        "Network card of the Unitree topics; empty: lo in simulation, must be named for the real robot.", ""
    )
    domain_id: int | None = setting(
        "DDS domain of the Unitree topics; by default 1 in simulation, 0 for a real robot.",
        None,
        low=0,
        high=MAX_DOMAIN,
    )
    namespace: str = setting("ROS namespace of this robot; empty: none.", "")
    planner: str = same(PlanningSettings, "planner")
    viewer: bool = setting("Open MuJoCo's viewer (simulation only).", False)
    view: bool = setting(
        "Show the robot in a web browser, with sliders for the rewards and a stop (docs/view.md).", False
    )
    autostart: bool = setting(
        "Stand up and walk without being asked (simulation only; the real robot waits for its operator).", False
    )
    dry_run: bool = same(CommandPublisherSettings, "dry_run")
    wait_for_interface: float = same(RobotSettings, "wait_for_interface")


@dataclass(frozen=True)
class BringupOptions(Options):
    """What to start; validated here, in words.

    ``robot``: what it says of itself and how it is commanded. A profile of another simulator takes the place of
    go2_simulator; away from the loopback only with ``simulator_on_network``. ``markers``: the view draws for rviz, too.
    ``simulator_domain_id``: that of go2_simulator where something stands between it and the controller. ``parameters``
    overrides settings of nodes, by node, then by name; what an option sets has no other override.
    """

    markers: bool = False
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
        super().__post_init__()
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
        for node, overrides in self.parameters.items():
            for name, value in overrides.items():
                self._check_override(node, name, value)

    def _check_override(self, node: str, name: str, value: Any) -> None:
        option = find(node, name, self.planner).setting.option
        if option:
            raise ConfigurationError(f"{_set_by_option(node, name, option)}; got {value!r}")
        if node == "command_publisher" and name in CommandPublisherSettings.OWNED_BY_PLANNER:
            raise ConfigurationError(
                f"{node}.{name} is the planner's: give planner.{name}, it holds for both nodes; got {value!r}"
            )


def _set_by_option(node: str, name: str, option: str) -> str:
    words = f"--{option.replace('_', '-')} (ros2 launch: {option}:=...)"
    return f"{node}.{name} is set by the option {words}, for every node and nowhere else"


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
    planning, own = _settings("planner", options)
    names = (*EXECUTABLES, VIEW) if options.view or options.markers else EXECUTABLES
    parameters = {name: _parameters(name, options) for name in names}
    shared = values_of(planning) | values_of(own)
    # A planner without a model has none to check.
    parameters["command_publisher"] |= {
        name: shared.get(name, "") for name in CommandPublisherSettings.OWNED_BY_PLANNER
    }
    if not options.starts_simulator:
        del parameters["go2_simulator"]
    return [ProcessSpec(name, name, values, options.namespace) for name, values in parameters.items()]


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


def text(value: Any) -> str:
    """Return a value as people write it on a command line."""
    value = written(value)
    return value if isinstance(value, str) else _yaml(value)


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


def record_command(options: BringupOptions) -> list[str]:
    """The command that records the robot of ``options`` until the nodes it is started with are silent."""
    command = [sys.executable, "-m", f"{PACKAGE}.cli", "record"]
    return command + (["--namespace", options.namespace] if options.namespace else [])


def load_parameters(node: str, planner: str = PlanningSettings.planner) -> dict[str, Any]:
    """Return the values of :func:`load_settings` by name."""
    return {name: value for part in load_settings(node, planner) for name, value in values_of(part).items()}


def load_settings(node: str, planner: str = PlanningSettings.planner) -> tuple[Any, ...]:
    """Return the settings of a node that ``config/<node>.yaml`` gives, and those of ``planner`` where it plans.

    What the file does not name has its default. What an option or another node's file says may stand there, as long as
    it says the same. The file is written for the default planner: what it leaves at that one's defaults says nothing of
    another planner's settings of the same name. Raises ConfigurationError.
    """
    path = config_file(f"{node}.yaml")
    values = read_parameters(path)
    # The file may hold settings of any planner that there is.
    others = {name for other in PLANNERS for name in declarations(settings_of(other))} if node == "planner" else set()
    known = declarations_of_node(node, planner)
    values = {name: value for name, value in values.items() if name in known or name not in others}
    if node == "planner" and planner != PlanningSettings.planner:
        standard = declarations(settings_of(PlanningSettings.planner))
        left = {name: written(entry.default) for name, entry in standard.items()}
        values = {name: value for name, value in values.items() if name not in left or _read(value) != left[name]}
    settings = build_settings(node, planner, values, str(path))
    given = {name: value for part in settings for name, value in values_of(part).items() if name in values}
    shared = load_parameters("planner", planner) if node == "command_publisher" else {}
    for name, value in given.items():
        if known[name].setting.option and value != written(known[name].default):
            raise ConfigurationError(f"{path}: {_set_by_option(node, name, known[name].setting.option)}; got {value!r}")
        if name in CommandPublisherSettings.OWNED_BY_PLANNER and value != shared.get(name, value):
            raise ConfigurationError(
                f"{path}: {name} = {value!r}, but planner.yaml says {shared[name]!r} for both nodes"
            )
    return settings


def _read(value: Any) -> Any:
    """Return what a file says as YAML means it: texts there are not read yet."""
    return yaml.safe_load(value) if isinstance(value, str) else value


def read_parameters(path: Path) -> dict[str, Any]:
    """Return what a ROS parameter file says below ``/**: ros__parameters:``, by dotted names; ConfigurationError."""
    content = config_files.read(path)
    for key in ("/**", "ros__parameters"):
        content = content.get(key) if isinstance(content, dict) else None
    if content is None:
        raise ConfigurationError(f"{path} is no ROS parameter file: '/**: ros__parameters:' is missing")
    return config_files.flat(content or {}, str(path))


def overridable(planner: str = PlanningSettings.planner) -> dict[str, tuple[Declaration, Any]]:
    """Return what may be overridden, by ``NODE.NAME``: its declaration, and its value in the files."""
    found = {}
    for node in NODES:
        values = load_parameters(node, planner)
        for name, entry in declarations_of_node(node, planner).items():
            shared = node == "command_publisher" and name in CommandPublisherSettings.OWNED_BY_PLANNER
            if not entry.setting.option and not shared:
                found[f"{node}.{name}"] = entry, values[name]
    return found


def build_settings(node: str, planner: str, values: Mapping[str, Any], where: str) -> tuple[Any, ...]:
    """Return the settings of a node, and those of ``planner`` where it plans, from ``values`` by their dotted names.

    What is not named has its default. Raises ConfigurationError, which begins with ``where``.
    """
    known = declarations_of_node(node, planner)
    for name in values:
        if name not in known:
            raise config_files.unknown(f"{where}: {node}", name, known)
    kinds = settings_of_node(node, planner)
    parts = [{name: value for name, value in values.items() if name in declarations(kind)} for kind in kinds]
    return tuple(config_files.build(kind, config_files.nested(part), where) for kind, part in zip(kinds, parts))


def _settings(node: str, options: BringupOptions) -> tuple[Any, ...]:
    """What the files, then the overrides say."""
    values = load_parameters(node, options.planner)
    if options.profile.simulated and node == "planner":
        # Another simulator has no priority: of few cores it would get only the time that the planner leaves it.
        values["realtime_priority"] = 0
    return build_settings(node, options.planner, values | dict(options.parameters.get(node, {})), node)


def _parameters(node: str, options: BringupOptions) -> dict[str, Any]:
    """All parameters of a node: the options last."""
    values = {name: value for part in _settings(node, options) for name, value in values_of(part).items()}
    said = {
        **{name: getattr(options, name) for name in declarations(Options)},
        "sim": options.simulated,
        "network_interface": options.network_interface or SIMULATION_INTERFACE,
        "domain_id": _domain_id(node, options),
    }
    known = declarations_of_node(node, options.planner)
    return values | {name: said[entry.setting.option] for name, entry in known.items() if entry.setting.option}


def _domain_id(name: str, options: BringupOptions) -> int:
    if name == "go2_simulator" and options.simulator_domain_id is not None:
        return options.simulator_domain_id
    if options.domain_id is not None:
        return options.domain_id
    return SIMULATION_DOMAIN if options.simulated else ROBOT_DOMAIN
