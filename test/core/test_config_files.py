"""Configuration files become dataclasses, with every name and type checked."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.core.config_files import load
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


def load_text(tmp_path, text: str) -> Whole:
    path = tmp_path / "whole.yaml"
    path.write_text(text)
    return load(Whole, path)


def test_what_is_named_is_taken_and_the_rest_keeps_its_default(tmp_path):
    loaded = load_text(
        tmp_path, "folder: /data\nlimit: 2\nbounds: [0.1, 2]\npart: {count: 3}\nstages: [{scale: 1}, {count: 4}]"
    )
    assert loaded == Whole("go2", Path("/data"), 2.0, (0.1, 2.0), Part(3), (Part(scale=1.0), Part(4)))
    assert load_text(tmp_path, "") == Whole()


def test_a_scalar_is_read_as_the_declared_type_and_nothing_is_guessed(tmp_path):
    loaded = load_text(tmp_path, "name: 1e6\nlimit: 1e-3\nbounds: [1, 2e0]\nfolder: 3")
    assert loaded == Whole("1e6", Path("3"), 0.001, (1.0, 2.0))
    assert load_text(tmp_path, "limit: auto") == load_text(tmp_path, "limit: null") == Whole()
    assert load_text(tmp_path, "name: '3'").name == "3"
    with pytest.raises(ConfigurationError, match="needed is a number"):
        load_text(tmp_path, "part: {scale: '3'}")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nmae: go2", "no setting 'nmae'; did you mean name"),
        ("part: {cuont: 2}", "part has no setting 'cuont'; did you mean count"),
        ("stages: [{count: 2}, {cuont: 2}]", r"stages\[1\] has no setting 'cuont'"),
        ("limit: .nan", "limit = .*: needed is"),
        ("stages: 3", "stages = .3.: needed is a list"),
        ("name: a\nname: b", "gives 'name' twice"),
        ("name: &a [*a]", "an alias stands for itself"),
        ("name: [go2]", "name = .*: needed is text"),
        ("part: {count: 1.5}", "part.count = .*: needed is a whole number"),
        ("part: {count: true}", "part.count = .*: needed is a whole number"),
        ("part: 3", "count"),
        ("bounds: [1.0]", "bounds = "),
        ("stages: [{scale: high}]", "stages.scale = .high.: needed is a number"),
        ("name: [", "cannot be read"),
        ("[1, 2]", "must map"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, text, named):
    with pytest.raises(ConfigurationError, match=named):
        load_text(tmp_path, text)


@pytest.mark.parametrize("name", ["demonstrator", "collect", "pretrain", "export"])
def test_the_shipped_files_fit_their_commands(name):
    command = cli.COMMANDS.commands["train"].commands[name]
    kind = getattr(importlib.import_module(f"diffusion_mpc_ros.{command.module}"), command.config)
    assert isinstance(load(kind, config_file(command.file)), kind)
