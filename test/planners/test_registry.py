"""Planners by name: those of the package, and one's own."""

from __future__ import annotations

import sys

import pytest

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.registry import PLANNERS, check_planner_name, make_planner

OWN = """
from types import SimpleNamespace
from diffusion_mpc_ros.planners.anytime_planner import Ladder

def make(values, timing, budgeted):
    level = SimpleNamespace(name="own", identity="", timing=timing, reward_terms=(), values=values, budgeted=budgeted)
    return Ladder([level], "one's own")
"""


@pytest.mark.parametrize("name", [*PLANNERS, "my_planners.standing:make", "own:make"])
def test_names_of_the_registry_and_of_functions_pass(name):
    check_planner_name(name)


@pytest.mark.parametrize("name", ["", "dial", "my.module", ":make", "os:system()", "a b:c", "1:make", "own:"])
def test_other_names_are_refused_with_the_valid_ones(name):
    with pytest.raises(ConfigurationError, match="unknown planner .*; there is diffusion_mpc, and MODULE:FUNCTION"):
        check_planner_name(name)
    with pytest.raises(ConfigurationError, match="unknown planner"):
        bringup.BringupOptions(planner=name)


def test_ones_own_planner_is_imported_when_it_is_chosen(tmp_path, monkeypatch):
    (tmp_path / "own_planner.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    values = bringup.load_parameters("planner")
    planner = make_planner("own_planner:make", values)
    assert (planner.name, planner.timing.replan_margin, planner.levels[0].budgeted) == ("own", 3, True)
    assert planner.describe() == "one's own, time budget 32 ms"
    assert not make_planner("own_planner:make", {**values, "time_budget_ms": 0.0}).levels[0].budgeted
    del sys.modules["own_planner"]


@pytest.mark.parametrize("name", ["no_such_module:make", "json:no_such_function"])
def test_what_cannot_be_imported_is_named(name):
    with pytest.raises(ConfigurationError, match=f"the planner '{name}' cannot be imported: "):
        make_planner(name, bringup.load_parameters("planner"))


def test_one_planner_for_both_nodes_and_an_artefact_for_those_that_have_one():
    for name, artefact in (("diffusion_mpc", "go2"), ("own_planner:make", "")):
        specs = {spec.name: spec.parameters for spec in bringup.processes(bringup.BringupOptions(planner=name))}
        assert specs["planner"]["planner"] == name
        assert specs["command_publisher"]["artefact"] == artefact
