"""Configuration files become dataclasses, with every name and type checked."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.commands.config_files import load_config
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import config_file


@dataclass(frozen=True)
class Part:
    count: int = 1
    scale: float = 0.5


@dataclass(frozen=True)
class Whole:
    name: str = "go2"
    folder: Path = Path("runs")
    limit: float | None = None
    bounds: tuple[float, float] = (0.0, 1.0)
    part: Part = field(default_factory=Part)
    stages: tuple[Part, ...] = ()


def load(tmp_path, text: str) -> Whole:
    path = tmp_path / "whole.yaml"
    path.write_text(text)
    return load_config(Whole, path)


def test_what_is_named_is_taken_and_the_rest_keeps_its_default(tmp_path):
    loaded = load(
        tmp_path, "folder: /data\nlimit: 2\nbounds: [0.1, 2]\npart: {count: 3}\nstages: [{scale: 1}, {count: 4}]"
    )
    assert loaded == Whole("go2", Path("/data"), 2.0, (0.1, 2.0), Part(3), (Part(scale=1.0), Part(4)))
    assert load(tmp_path, "") == Whole()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nmae: go2", "nmae.*name"),
        ("name: 3", "name must be str"),
        ("part: {count: 1.5}", "count must be int"),
        ("part: {count: true}", "count must be int"),
        ("part: 3", "count"),
        ("bounds: [1.0]", "2 values"),
        ("stages: [{scale: high}]", r"stages\[0\]: scale"),
        ("name: [", "cannot be read"),
        ("[1, 2]", "must map"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, text, named):
    with pytest.raises(ConfigurationError, match=named):
        load(tmp_path, text)


@pytest.mark.parametrize("name", ["demonstrator", "collect", "pretrain", "export"])
def test_the_shipped_files_fit_their_commands(name):
    command = cli.COMMANDS.commands["train"].commands[name]
    kind = getattr(importlib.import_module(f"diffusion_mpc_ros.{command.module}"), command.config)
    assert isinstance(load_config(kind, config_file(command.file)), kind)
