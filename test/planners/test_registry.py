"""Planners by name: those of the package, and one's own."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.planners.diffusion_mpc.settings import DiffusionMpcSettings
from diffusion_mpc_ros.planners.registry import PLANNERS, check_planner_name, make_planner, settings_of

OWN = """
from types import SimpleNamespace
from diffusion_mpc_ros.core.settings import Settings
from diffusion_mpc_ros.planners.anytime_planner import Ladder

def make(settings: Settings, timing, budgeted):
    level = SimpleNamespace(
        name="own", identity="", timing=timing, reward_terms=(), provides=frozenset(), budgeted=budgeted
    )
    return Ladder([level], "one's own")

def undeclared(values, timing, budgeted):
    return make(Settings(), timing, budgeted)
"""


@pytest.mark.parametrize("name", [*PLANNERS, "my_planners.standing:make", "own:make"])
def test_names_of_the_registry_and_of_functions_pass(name):
    check_planner_name(name)


@pytest.mark.parametrize("name", ["", "dial", "my.module", ":make", "os:system()", "a b:c", "1:make", "own:"])
def test_other_names_are_refused_with_the_valid_ones(name):
    with pytest.raises(ConfigurationError, match="unknown planner .*; there is diffusion_mpc, .*MODULE:FUNCTION"):
        check_planner_name(name)
    with pytest.raises(ConfigurationError, match="unknown planner"):
        bringup.BringupOptions(planner=name)


@pytest.fixture
def own_planner(tmp_path, monkeypatch):
    (tmp_path / "own_planner.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_planner:make"
    sys.modules.pop("own_planner", None)


def test_ones_own_planner_is_imported_when_it_is_chosen(own_planner):
    settings, own = bringup.load_settings("planner", own_planner)
    settings = replace(settings, planner=own_planner, replan_margin=3)
    planner = make_planner(settings, own)
    assert (planner.name, planner.timing.replan_margin, planner.levels[0].budgeted) == ("own", 3, True)
    assert planner.describe() == "one's own, time budget 32 ms"
    assert not make_planner(replace(settings, time_budget_ms=0.0), own).levels[0].budgeted


def test_one_that_does_not_say_what_can_be_set_is_refused(own_planner):
    with pytest.raises(ConfigurationError, match="needs as annotation core.settings.Settings"):
        settings_of("own_planner:undeclared")


def test_settings_of_another_planner_are_refused_but_may_stand_in_the_file(own_planner):
    assert settings_of("diffusion_mpc") is DiffusionMpcSettings
    assert "candidates" not in bringup.load_parameters("planner", own_planner)
    with pytest.raises(ConfigurationError, match="planner has no setting 'candidates'"):
        bringup.BringupOptions(planner=own_planner, parameters={"planner": {"candidates": 3}})


@pytest.mark.parametrize("name", ["no_such_module:make", "json:no_such_function"])
def test_what_cannot_be_imported_is_named(name):
    with pytest.raises(ConfigurationError, match=f"the planner '{name}' cannot be imported: "):
        settings_of(name)


def test_one_planner_for_both_nodes_and_an_artefact_for_those_that_have_one(own_planner):
    for name, artefact in (("diffusion_mpc", "go2"), (own_planner, "")):
        specs = {spec.name: spec.parameters for spec in bringup.processes(bringup.BringupOptions(planner=name))}
        assert specs["planner"]["planner"] == name
        assert specs["command_publisher"]["artefact"] == artefact
