"""`make test` runs every test once: in parallel what needs no real time, the rest alone."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

tool = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "run_tests.py"))


def test_each_half_gets_the_arguments_and_its_marker():
    parallel, alone = tool["halves"](["-x", "test/core", "-m", "not slow or fuzz"], 2)
    assert parallel == [
        "-n",
        "2",
        "--dist",
        "worksteal",
        "-x",
        "test/core",
        "-m",
        "(not slow or fuzz) and not real_time",
    ]
    assert alone == ["-x", "test/core", "-m", "(not slow or fuzz) and real_time"]
    assert [half[-1] for half in tool["halves"]([], 1)] == ["not real_time", "real_time"]


@pytest.mark.parametrize(
    ("statuses", "status"), [((0, 0), 0), ((1, 0), 1), ((0, 2), 2), ((0, 5), 0), ((5, 0), 0), ((5, 5), 5), ((5, 1), 1)]
)
def test_no_tests_in_one_half_is_no_failure(statuses, status):
    assert tool["overall"](statuses) == status


def test_who_talks_over_dds_needs_real_time(request, ros_domain):
    assert request.node.get_closest_marker("real_time") is not None
