"""What doctor says of the RMW, the ROS domain and how far ROS topics reach."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros.commands.doctor import middleware
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Status
from diffusion_mpc_ros.shell import DISCOVERY_VARIABLES

RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"


@pytest.fixture
def shell(monkeypatch):
    """The user's shell, in which nothing of ROS is set yet."""
    for name in ("ROS_DISTRO", "RMW_IMPLEMENTATION", *DISCOVERY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("", Status.OK),
        ("rmw_fastrtps_cpp", Status.OK),
        ("rmw_zenoh_cpp", Status.WARNING),
        ("rmw_cyclonedds_cpp", Status.BAD),
    ],
)
def test_rmw(name, status):
    found = middleware.judge_rmw({"RMW_IMPLEMENTATION": name})
    assert found.status is status
    assert found.remedy == ("" if status is Status.OK else "export RMW_IMPLEMENTATION=rmw_fastrtps_cpp")


@pytest.mark.parametrize(
    ("value", "status", "text"),
    [
        ("", Status.OK, "ROS_DOMAIN_ID=0, the Unitree topics are in domain 1"),
        ("1", Status.OK, "side by side"),
        # The first port of domain 101 is 7400 + 250 * 101 = 32650, that of 102 is 32900, an ephemeral one.
        ("101", Status.OK, "ROS_DOMAIN_ID=101"),
        ("102", Status.WARNING, "Linux may give to other programs"),
        ("233", Status.BAD, "no DDS domain"),
        ("-1", Status.BAD, "no DDS domain"),
        ("robot", Status.BAD, "no DDS domain"),
    ],
)
def test_ros_domain(value, status, text):
    found = middleware.judge_ros_domain({"ROS_DOMAIN_ID": value}, domain_id=1)
    assert found.status is status and text in found.text and bool(found.remedy) == (status is not Status.OK)


def test_topics_stay_here_by_default_with_robot_and_simulator(shell):
    for context in (Context("lo", 1), Context("eth0", 0, robot=True)):
        found = middleware.check_discovery(context)
        assert found.status is Status.OK and "config/fastdds.xml" in found.text


def test_a_user_who_opens_them_for_the_robot_is_warned(shell):
    shell.setenv(RANGE, "SUBNET")
    found = middleware.check_discovery(Context("eth0", 0, robot=True))
    assert found.status is Status.WARNING and f"{RANGE}=SUBNET" in found.text and found.remedy == f"unset {RANGE}"


def test_in_simulation_only_nodes_started_by_hand_are_open(shell):
    shell.setenv(RANGE, "SUBNET")
    found = middleware.check_discovery(Context("lo", 1))
    assert found.status is Status.OK and "started by hand in this shell are open" in found.text


def test_a_user_who_limits_them_gets_the_profile(shell):
    shell.setenv("ROS_LOCALHOST_ONLY", "1")
    found = middleware.check_discovery(Context("eth0", 0, robot=True))
    assert found.status is Status.OK and "config/fastdds.xml" in found.text


def test_another_profile_may_open_them(shell, tmp_path):
    profile = tmp_path / "mine.xml"
    profile.touch()
    shell.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
    found = middleware.check_discovery(Context("eth0", 0, robot=True))
    assert found.status is Status.WARNING and str(profile) in found.text
