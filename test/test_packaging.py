"""The manifest, setup.py, the changelog, the launch file and the configuration agree with each other."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from launch_file import LAUNCH_FILE, launch_arguments

import diffusion_mpc_ros
from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import declarations
from diffusion_mpc_ros.nodes import launcher

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "diffusion_mpc_ros"


def manifest(folder: Path) -> ElementTree.Element:
    return ElementTree.parse(folder / "package.xml").getroot()


def keyword_of_setup(name: str) -> object:
    """The literal value of a keyword argument of setup() in setup.py."""
    calls = [node for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())) if isinstance(node, ast.Call)]
    keywords = [keyword for call in calls if ast.unparse(call.func) == "setup" for keyword in call.keywords]
    return next(ast.literal_eval(keyword.value) for keyword in keywords if keyword.arg == name)


def console_scripts() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group="console_scripts") if PACKAGE in entry.value}


def test_one_version_everywhere() -> None:
    changelog = re.search(r"^(\d+\.\d+\.\d+) \(", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE)
    assert changelog is not None
    versions = {
        "package.xml": manifest(ROOT).findtext("version"),
        "diffusion_mpc_msgs": manifest(ROOT / "interfaces" / "diffusion_mpc_msgs").findtext("version"),
        "setup.py": keyword_of_setup("version"),
        "CHANGELOG.rst": changelog.group(1),
    }
    assert versions == dict.fromkeys(versions, diffusion_mpc_ros.__version__)


def test_every_imported_ros_package_is_declared() -> None:
    declared = {element.text for element in manifest(ROOT).iter("exec_depend")}
    sources = "\n".join(path.read_text() for path in [*(ROOT / PACKAGE).rglob("*.py"), LAUNCH_FILE])
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)(?:\.msg|\.srv|\.action) ", sources, re.MULTILINE))
    imported |= {"rclpy", "launch", "launch_ros", "control_msgs"}
    assert imported <= declared


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, bringup.BringupOptions()),
        ({"namespace": "alpha", "viewer": "true"}, bringup.BringupOptions(namespace="alpha", viewer=True)),
        ({"autostart": "true"}, bringup.BringupOptions(autostart=True)),
        ({"dry_run": "true"}, bringup.BringupOptions(dry_run=True)),
        (
            {"sim": "false", "network_interface": "eth0", "domain_id": "3"},
            bringup.BringupOptions(sim=False, network_interface="eth0", domain_id=3),
        ),
        (
            {"planner.candidates": "5", "planner.replan_margin": "auto", "go2_simulator.friction": "0.4"},
            bringup.BringupOptions(
                parameters={"planner": {"candidates": 5, "replan_margin": None}, "go2_simulator": {"friction": 0.4}}
            ),
        ),
    ],
)
def test_launch_file_starts_what_bringup_lists(
    launch_file: ModuleType, given: dict[str, str], options: bringup.BringupOptions
) -> None:
    arguments = launch_arguments(launch_file, **given)
    started = [
        bringup.ProcessSpec(
            name=action.keywords["name"],
            executable=action.keywords["executable"],
            parameters=action.keywords["ros_arguments"],
            namespace=action.keywords["namespace"],
            remappings=tuple(action.keywords["remappings"]),
        )
        for action in launch_file.start(arguments)
    ]
    assert started == [
        replace(spec, parameters=bringup.parameter_arguments(spec)) for spec in bringup.processes(options)
    ]


def test_launch_file_leaves_time_for_the_orderly_end_and_is_its_nodes_launcher(launch_file: ModuleType) -> None:
    for action in launch_file.start(launch_arguments(launch_file)):
        assert action.keywords["sigterm_timeout"] == action.keywords["sigkill_timeout"] == str(bringup.KILL_WAIT)
        assert action.keywords["additional_env"].items() >= launcher.lease_environment().items()


def test_launch_file_opens_rviz_and_records_on_demand(launch_file: ModuleType) -> None:
    plain = launch_file.start(launch_arguments(launch_file))
    arguments = launch_arguments(launch_file, rviz="true", record="true", namespace="alpha")
    view, rviz, record = launch_file.start(arguments)[len(plain) :]
    assert view.keywords["executable"] == "view"  # it draws what rviz shows
    assert rviz.keywords["executable"] == "rviz2"
    assert Path(rviz.keywords["arguments"][1]).is_file() and rviz.keywords["arguments"][-1] == "alpha/odom"
    assert record.keywords["cmd"][-3:] == ["record", "--namespace", "alpha"]
    assert record.keywords["additional_env"].items() >= launcher.lease_environment().items()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"domain_id": "abc"}, "domain_id = 'abc': needed is a whole number in 0 .. 230, or auto"),
        ({"planner.candidates": "0"}, "candidates = 0: needed is a whole number in 1 .. 256"),
        ({"planner.candidats": "5"}, "planner has no setting 'candidats'; did you mean candidates"),
        ({"planer.candidates": "5"}, "there is no node 'planer'; did you mean planner"),
    ],
)
def test_launch_file_refuses_what_does_not_fit(launch_file: ModuleType, given: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        launch_file.start(launch_arguments(launch_file, **given))


def test_every_option_and_every_setting_of_a_node_is_a_launch_argument(launch_file: ModuleType) -> None:
    names = {argument.name for argument in launch_file.ARGUMENTS}
    assert len(names) == len(launch_file.ARGUMENTS)
    assert names == {*declarations(bringup.Options), "rviz", "record", *bringup.overridable()}
    assert {"planner.noise_scale", "reward_composer.weights.energy", "command_publisher.stick_velocity"} <= names
    assert all(argument.keywords["description"] for argument in launch_file.ARGUMENTS)


def test_every_console_script_resolves() -> None:
    scripts = console_scripts()
    assert set(scripts) == {*bringup.EXECUTABLES, bringup.VIEW, "diffusion-mpc"}
    for name, value in scripts.items():
        module, function = value.split(":")
        assert callable(getattr(importlib.import_module(module), function)), name


def test_a_console_script_runs_from_an_empty_environment() -> None:
    script = Path(sys.executable).with_name("diffusion-mpc")
    done = subprocess.run([script, "--help"], env={"PATH": os.defpath}, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_configuration_file_parses(path: Path) -> None:
    assert yaml.safe_load(path.read_text())


@pytest.mark.parametrize("name", [*bringup.EXECUTABLES, bringup.VIEW])
def test_every_node_has_its_parameter_file(name: str) -> None:
    assert bringup.load_parameters(name)


def colcon(*arguments: str, log: Path) -> str:
    command = [Path(sys.executable).with_name("colcon"), "--log-base", str(log), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_colcon_finds_both_packages_and_no_other(tmp_path: Path) -> None:
    listed = colcon("list", "--base-paths", ".", "interfaces", log=tmp_path / "log")
    packages = {tuple(line.split("\t")[index] for index in (0, 2)) for line in listed.splitlines()}
    assert packages == {(PACKAGE, "(ros.ament_python)"), ("diffusion_mpc_msgs", "(ros.ament_cmake)")}


def test_colcon_installs_executables_and_shared_files(tmp_path: Path) -> None:
    bases = ("--build-base", str(tmp_path / "build"), "--install-base", str(tmp_path / "install"))
    colcon("build", "--base-paths", ".", "--packages-select", PACKAGE, *bases, log=tmp_path / "log")
    prefix = tmp_path / "install" / PACKAGE
    for name in (*bringup.EXECUTABLES, bringup.VIEW, "diffusion-mpc"):
        assert os.access(prefix / "lib" / PACKAGE / name, os.X_OK), name
    share = prefix / "share" / PACKAGE
    for folder in ("launch", "config", "layouts", "rviz", "models"):
        shipped = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        shipped = {path for path in shipped if "__pycache__" not in path.parts}
        assert shipped
        assert {path.relative_to(share) for path in (share / folder).rglob("*") if path.is_file()} == shipped
