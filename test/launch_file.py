"""launch/go2.launch.py where there is no ``launch``, which no wheel carries: over stand-ins that keep what they get."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

LAUNCH_FILE = Path(__file__).resolve().parents[1] / "launch" / "go2.launch.py"
CLASSES = {
    "launch": ("LaunchContext", "LaunchDescription"),
    "launch.actions": ("DeclareLaunchArgument", "ExecuteProcess", "OpaqueFunction"),
    "launch_ros": (),
    "launch_ros.actions": ("Node",),
}


class Recorded:
    """Stands in for any class of launch and launch_ros: keeps what it was made with."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.name = arguments[0] if arguments else keywords.get("name")
        self.keywords = keywords


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launch file as a module."""
    for name, members in CLASSES.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, Recorded)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("go2_launch", LAUNCH_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def launch_arguments(launch_file: ModuleType, **given: str) -> SimpleNamespace:
    """The context of the launch arguments, the declared defaults where none is given."""
    declared = {argument.name: argument.keywords["default_value"] for argument in launch_file.ARGUMENTS}
    return SimpleNamespace(launch_configurations=declared | given)
