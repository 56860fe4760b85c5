"""What can be set is declared once; the files that follow from it are up to date."""

from __future__ import annotations

import pytest
import yaml

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.commands import settings
from diffusion_mpc_ros.core.config_files import flat
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import declarations, written
from diffusion_mpc_ros.nodes.settings_lookup import NODES, settings_of_node

KINDS = {f"{node} {kind.__name__}": kind for node in NODES for kind in settings_of_node(node)}


@pytest.mark.parametrize(
    ("path", "text"), settings.written_files().items(), ids=lambda value: getattr(value, "name", "")
)
def test_the_written_files_are_up_to_date(path, text):
    assert path.read_text(encoding="utf-8") == text, "run `diffusion-mpc settings --write`"


@pytest.mark.parametrize("node", NODES)
def test_the_files_mean_the_defaults_to_readers_that_guess_types(node):
    content = yaml.safe_load(settings.parameter_file(node))["/**"]["ros__parameters"]
    own = {name: entry for kind in settings_of_node(node) for name, entry in settings.own(kind).items()}
    found = flat(content, node)
    assert found == {name: written(entry.default) for name, entry in own.items()}
    assert {name: type(value) for name, value in found.items()} == {n: type(written(e.default)) for n, e in own.items()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_setting_says_what_it_is(kind):
    known = declarations(kind)
    assert known
    for name, declaration in known.items():
        entry = declaration.setting
        assert entry.description.endswith("."), name
        assert (entry.low is None) == (entry.high is None), name
        # A number has bounds, a text none; what has no unit is a count, a share or a factor.
        assert (entry.low is not None) == (declaration.base in (int, float, tuple)), name
        declaration.check(declaration.default)


def test_a_node_and_a_planner_are_listed(capsys):
    assert cli.main(["settings", "planner"]) == 0
    text = capsys.readouterr().out
    assert "replan_margin" in text and "candidates" in text and "friction" not in text


def test_an_unknown_node_is_refused_with_the_nearest():
    with pytest.raises(ConfigurationError, match="no node 'planer'; did you mean planner"):
        settings.main(settings.Config("planer"))
