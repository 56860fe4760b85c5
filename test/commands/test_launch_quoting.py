"""honcho runs each process through a shell: nothing that a user may name is read by it."""

from __future__ import annotations

import json

import pytest

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands import launch
from diffusion_mpc_ros.core.errors import ConfigurationError

INJECTIONS = [
    "$(touch {0})",
    "`touch {0}`",
    "; touch {0};",
    "' ; touch {0} ; '",
    '" ; touch {0} ; "',
    "\n touch {0} \n",
    "&& touch {0}",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_parameter_reaches_the_node_as_it_is_and_no_shell(tmp_path, monkeypatch, text):
    """A node that writes down its arguments stands in for the real one."""
    package = tmp_path / "stand_in" / "nodes"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    said, touched = tmp_path / "said", tmp_path / "touched"
    (package / "planner.py").write_text(f"import json, sys\njson.dump(sys.argv[1:], open({str(said)!r}, 'w'))\n")
    monkeypatch.setattr(bringup, "PACKAGE", "stand_in")
    value = text.format(touched)
    remappings = (("plan", value),)
    spec = bringup.ProcessSpec("planner", "planner", {"artefact": value}, remappings=remappings)
    assert launch.run_processes([spec], {"PYTHONPATH": str(tmp_path)}) == 0
    assert json.loads(said.read_text()) == bringup.ros_arguments(spec)
    assert not touched.exists()


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_namespace_is_a_name(text):
    with pytest.raises(ConfigurationError, match="ROS namespace"):
        bringup.BringupOptions(namespace=text)
