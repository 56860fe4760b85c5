"""docs/safety.md says what the code does: transitions, thresholds, buttons."""

from __future__ import annotations

from pathlib import Path

import yaml

from diffusion_mpc_ros.control.gamepad import BINDINGS
from diffusion_mpc_ros.control.gamepad_layouts import LAYOUTS
from diffusion_mpc_ros.control.modes import TRANSITIONS, Mode
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.faults.catalogue.ending import DAMPED, ENDING, name_of

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
        (mode, *change.split(" -> ")) for mode, changes in rows_between("States")[1:] for change in changes.split(", ")
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


def test_every_ending_of_the_table_is_tried_and_no_other() -> None:
    """The table of endings is what the catalogue's entries are made for: ways by modes."""
    ways, *rows = (row for row in rows_between("3. Endings") if len(row) == 1 + len(Mode))
    modes = [Mode(name) for name in ways[1:]]
    documented = {name_of(row[0], mode): cell for row in rows for mode, cell in zip(modes, row[1:])}
    tried = {fault.name: fault.expected for fault in ENDING if " of " not in fault.name}
    assert set(documented) == set(tried) - {"ending: SIGINT twice"}
    for name, cell in documented.items():
        assert (cell == "watchdog") == (tried[name] is DAMPED), name


def test_every_gamepad_layout_is_documented() -> None:
    documented = {row[0].strip("`"): row[1] for row in rows_between("2. Who may move the robot")}
    for layout in LAYOUTS.values():
        assert documented[layout.name] == ", ".join(f"{buttons}/{axes}" for buttons, axes in layout.counts)


def test_every_file_that_is_named_is_there() -> None:
    words = [word.strip("`,.();:") for line in LINES for word in line.split("`")[1::2]]
    folders = {"control", "nodes", "test", "tools", "config"}
    paths = [word for word in words if "/" in word and word.split("/")[0] in folders]
    assert paths
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "diffusion_mpc_ros" / path).exists(), path
