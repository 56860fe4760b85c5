"""The loader of the safety settings refuses whatever it does not know."""

import copy
from dataclasses import replace

import pytest
import yaml

from diffusion_mpc_ros.control.settings import load_safety_settings, parse_safety_settings
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.settings import values_of

SHIPPED = yaml.safe_load(config_file("safety.yaml").read_text())


def test_the_shipped_file_is_complete():
    settings = load_safety_settings(config_file("safety.yaml"))
    assert values_of(settings) == {name: entry["value"] for name, entry in SHIPPED.items()}


@pytest.mark.parametrize(("name", "value"), [("tilt_max", 1.5), ("battery_min", -1.0), ("plan_timeout", float("nan"))])
def test_no_settings_out_of_bounds_can_be_made(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} = .*: needed is a number in"):
        replace(load_safety_settings(config_file("safety.yaml")), **{name: value})


@pytest.mark.parametrize(
    ("name", "entry", "words"),
    [
        ("tilt_max", None, "value, unit and reason"),
        ("tilt_max", 0.9, "value, unit and reason"),
        ("tilt_max", {"value": 0.9, "unit": "deg", "reason": "x"}, "is in 'rad'"),
        ("tilt_max", {"value": 0.9, "unit": "rad", "reason": " "}, "reason"),
        ("tilt_max", {"value": "0.9", "unit": "rad", "reason": "x"}, "needed is a number in 0.2 .. 1.4 rad"),
        ("tilt_max", {"value": True, "unit": "rad", "reason": "x"}, "needed is a number in 0.2 .. 1.4 rad"),
        ("tilt_max", {"value": float("nan"), "unit": "rad", "reason": "x"}, "needed is a number in 0.2 .. 1.4 rad"),
        ("tilt_max", {"value": 3.0, "unit": "rad", "reason": "x"}, "0.2 .. 1.4"),
        (
            "tilt_maximum",
            {"value": 0.9, "unit": "rad", "reason": "x"},
            "did you mean tilt_max",
        ),
    ],
)
def test_bad_entries_are_refused(name, entry, words):
    content = {**copy.deepcopy(SHIPPED), name: entry}
    with pytest.raises(ConfigurationError, match=words):
        parse_safety_settings(content, "safety.yaml")


def test_missing_and_unreadable(tmp_path):
    content = {name: entry for name, entry in SHIPPED.items() if name != "battery_min"}
    with pytest.raises(ConfigurationError, match="missing: battery_min"):
        parse_safety_settings(content, "safety.yaml")
    with pytest.raises(ConfigurationError, match="must map"):
        parse_safety_settings(None, "safety.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_safety_settings(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_safety_settings(broken)
