"""docs/safety.md says what the code does: transitions, thresholds, buttons."""

from __future__ import annotations

from pathlib import Path

import yaml

from diffusion_mpc_ros.control.gamepad import BINDINGS
from diffusion_mpc_ros.control.modes import TRANSITIONS
from diffusion_mpc_ros.core.resources import config_file

ROOT = Path(__file__).resolve().parents[1]
LINES = (ROOT / "docs" / "safety.md").read_text().splitlines()


def rows_between(heading: str) -> list[list[str]]:
    """The cells of every table row in the section ``heading``, without table heads."""
    start = LINES.index(f"## {heading}") + 1
    end = next((index for index in range(start, len(LINES)) if LINES[index].startswith("## ")), len(LINES))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES[start:end] if line.startswith("|")]
    return [row for row in rows if not set(row[0]) <= {"-", " "}]


def test_every_transition_is_documented() -> None:
    documented = {
        (mode, *change.split(" -> "))
        for mode, changes in rows_between("States")[1:]
        for change in changes.split(", ")
    }
    real = {
        (mode.value, event.value, target.value)
        for mode, changes in TRANSITIONS.items()
        for event, target in changes.items()
        if target is not mode
    }
    assert documented == real


def test_every_threshold_is_documented() -> None:
    expected = [
        [f"`{name}`", f"{entry['value']:g} {entry['unit']}", entry["reason"]]
        for name, entry in yaml.safe_load(config_file("safety.yaml").read_text()).items()
    ]
    assert rows_between("Thresholds")[1:] == expected


def test_every_button_is_documented() -> None:
    rows = rows_between("Operator")
    for binding in BINDINGS:
        assert [f"`{binding.name}`", binding.description] in rows


def test_every_file_that_is_named_is_there() -> None:
    words = [word.strip("`,.();:") for line in LINES for word in line.split("`")[1::2]]
    folders = {"control", "nodes", "test", "tools", "config"}
    paths = [word for word in words if "/" in word and word.split("/")[0] in folders]
    assert paths
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "diffusion_mpc_ros" / path).exists(), path
