"""What a shell may lack, told in one line with its remedy, and who listens to what in a clean one."""

from __future__ import annotations

import os
import subprocess
import sys

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
        ({"RMW_IMPLEMENTATION": "rmw_foo_cpp"}, "unset RMW_IMPLEMENTATION"),
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


def test_implementations_are_told_from_the_libraries_that_they_share(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "empty"))
    # Nothing is known of such an installation.
    assert shell.rmw_obstacle({"RMW_IMPLEMENTATION": "rmw_foo_cpp"}) == ("", "")
    (tmp_path / "lib").mkdir()
    shared = ("rmw", "rmw_dds_common", "rmw_implementation", "rmw_fastrtps_shared_cpp")
    own = ("rmw_connextdds", "rmw_cyclonedds_cpp", "rmw_fastrtps_dynamic_cpp")
    for name in (*shared, *own, "rmw_dds_common__rosidl_typesupport_cpp"):
        (tmp_path / "lib" / f"lib{name}.so").touch()
    for place in ({"AMENT_PREFIX_PATH": str(tmp_path)}, {"LD_LIBRARY_PATH": str(tmp_path / "lib")}):
        for name in own:
            assert shell.rmw_obstacle({"RMW_IMPLEMENTATION": name, **place}) == ("", "")
        for name in shared:
            cause, _ = shell.rmw_obstacle({"RMW_IMPLEMENTATION": name, **place})
            assert cause.endswith(f"there is {', '.join(own)}")


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    """``diffusion-mpc`` in a process of its own."""
    line = [sys.executable, "-m", "diffusion_mpc_ros.cli", *arguments]
    return subprocess.run(line, check=False, text=True, timeout=60.0, **options)


def test_a_node_started_by_hand_says_what_its_shell_lacks():
    line = [sys.executable, "-m", "diffusion_mpc_ros.nodes.reward_composer"]
    variables = {**os.environ, "ROS_DOMAIN_ID": "abc"}
    ended = subprocess.run(line, env=variables, check=False, text=True, capture_output=True, timeout=60.0)
    assert ended.returncode == 2 and ended.stderr.startswith("error: ROS_DOMAIN_ID=abc is no DDS domain")
    assert ended.stderr.count("\n") == 1


# 1 where rich has noticed it first.
@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 141), (["rewards", "presets"], 1)])
def test_output_that_nobody_reads_ends_the_command_quietly(arguments, status):
    read, write = os.pipe()
    os.close(read)
    ended = command(*arguments, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (status, "")


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}, {"TERM": ""}],
)
def test_a_terminal_that_can_do_little_shows_what_it_can(variables):
    ended = command("doctor", "--help", env={**os.environ, **variables}, capture_output=True)
    assert ended.returncode == 0 and "--network-interface" in ended.stdout and not ended.stderr


def test_no_room_for_temporary_files_is_told_in_one_line():
    # Python looks at TMPDIR, /tmp, /var/tmp, /usr/tmp and the working directory; only the last one is in our hands.
    code = "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc']\n"
    code += "from diffusion_mpc_ros import cli; sys.exit(cli.main(['run', '--headless', '--duration', '1']))"
    ended = subprocess.run([sys.executable, "-c", code], check=False, text=True, capture_output=True, timeout=60.0)
    assert ended.returncode == 2 and ended.stderr.startswith("error: [Errno 2] No usable temporary directory")
    assert "Traceback" not in ended.stderr
