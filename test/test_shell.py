"""What a shell may lack, told in one line with its remedy, and who listens to what in a clean one."""

from __future__ import annotations

import os

import pytest

from diffusion_mpc_ros import cli, shell
from diffusion_mpc_ros.core.errors import ConfigurationError

HOME = {"HOME": "/tmp"}


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"ROS_DOMAIN_ID": "abc"}, "export ROS_DOMAIN_ID"),
        ({"ROS_DOMAIN_ID": "400"}, "0 .. 232"),
        ({"ROS_DOMAIN_ID": "-1"}, "0 .. 232"),
        ({"ROS_DOMAIN_ID": "9" * 5000}, "0 .. 232"),
        ({"ROS_LOCALHOST_ONLY": "yes"}, "unset ROS_LOCALHOST_ONLY"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "WORLD"}, "LOCALHOST"),
        ({"FASTDDS_DEFAULT_PROFILES_FILE": "/nowhere.xml"}, "unset FASTDDS"),
        ({"HOME": ""}, "ROS_LOG_DIR"),
        ({"HOME": "/dev/null"}, "ROS_LOG_DIR"),
        ({"ROS_LOG_DIR": "/dev/null/log"}, "ROS_LOG_DIR"),
    ],
)
def test_an_obstacle_is_told_with_its_remedy(variables, named):
    with pytest.raises(ConfigurationError, match=named) as raised:
        shell.check(HOME | variables)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "variables", [{}, {"ROS_DOMAIN_ID": ""}, {"ROS_DOMAIN_ID": "232"}, {"ROS_LOCALHOST_ONLY": "1"}]
)
def test_a_usual_shell_is_fine(variables):
    shell.check(HOME | variables)


def test_a_command_that_joins_ros_says_so_before_it_does(monkeypatch, capsys):
    monkeypatch.setenv("ROS_DOMAIN_ID", "abc")
    assert cli.main(["rewards", "get"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "ROS_DOMAIN_ID=abc" in error and os.environ["ROS_DOMAIN_ID"] == "abc"
