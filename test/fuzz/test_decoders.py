"""Whatever bytes come from outside: typed errors only, and what is decoded is finite."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_mpc_ros.control.settings import load_safety_settings
from diffusion_mpc_ros.core.errors import ConfigurationError, InterfaceError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.rewards.presets import load_presets

TOOL = Path(__file__).parents[2] / "tools" / "fuzz_decoders.py"
_spec = importlib.util.spec_from_file_location("fuzz_decoders", TOOL)
decoders = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(decoders)

# Bytes that look like numbers, text, floats that are none, or nothing at all.
BYTES = st.one_of(
    st.binary(max_size=2000),
    st.integers(0, 255).map(lambda byte: bytes([byte]) * 2000),
    st.lists(st.sampled_from([b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff", b"\0\0\0\0", b"\0\0\x80\x3f"])).map(b"".join),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=8), st.integers(), st.sampled_from([10**400, -(10**400)])
)
NAMES = st.sampled_from(
    [
        "name",
        "presets",
        "none",
        "weights",
        "parameters",
        "constraints",
        "description",
        "posture",
        "posture.target",
        "joint_range",
        "tilt_max",
        "value",
        "unit",
        "reason",
        "schedule",
        "steps",
        "horizon",
        "normalizer",
        "files",
        "model",
        "schema_version",
        "model.onnx",
        "type",
        "mean",
        "std",
        "clamp",
        "replan_margin",
        "reward_terms",
        "x0_clip",
    ]
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | SCALARS, inner, max_size=6)
)


@pytest.mark.parametrize("name", sorted(decoders.TARGETS))
@settings(max_examples=60, deadline=None)
@given(data=BYTES)
def test_any_bytes(name, data):
    decoders.run(name, data)


@pytest.mark.parametrize("name", ["card", "model_part", "motion_switcher", "safety_settings", "reward_presets"])
@settings(max_examples=60, deadline=None)
@given(value=VALUES)
def test_any_structure(name, value):
    try:
        dump = decoders.json.dumps if name in ("card", "model_part", "motion_switcher") else yaml.dump
        text = dump(value)
    except (TypeError, ValueError):
        return  # neither JSON nor YAML can say it
    decoders.run(name, text.encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=1300))
def test_what_gets_past_checksum_and_layout_is_accepted_or_refused_in_words(data):
    for name in ("lowstate_checked", "lowcmd_checked", "sportmodestate_checked"):
        decoders.run(name, data)


@pytest.mark.parametrize("name", sorted(decoders.TARGETS))
@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 50_000], ids=["lists", "mappings"])
def test_deep_nesting(name, data):
    decoders.run(name, data)


def test_deep_nesting_is_refused_where_it_is_read(tmp_path):
    path = tmp_path / "deep.yaml"
    path.write_text("[" * 100_000)
    for load in (load_safety_settings, load_presets):
        with pytest.raises(ConfigurationError, match="deep.yaml.* read"):
            load(path)


def test_a_bomb_of_aliases_is_refused_without_being_written_out():
    """Nine levels of nine references each: 9**9 elements, were anybody to print them."""
    levels = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    bomb = "\n".join(levels)
    assert not decoders.run("safety_settings", bomb.encode())
    thresholds = config_file("safety.yaml").read_text().replace("tilt_max:\n  value: 0.9", "tilt_max:\n  value: *a9")
    with pytest.raises(ConfigurationError, match="tilt_max = .*: needed is a number in 0.2") as refused:
        decoders._yaml(
            (bomb + "\n" + thresholds).encode(),
            lambda content, source: decoders.parse_safety_settings(
                {name: entry for name, entry in content.items() if not name[1:].isdigit()},
                source,
            ),
        )
    assert len(str(refused.value)) < 500
    assert not decoders.run("reward_presets", f"{bomb}\npresets: {{bad: *a9}}".encode())


def test_what_is_right_is_accepted():
    assert decoders.run("reward_presets", config_file("rewards.yaml").read_bytes())
    for name, data in {
        "safety_settings": config_file("safety.yaml").read_bytes(),
        "lowcmd_checked": b"",
        # Found by the coverage-guided run: every entry may be left out.
        "reward_presets": b"presets: {plain: {}}",
        "motion_switcher": b'{"form": "0", "name": "mcf"}',
    }.items():
        assert decoders.run(name, data), name


@pytest.mark.parametrize("answer", ['{"name": null}', '{"name": 0}', '{"name": {}}', '{"name": false}', "{}", "[]"])
def test_only_a_text_tells_that_no_controller_is_active(answer):
    with pytest.raises(InterfaceError, match="the motion switcher said"):
        decoders.motion_switcher.parse_mode(answer)


def test_the_coverage_guided_run_says_what_it_lacks():
    code = f"import runpy, sys; sys.modules['atheris'] = None; runpy.run_path({str(TOOL)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and "pip install -r requirements/fuzz.txt" in done.stderr
