"""The shipped layouts of rviz, Foxglove and PlotJuggler: every topic and field that they name exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from diffusion_mpc_msgs import msg as messages
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from visualization_msgs.msg import MarkerArray

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "diffusion_mpc_ros" / "nodes"
# What the nodes publish of what the layouts name.
TOPICS = {
    "robot_state": messages.RobotState,
    "joint_command": messages.JointCommand,
    "plan": messages.Plan,
    "reward_weights": messages.RewardWeights,
    "odom": Odometry,
    "predicted_feet": MarkerArray,
    "ground": MarkerArray,
    "view/markers": MarkerArray,
    "view/path": PathMessage,
    "diagnostics": DiagnosticArray,
}
DISPLAYS = {"MarkerArray": MarkerArray, "Path": PathMessage, "Odometry": Odometry}


def resolve(name: str) -> Any:
    """The value at ``topic/field/field[3]`` or ``topic.field.field[3]`` of a fresh message."""
    parts = re.split(r"[/.]", name.strip("/"))
    topic = next("/".join(parts[:count]) for count in (2, 1) if "/".join(parts[:count]) in TOPICS)
    value = TOPICS[topic]()
    for part in parts[topic.count("/") + 1 :]:
        field, _, index = part.partition("[")
        assert field in value.get_fields_and_field_types(), name
        value = getattr(value, field)
        value = value[int(index.rstrip("]"))] if index else value
    return value


def foxglove() -> Iterator[str]:
    layout = json.loads((ROOT / "layouts" / "foxglove.json").read_text())
    for panel in layout["configById"].values():
        yield from panel.get("topics", {})
        yield from (path["value"] for path in panel.get("paths", []))
        yield from (panel[key] for key in ("topicPath", "topicToRender") if key in panel)


def plotjuggler() -> Iterator[str]:
    for curve in ElementTree.parse(ROOT / "layouts" / "plotjuggler.xml").iter("curve"):
        yield curve.attrib["name"]


@pytest.mark.parametrize("name", [*foxglove(), *plotjuggler()])
def test_every_topic_and_field_of_the_layouts_exists(name):
    resolve(name)


@pytest.mark.parametrize("name", plotjuggler())
def test_curves_are_numbers(name):
    assert isinstance(float(resolve(name)), float)


def test_foxglove_places_each_panel_once():
    layout = json.loads((ROOT / "layouts" / "foxglove.json").read_text())

    def panels(node: Any) -> list[str]:
        return [node] if isinstance(node, str) else [*panels(node["first"]), *panels(node["second"])]

    assert sorted(panels(layout["layout"])) == sorted(layout["configById"])


def test_rviz_shows_topics_of_the_right_type():
    displays = yaml.safe_load((ROOT / "rviz" / "go2.rviz").read_text())["Visualization Manager"]["Displays"]
    shown = {display["Topic"]["Value"]: display["Class"].split("/")[1] for display in displays if "Topic" in display}
    assert {"view/markers", "view/path", "odom"} <= set(shown)
    assert {topic: DISPLAYS[kind] for topic, kind in shown.items()} == {topic: TOPICS[topic] for topic in shown}


def test_the_named_topics_are_published():
    published = set(
        re.findall(r'create_publisher\(\s*\w+, "([\w/~]+)"', "".join(p.read_text() for p in SOURCES.glob("*.py")))
    )
    assert {topic for topic in TOPICS if topic != "diagnostics"} <= published
