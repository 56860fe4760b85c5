"""The fixture ``hosts``: two hosts on one machine, network namespaces with a cable or two between them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WAIT = 60.0
# Cable -> the addresses of the first and of the second host.
CABLES = {"robot": ("10.77.1.1", "10.77.1.2"), "office": ("10.77.2.1", "10.77.2.2")}


@dataclass(frozen=True)
class Host:
    """A network namespace, kept by the process ``pid``."""

    pid: int

    def start(self, *command: str, **options) -> subprocess.Popen:
        """Start a command on this host."""
        enter = ["nsenter", "-t", str(self.pid), "--user", "--net", "--preserve-credentials"]
        return subprocess.Popen([*enter, *command], text=True, **options)

    def python(self, code: str, *arguments: str, **variables: str) -> subprocess.Popen:
        """Start Python code on this host; its standard input and output are pipes, its errors go to this process's."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return self.start(sys.executable, "-u", "-c", code, *arguments, env=environment, **pipes)

    def run(self, *command: str) -> None:
        """Run a command on this host to its end; it must succeed."""
        process = self.start(*command, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=WAIT)
        assert process.returncode == 0, f"{command}: {errors}"


def _namespace(*command: str) -> subprocess.Popen:
    """A process that keeps a new network namespace open, once it has it."""
    keep = ["sh", "-c", "echo; exec sleep infinity"]
    process = subprocess.Popen([*command, *keep], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.stdout.readline() != "\n":
        reason = process.stderr.read().strip()
        process.wait(WAIT)
        pytest.skip(f"two hosts need network namespaces, which are not permitted here: {reason}")
    return process


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts with the cables of :data:`CABLES` between them."""
    missing = [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"two hosts need {missing}")
    keepers = [_namespace("unshare", "--user", "--map-root-user", "--net")]
    first = Host(keepers[0].pid)
    try:
        enter = ["nsenter", "-t", str(first.pid), "--user", "--net", "--preserve-credentials"]
        keepers.append(_namespace(*enter, "unshare", "--net"))
        second = Host(keepers[1].pid)
        for cable, addresses in CABLES.items():
            first.run("ip", "link", "add", cable, "type", "veth", "peer", "name", cable, "netns", str(second.pid))
            for host, address in zip((first, second), addresses):
                host.run("ip", "address", "add", f"{address}/24", "dev", cable)
                host.run("ip", "link", "set", cable, "up")
        for host in (first, second):
            host.run("ip", "link", "set", "lo", "up")
        yield first, second
    finally:
        for keeper in reversed(keepers):
            keeper.kill()
            keeper.communicate(timeout=WAIT)
