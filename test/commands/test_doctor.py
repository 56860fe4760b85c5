"""The command doctor: how checks are run and reported, and the whole of it against a simulated robot."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest
from rich.console import Console

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.commands import doctor
from diffusion_mpc_ros.commands.doctor import report
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Check, Finding, Status, bad, ok, run_checks, skipped, warning
from diffusion_mpc_ros.commands.doctor.table import CHECKS
from diffusion_mpc_ros.core.errors import ConfigurationError, InterfaceError
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Publisher
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.go2.link_options import COMMAND_PUBLISHER
from diffusion_mpc_ros.nodes import simulation_loop
from diffusion_mpc_ros.nodes.simulation_loop import SimulationLoop
from diffusion_mpc_ros.simulation.robot import Go2Simulation

WAIT = 120.0
# They tell how busy this machine is, which is not what is tested here.
LOAD_DEPENDENT = {"rt/lowstate rate", "rt/lowstate gaps", "robot's clock", "plan time", "memory", "disk"}
_HARDWARE = ("battery", "motor temperature", "motors", "foot forces", "joints")
ROBOT = ("rt/lowstate", "rt/lowstate CRC", *_HARDWARE, "remote", "sport mode")


def finding_of(run, *before: Check, quick: bool = False, **arguments) -> Finding:
    check = Check("last", run, **arguments)
    return run_checks((*before, check), Context("lo", 1, quick=quick))["last"]


def test_a_check_that_needs_a_failed_or_skipped_one_is_skipped_and_says_which():
    for first in (bad("broken", "mend it"), skipped("not here")):
        found = finding_of(lambda _: ok("fine"), Check("first", lambda _, first=first: first), needs=("first",))
        assert (found.status, found.text) == (Status.SKIPPED, "needs first")
    for first in (ok("there"), warning("just so", "improve it")):
        found = finding_of(lambda _: ok("fine"), Check("first", lambda _, first=first: first), needs=("first",))
        assert found == ok("fine")


def test_an_error_of_a_check_is_its_finding():
    def fail(_):
        raise InterfaceError("no such card")

    assert finding_of(fail, remedy="plug it in") == bad("no such card", "plug it in")


def test_a_missing_package_comes_with_the_command_that_installs_it_and_a_hidden_file_is_not_held_against_the_machine():
    def unreadable(_):
        open("/no/such/file")

    assert finding_of(lambda _: __import__("no_such_package")) == bad("No module named 'no_such_package'", "make setup")
    found = finding_of(unreadable)
    assert found.status is Status.SKIPPED and "/no/such/file" in found.text


def test_quick_leaves_slow_checks_out():
    assert finding_of(lambda _: ok("done"), slow=True) == ok("done")
    assert finding_of(lambda _: ok("done"), slow=True, quick=True).status is Status.SKIPPED
    assert finding_of(lambda _: ok("done"), quick=True) == ok("done")


def test_what_checks_need_runs_before_them():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for index, check in enumerate(CHECKS):
        assert set(check.needs) <= set(names[:index]), check.name


def test_what_was_opened_is_closed_last_first():
    closed = []
    with Context("lo", 1) as context:
        context.at_close(lambda: closed.append("domain"))
        context.at_close(lambda: closed.append("listener"))
    context.close()
    assert closed == ["listener", "domain"]


def test_only_what_is_bad_is_unhealthy(capsys):
    findings = {"a": ok("fine"), "b": warning("slow [x]", "hurry"), "c": skipped("none", "start one")}
    assert report.is_healthy(findings) and not report.is_healthy({**findings, "d": bad("broken", "mend it")})
    report.print_table({**findings, "d": bad("broken", "mend it")}, Console(width=80))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "a  ok       fine",
        "b  warning  slow [x]",
        "            -> hurry",
        "c  skipped  none",
        "            -> start one",
        "d  bad      broken",
        "            -> mend it",
        "",
        "not healthy: 1 ok, 1 warning, 1 bad, 1 skipped",
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (doctor.Config(), ("lo", 1, False)),
        (doctor.Config(domain_id=5), ("lo", 5, False)),
        (doctor.Config(network_interface="lo", robot=True), ("lo", 1, True)),
        (doctor.Config(network_interface="eth9"), ("eth9", 0, True)),
        (doctor.Config(network_interface="eth9", domain_id=3), ("eth9", 3, True)),
    ],
)
def test_card_and_domain_that_are_left_open(config, expected):
    context = doctor.choose(config)
    assert (context.network_interface, context.domain_id, context.robot) == expected


@pytest.mark.parametrize("options", [["--domain-id", "231"], ["--json", "/no/such/folder/report.json"]])
def test_bad_settings_exit_with_2_before_anything_is_checked(options, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "run_checks", lambda *_: pytest.fail("checked"))
    assert cli.main(["doctor", *options]) == 2
    assert "error: --" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        report.write_json({}, str(tmp_path))


def diagnose(domain: int, *options: str) -> tuple[dict[str, Finding], int]:
    """The findings of the command as a process of its own, in Unitree domain ``domain`` on lo, and its exit status."""
    arguments = ["doctor", "--domain-id", str(domain), "--json", "-", *options]
    done = subprocess.run(
        [sys.executable, "-m", "diffusion_mpc_ros.cli", *arguments],
        capture_output=True,
        timeout=WAIT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    result = json.loads(done.stdout)
    assert set(result) == {"healthy", "settings", "machine", "checks"}
    assert result["machine"]["cores"] == len(os.sched_getaffinity(0)) and result["settings"]["domain_id"] == domain
    findings = {}
    for row in result["checks"]:
        assert set(row) == {"check", "status", "finding", "remedy"} and row["finding"]
        findings[row["check"]] = Finding(Status(row["status"]), row["finding"], row["remedy"])
        assert row["remedy"] or row["status"] in ("ok", "skipped"), row["check"]
    assert list(findings) == [check.name for check in CHECKS]
    assert result["healthy"] == report.is_healthy(findings) == (done.returncode == 0)
    return findings, done.returncode


def bad_ones(findings: dict[str, Finding]) -> set[str]:
    return {name for name, found in findings.items() if found.status is Status.BAD} - LOAD_DEPENDENT


@pytest.fixture
def link(free_domain):
    """The id of a Unitree domain of this test's own."""
    return free_domain()


@contextmanager
def simulated_robot(link: int, simulation: Go2Simulation | None = None, **arguments):
    """A robot in domain ``link``; the domain for whatever else shall speak there."""
    with open_domain("lo", link) as domain:
        loop = SimulationLoop(domain, simulation or Go2Simulation(), None, lambda error: None, **arguments)
        with closing(loop):
            yield domain


def test_a_simulated_robot_is_healthy_beside_its_own_controller(link):
    with simulated_robot(link) as domain, closing(Publisher(domain, LOWCMD, f"{COMMAND_PUBLISHER} 1f")):
        findings, _ = diagnose(link, "--robot", "--network-interface", "lo")
    assert bad_ones(findings) == set()
    assert all(findings[name].status is Status.OK for name in ROBOT), findings
    assert findings["rt/lowcmd"].text == "one command_publisher of this project runs"


def test_the_robots_own_controller_is_the_one_bad_line(link):
    with simulated_robot(link, robot_controller="normal"):
        findings, status = diagnose(link)
    assert status == 1 and bad_ones(findings) == {"sport mode"}
    assert findings["sport mode"].remedy == f"diffusion-mpc release --network-interface lo --domain-id {link}"


def test_a_foreign_publisher_is_the_one_bad_line(link):
    with simulated_robot(link) as domain, closing(Publisher(domain, LOWCMD)):
        findings, status = diagnose(link, "--quick")
    assert status == 1 and bad_ones(findings) == {"rt/lowcmd"}
    assert f"(pid {os.getpid()} on {socket.gethostname()})" in findings["rt/lowcmd"].text
    assert f"kill {os.getpid()}" in findings["rt/lowcmd"].remedy


def test_broken_checksums_are_the_one_bad_line(link, monkeypatch):
    sent = []

    def encode(state) -> bytes:
        sent.append(state)
        sample = LOWSTATE.encode(state)
        # The checksum is the last word of the message.
        return sample if len(sent) % 10 else sample[:-4] + bytes(byte ^ 0xFF for byte in sample[-4:])

    monkeypatch.setattr(simulation_loop, "LOWSTATE", dataclasses.replace(LOWSTATE, encode=encode))
    with simulated_robot(link):
        findings, status = diagnose(link)
    assert status == 1 and bad_ones(findings) == {"rt/lowstate CRC"}
    assert "samples refused, the last: LowState with CRC 0x" in findings["rt/lowstate CRC"].text


class StuckClock(Go2Simulation):
    """A robot whose LowStates all carry the same tick."""

    def lowstate(self, receive_time):
        return dataclasses.replace(super().lowstate(receive_time), tick_ms=1000)


def test_a_clock_that_stands_still_is_the_one_bad_line(link):
    with simulated_robot(link, StuckClock()):
        findings, status = diagnose(link)
    assert status == 1 and findings["robot's clock"].status is Status.BAD and bad_ones(findings) == set()
    assert "advances by 0 ms a second" in findings["robot's clock"].text


def test_two_robots_in_one_domain_are_bad(link):
    with simulated_robot(link) as domain, closing(Publisher(domain, LOWSTATE)):
        findings, status = diagnose(link, "--quick")
    assert status == 1 and bad_ones(findings) == {"rt/lowstate"}
    assert "2 robots or simulators speak" in findings["rt/lowstate"].text


def test_silence_is_skipped_in_simulation_and_bad_where_a_robot_must_be(link):
    findings, _ = diagnose(link, "--quick")
    assert findings["rt/lowstate"].status is Status.SKIPPED and bad_ones(findings) == set()
    assert findings["rt/lowstate"].remedy == "start one: diffusion-mpc simulate"
    assert findings["battery"] == skipped("needs rt/lowstate")
    findings, status = diagnose(link, "--quick", "--robot", "--network-interface", "lo")
    assert status == 1 and bad_ones(findings) == {"rt/lowstate"}
