"""Python, the packages, the configuration files."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import INSTALL, Finding, bad, ok
from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.errors import ConfigurationError, InterfaceError
from diffusion_mpc_ros.core.resources import config_file

OLDEST_PYTHON = (3, 10)
# Name -> the module that is imported to try it, and the distribution of which the version is told.
PACKAGES = {
    "rclpy": ("rclpy", "ros-jazzy-rclpy"),
    "cyclonedds": ("cyclonedds.domain", "cyclonedds"),
    # The wheel's own first import fails; this module mends it.
    "unitree_sdk2py": ("diffusion_mpc_ros.go2.sdk", "unitree-sdk2"),
    "onnxruntime": ("onnxruntime", "onnxruntime"),
    "mujoco": ("mujoco", "mujoco"),
}
# rclpy ends the process that imports it when RMW_IMPLEMENTATION names another RMW than the installed one.
ENDS_THE_PROCESS = ("rclpy",)
IMPORT_TIMEOUT = 10.0  # [s]
MESSAGES = "diffusion_mpc_msgs.msg"


def check_python(_: Context) -> Finding:
    """Judge the interpreter."""
    return judge_python(sys.version_info[:2], f"{platform.python_version()}, {sys.executable}")


def judge_python(version: tuple[int, int], text: str) -> Finding:
    """``version`` of Python, described in ``text``."""
    if version < OLDEST_PYTHON:
        return bad(f"{text}; {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed", f"{INSTALL} with a newer one")
    return ok(text)


def check_packages(_: Context) -> Finding:
    """Judge the libraries of the run time, imported for real."""
    failures = {
        name: try_import_apart(module) if name in ENDS_THE_PROCESS else _try_import(module)
        for name, (module, _) in PACKAGES.items()
    }
    return judge_packages(failures, _versions())


def judge_packages(failures: Mapping[str, str], versions: Mapping[str, str]) -> Finding:
    """``failures``: why each package cannot be imported, ``""`` where it can."""
    broken = [f"{name} ({reason})" for name, reason in failures.items() if reason]
    if broken:
        remedy = f"{INSTALL}; with ROS 2, source its setup.bash; unset an RMW_IMPLEMENTATION that is not there"
        return bad(f"cannot be imported: {', '.join(broken)}", remedy)
    return ok(", ".join(f"{name} {versions.get(name, '')}".strip() for name in failures))


def check_messages(_: Context) -> Finding:
    """Check that the project's own message package is built and found."""
    reason = _try_import(MESSAGES)
    if reason:
        return bad(
            f"diffusion_mpc_msgs cannot be imported ({reason})",
            f"{INSTALL}, or: colcon build --base-paths . interfaces && source install/setup.bash",
        )
    return ok("diffusion_mpc_msgs is importable")


def check_configuration(context: Context) -> Finding:
    """safety.yaml and rewards.yaml; keeps the thresholds for the checks of the robot."""
    from diffusion_mpc_ros.constraints.registry import CONSTRAINTS, check_feasible
    from diffusion_mpc_ros.rewards.composition import RewardComposer
    from diffusion_mpc_ros.rewards.presets import load_presets

    context.settings = load_safety_settings(config_file("safety.yaml"))
    presets = load_presets(config_file("rewards.yaml"))
    composer = RewardComposer(presets, CONSTRAINTS, check=check_feasible)
    for name in presets:
        composer.preset_settings(name)
    return ok(f"safety.yaml, rewards.yaml with {len(presets)} presets, in {config_file('safety.yaml').parent}")


def check_parameters(_: Context) -> Finding:
    """Compare the parameter file of every node with its declarations: ROS ignores a misspelt name without a word."""
    problems = []
    for name in bringup.EXECUTABLES:
        try:
            bringup.load_parameters(name)
        except ConfigurationError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationError("; ".join(problems))
    return ok(f"those of {', '.join(bringup.EXECUTABLES)}")


def try_import_apart(module: str) -> str:
    """As :func:`_try_import`, in a process of its own."""
    command = [sys.executable, "-c", f"import {module}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"takes more than {IMPORT_TIMEOUT:.0f} s"
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else lines[-1] if lines else f"exit status {done.returncode}"


def _try_import(module: str) -> str:
    """Why ``module`` cannot be imported, ``""`` when it can."""
    try:
        importlib.import_module(module)
    except (ImportError, InterfaceError) as error:
        return str(error)
    return ""


def _versions() -> dict[str, str]:
    """Versions of the packages that were installed by pip; those of a ROS installation are not known to Python."""
    versions = {}
    for name, (_, distribution) in PACKAGES.items():
        try:
            versions[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
