"""The list of processes: what is started with which parameters, and what is refused."""

from __future__ import annotations

import importlib

import pytest
import yaml

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.bringup import BringupOptions, ProcessSpec, processes, ros_arguments
from diffusion_mpc_ros.core import resources
from diffusion_mpc_ros.core.errors import ConfigurationError


def by_name(options: BringupOptions) -> dict[str, ProcessSpec]:
    return {spec.name: spec for spec in processes(options)}


def test_simulation_has_five_processes_on_the_loopback():
    specs = by_name(BringupOptions())
    assert set(specs) == set(bringup.EXECUTABLES)
    for name in bringup.ROBOT_LINK_NODES:
        assert specs[name].parameters["network_interface"] == "lo"
        assert specs[name].parameters["domain_id"] == 1


def test_the_real_robot_has_no_simulator_and_its_own_interface():
    options = BringupOptions(sim=False, network_interface="eth0", namespace="dog")
    specs = by_name(options)
    assert set(specs) == set(bringup.EXECUTABLES) - {"go2_simulator"}
    assert specs["command_publisher"].parameters["network_interface"] == "eth0"
    assert specs["command_publisher"].parameters["domain_id"] == 0
    assert specs["command_publisher"].parameters["autostart"] is False
    assert all(spec.namespace == "dog" for spec in specs.values())


PROFILE = str(resources.config_file("fastdds.xml"))
LOOPBACK = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
    "FASTRTPS_DEFAULT_PROFILES_FILE": PROFILE,
    "FASTDDS_DEFAULT_PROFILES_FILE": PROFILE,
}
REAL = BringupOptions(sim=False, network_interface="eth0")


@pytest.mark.parametrize(
    ("variables", "added"),
    [
        ({}, LOOPBACK),
        ({"ROS_DISTRO": "jazzy"}, LOOPBACK),
        ({"ROS_DISTRO": "jazzy", "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}, LOOPBACK),
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}),
        ({"ROS_DISTRO": "humble"}, {"ROS_LOCALHOST_ONLY": "1"}),
    ],
)
@pytest.mark.parametrize("options", [BringupOptions(), REAL], ids=["simulated", "real"])
def test_ros_topics_stay_on_this_machine(monkeypatch, options, variables, added):
    for name in (*bringup.DISCOVERY_VARIABLES, "ROS_DISTRO", "RMW_IMPLEMENTATION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert bringup.environment(options) == {"OMP_NUM_THREADS": "1", **added}


@pytest.mark.parametrize("name", bringup.DISCOVERY_VARIABLES)
def test_the_real_robots_topics_are_opened_by_whoever_asks_for_it(monkeypatch, name):
    for variable in (*bringup.DISCOVERY_VARIABLES, "ROS_DISTRO", "RMW_IMPLEMENTATION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, "SUBNET")
    assert bringup.environment(REAL) == {"OMP_NUM_THREADS": "1"}
    assert bringup.environment(BringupOptions()) == {"OMP_NUM_THREADS": "1", **LOOPBACK}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sim": False}, "network_interface"),
        ({"planner": "clairvoyant"}, "diffusion_mpc"),
        ({"namespace": "two words"}, "two words"),
        ({"domain_id": 400}, "400"),
        ({"sim": False, "network_interface": "eth0", "autostart": True}, "autostart"),
        ({"parameters": {"cook": {}}}, "cook"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_words(options, named):
    with pytest.raises(ConfigurationError, match=named):
        BringupOptions(**options)


def test_overrides_reach_their_node_and_unknown_ones_are_refused_with_the_valid_names():
    specs = by_name(BringupOptions(parameters={"planner": {"candidates": 3}}))
    assert specs["planner"].parameters["candidates"] == 3
    with pytest.raises(ConfigurationError, match="candidates"):
        processes(BringupOptions(parameters={"planner": {"candidate": 3}}))


@pytest.mark.parametrize("name", bringup.EXECUTABLES)
def test_the_configuration_files_hold_every_parameter_at_its_default(name):
    node = importlib.import_module(f"diffusion_mpc_ros.nodes.{name}")
    assert bringup.load_parameters(name) == {parameter.name: parameter.default for parameter in node.PARAMETERS}


def test_arguments_are_yaml_that_reads_back_as_the_parameters():
    parameters = {"text": "go2", "empty": "", "flag": True, "count": 3, "real": 2.0, "list": [1.0, 0.5], "w.a": 0.0}
    arguments = ros_arguments(ProcessSpec("planner", "planner", parameters, "dog", (("plan", "other"),)))
    assert arguments[:3] == ["--ros-args", "-r", "__node:=planner"]
    assert "__ns:=/dog" in arguments and "plan:=other" in arguments
    assigned = [argument.split(":=", 1) for flag, argument in zip(arguments, arguments[1:]) if flag == "-p"]
    assert {name: yaml.safe_load(text) for name, text in assigned} == parameters
