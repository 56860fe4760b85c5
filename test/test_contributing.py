"""CONTRIBUTING.md sends people to files and names that are there; nodes are as thin as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
# `folder/`, `file` or `file:NAME`; commands hold spaces.
PLACES = sorted(set(re.findall(r"`((?:[\w.-]+/)+(?:[\w.-]+)?(?::\w+)?)`", TEXT)))
NODES = sorted((ROOT / "diffusion_mpc_ros" / "nodes").rglob("*.py"))
NODE_LINES, FILE_LINES = 150, 400


def test_places_are_found():
    assert len(PLACES) > 20 and "diffusion_mpc_ros/rewards/registry.py:TERMS" in PLACES


@pytest.mark.parametrize("place", PLACES)
def test_a_named_place_is_there(place):
    path, _, name = place.partition(":")
    assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file()
    if name:
        assert re.search(rf"^(class )?{name}\b", (ROOT / path).read_text(), re.MULTILINE), f"no {name} in {path}"


def test_every_way_in_has_a_file_a_line_and_a_test():
    rows = [row.strip(" |").split(" | ") for row in TEXT.splitlines() if row.startswith("| a")]
    assert len(rows) == 13
    for what, write, line, test in rows:
        assert write and line, what
        assert test.startswith("`test/"), what


def test_ci_does_what_is_said_of_it():
    script, said = (ROOT / ".ci" / "run").read_text(), re.search(r"`\.ci/run` does [^.]*\.", TEXT)[0]
    (targets,) = re.findall(r"^make -C \S+ (.*)$", script, re.MULTILINE)
    assert re.findall(r"`make ([\w-]+)`", said) == targets.split()


@pytest.mark.parametrize("path", NODES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nodes_are_thin(path):
    assert len(path.read_text().splitlines()) <= NODE_LINES


@pytest.mark.parametrize("folder", ["diffusion_mpc_ros", "examples", "launch", "test", "tools"])
def test_no_file_is_longer_than_one_reads(folder):
    lengths = {str(path): len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert lengths and {path: length for path, length in lengths.items() if length > FILE_LINES} == {}
