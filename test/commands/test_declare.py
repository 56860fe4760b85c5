"""`diffusion-mpc declare`: what it asks for, and what needs no planner to be refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from diffusion_mpc_ros.commands import declare
from diffusion_mpc_ros.core.declared_model import NOMINAL
from diffusion_mpc_ros.core.errors import ConfigurationError


@pytest.fixture
def asked(monkeypatch):
    """The requests that reach a planner, which takes them all."""
    from diffusion_mpc_msgs.srv import DeclareModel

    from diffusion_mpc_ros.nodes import graph_client

    requests = []

    class Client:
        def __init__(self, name: str, namespace: str) -> None:
            self.namespace = namespace

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None:
            pass

        def call(self, kind, name: str, request):
            assert (kind, name) == (DeclareModel, "declare_model")
            requests.append((dict(zip(request.names, request.values, strict=True)), request.clear))
            return SimpleNamespace(success=True, message="planning", names=["slope"], values=[5.0])

    monkeypatch.setattr(graph_client, "GraphClient", Client)
    return requests


def test_what_each_command_asks_for(asked, tmp_path, capsys) -> None:
    file = tmp_path / "declared.yaml"
    file.write_text("payload_mass: 2\nslope: 4\n")
    declare.payload(declare.PayloadConfig(6.0, (0.0, 0.0, 0.2)))
    declare.motor(declare.MotorConfig("FL_calf", 0.4))
    declare.slope(declare.SlopeConfig(15.0, 90.0))
    declare.friction(declare.FrictionConfig(0.3))
    declare.file(declare.FileConfig(file))
    declare.clear(declare.ClearConfig())
    declare.show(declare.ShowConfig())
    assert asked == [
        ({"payload_mass": 6.0, "payload_x": 0.0, "payload_y": 0.0, "payload_z": 0.2}, False),
        ({"FL_calf": 0.4}, False),
        ({"slope": 15.0, "slope_direction": 90.0}, False),
        ({"friction": 0.3}, False),
        ({**NOMINAL.numbers, "payload_mass": 2.0, "slope": 4.0}, True),
        ({}, True),
        ({}, False),
    ]
    assert capsys.readouterr().out.splitlines()[-1].split() == ["slope", "5"]


def test_what_is_out_of_range_reaches_no_planner(asked) -> None:
    with pytest.raises(ConfigurationError, match="payload_mass = 60.0: needed is a number in 0 .. 15 kg"):
        declare.payload(declare.PayloadConfig(60.0))
    with pytest.raises(ConfigurationError, match="did you mean FL_calf"):
        declare.motor(declare.MotorConfig("FL_calv", 0.4))
    assert not asked
