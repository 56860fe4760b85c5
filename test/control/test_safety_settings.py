"""The loader of the safety settings refuses whatever it does not know."""

import copy
from dataclasses import fields

import pytest
import yaml

from diffusion_mpc_ros.control.settings import (
    BOUNDS,
    SafetySettings,
    load_safety_settings,
    parse_safety_settings,
)
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import config_file

SHIPPED = yaml.safe_load(config_file("safety.yaml").read_text())


def test_the_shipped_file_is_complete():
    settings = load_safety_settings(config_file("safety.yaml"))
    assert [field.name for field in fields(SafetySettings)] == list(BOUNDS)
    assert all(getattr(settings, name) == SHIPPED[name]["value"] for name in BOUNDS)


@pytest.mark.parametrize(
    ("name", "entry", "words"),
    [
        ("tilt_max", None, "value, unit and reason"),
        ("tilt_max", 0.9, "value, unit and reason"),
        ("tilt_max", {"value": 0.9, "unit": "deg", "reason": "x"}, "is in 'rad'"),
        ("tilt_max", {"value": 0.9, "unit": "rad", "reason": " "}, "reason"),
        ("tilt_max", {"value": "0.9", "unit": "rad", "reason": "x"}, "finite number"),
        ("tilt_max", {"value": True, "unit": "rad", "reason": "x"}, "finite number"),
        ("tilt_max", {"value": float("nan"), "unit": "rad", "reason": "x"}, "finite number"),
        ("tilt_max", {"value": 3.0, "unit": "rad", "reason": "x"}, "0.2 .. 1.4"),
        ("tilt_maximum", {"value": 0.9, "unit": "rad", "reason": "x"}, "unknown thresholds ..tilt_maximum"),
    ],
)
def test_bad_entries_are_refused(name, entry, words):
    content = {**copy.deepcopy(SHIPPED), name: entry}
    with pytest.raises(ConfigurationError, match=words):
        parse_safety_settings(content, "safety.yaml")


def test_missing_and_unreadable(tmp_path):
    content = {name: entry for name, entry in SHIPPED.items() if name != "battery_min"}
    with pytest.raises(ConfigurationError, match="missing ..battery_min"):
        parse_safety_settings(content, "safety.yaml")
    with pytest.raises(ConfigurationError, match="must map"):
        parse_safety_settings(None, "safety.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_safety_settings(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_safety_settings(broken)
