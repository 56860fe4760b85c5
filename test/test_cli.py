"""The command line: finding sub-commands, clear errors, options that become what they say."""

from __future__ import annotations

import pytest
import tyro

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.commands import child, launch, rewards, run
from diffusion_mpc_ros.core.errors import ConfigurationError, RewardError


def commands_of(group, words=()):
    for name, command in group.commands.items():
        if isinstance(command, cli.Group):
            yield from commands_of(command, (*words, name))
        else:
            yield (*words, name)


@pytest.mark.parametrize("words", list(commands_of(cli.COMMANDS)), ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main([*words, "--help"])
    assert exit_info.value.code == 0
    assert "usage: diffusion-mpc" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["rewards"], ["train", "--help"]])
def test_overviews_list_their_commands(arguments, capsys):
    assert cli.main(arguments) == 0
    output = capsys.readouterr().out
    group = cli.COMMANDS.commands[arguments[0]] if arguments and arguments[0] in cli.COMMANDS.commands else cli.COMMANDS
    assert all(name in output for name in group.commands)


def test_an_error_of_the_project_is_one_line_and_status_2(capsys):
    assert cli.main(["wlak"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "wlak" in error and "rewards" in error


def test_a_bad_setting_is_one_line_and_status_2(capsys):
    assert cli.main(["launch", "--no-sim"]) == 2
    assert "network_interface" in capsys.readouterr().err


def test_presets_need_nothing_that_runs(capsys):
    assert cli.main(["rewards", "presets"]) == 0
    assert "balance" in capsys.readouterr().out


def test_parameters_are_yaml_by_node():
    assignments = ["planner.candidates=5", "planner.sampler=ddim", "reward_composer.weights.energy=0.5"]
    parsed = launch.parse_parameters(assignments)
    assert parsed == {"planner": {"candidates": 5, "sampler": "ddim"}, "reward_composer": {"weights.energy": 0.5}}


@pytest.mark.parametrize("assignment", ["candidates=5", "planner.candidates", "planner.=5", "planner.list=[1"])
def test_what_is_no_parameter_is_refused(assignment):
    with pytest.raises(ConfigurationError):
        launch.parse_parameters([assignment])


def test_weights_and_term_parameters_are_told_apart():
    weights, parameters = rewards.parse_assignments(["energy=0.5", "joint_velocity.max=10", "align.direction=0,0,-1"])
    assert weights == {"energy": 0.5}
    assert parameters == {"joint_velocity.max": [10.0], "align.direction": [0.0, 0.0, -1.0]}


@pytest.mark.parametrize("assignment", ["energy", "=1", "energy=", "energy=much", "energy=1,2"])
def test_what_is_no_weight_is_refused(assignment):
    with pytest.raises(RewardError, match="assignment"):
        rewards.parse_assignments([assignment])


@pytest.mark.parametrize(
    "settings",
    [
        {"duration": 0.0},
        {"duration": float("nan")},
        {"cmd_vel": (0.5, 0.0, float("inf"))},
        {"reward_preset": "energy"},
        {"duration": 5.0, "reward_at": 2.0},
        {"duration": 5.0, "reward_preset": "energy", "reward_at": 6.0},
    ],
)
def test_a_walk_that_makes_no_sense_is_refused(settings):
    with pytest.raises(ConfigurationError):
        run.Config(**settings)


@pytest.mark.parametrize(
    "config",
    [
        launch.Config(),
        launch.Config(sim=False, network_interface="eth0", namespace="dog", domain_id=0),
        launch.Config(viewer=True, parameters=("planner.candidates=5", "planner.sampler=ddim")),
    ],
)
def test_the_child_is_started_with_the_same_settings(config):
    assert tyro.cli(launch.Config, args=child.command_line(config)) == config
