"""The processes of the controller, each started, signalled and restarted by its node's name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import DiffusionMpcError

# How long an orderly end may take before the process is killed [s].
STOP_TIMEOUT = bringup.KILL_WAIT


class ProcessError(DiffusionMpcError):
    """A process is not there, or did not come up."""


class RobotProcesses:
    """The processes of ``specs`` in sessions of their own; output goes to ``folder/<name>.log`` or to ``output``."""

    def __init__(
        self,
        specs: Iterable[bringup.ProcessSpec],
        environment: Mapping[str, str],
        folder: Path,
        output: Path | None = None,
    ) -> None:
        self._folder = folder
        self._specs: dict[str, bringup.ProcessSpec] = {}
        self._environment: dict[str, str] = {}
        self._output: Path | None = None
        self._controller: dict[str, str] = {}
        self._modules: dict[str, str] = {}
        self._processes: dict[str, psutil.Popen] = {}
        self.configure(specs, environment, output)

    def configure(
        self,
        specs: Iterable[bringup.ProcessSpec],
        environment: Mapping[str, str],
        output: Path | None = None,
        controller: Mapping[str, str] | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> list[str]:
        """From now on start processes like this; those that run in another way are stopped: their names.

        ``controller``: more environment variables, of all but the simulator. ``modules``: what to run, by name, in
        place of the node itself.
        """
        names = [*self._specs]
        before = {name: self._how(name) for name in names}
        self._specs = {spec.name: spec for spec in specs}
        self._environment, self._output = dict(environment), output
        self._controller, self._modules = dict(controller or {}), dict(modules or {})
        changed = [name for name in self._specs if before.get(name) != self._how(name)]
        changed = [name for name in changed if self.alive(name)]
        self.stop(changed)
        return changed

    @property
    def names(self) -> list[str]:
        """All of them, running or not."""
        return list(self._specs)

    def _how(self, name: str) -> tuple:
        """All that decides how a process runs."""
        controller = {} if name == "go2_simulator" else self._controller
        module = self._modules.get(name, f"{bringup.PACKAGE}.nodes.{self._specs[name].executable}")
        return self._specs[name], {**self._environment, **controller}, self._output, module

    def start(self, name: str) -> None:
        """Start one that does not run."""
        spec, environment, _, module = self._how(name)
        with (self._output or self._folder / f"{name}.log").open("ab") as output:
            self._processes[name] = psutil.Popen(
                bound([sys.executable, "-m", module, *bringup.ros_arguments(spec)]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                preexec_fn=_listen_to_signals,
            )

    def start_missing(self) -> list[str]:
        """Start those that do not run; their names."""
        missing = [name for name in self._specs if not self.alive(name)]
        for name in missing:
            self.start(name)
        return missing

    def alive(self, name: str) -> bool:
        """Whether it runs."""
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def pid(self, name: str) -> int:
        """Process id of a running one; raises ProcessError."""
        if not self.alive(name):
            raise ProcessError(f"{name} does not run; its last words: {self.tail(name)}")
        return self._processes[name].pid

    def send(self, name: str, number: signal.Signals) -> float:
        """Send a signal; local monotonic time [s] at which it was sent."""
        pid = self.pid(name)
        sent = time.monotonic()
        os.kill(pid, number)
        return sent

    def wait(self, name: str, timeout: float) -> bool:
        """Wait at most ``timeout`` [s] until it has ended; whether it has."""
        return not psutil.wait_procs([self._processes[name]], timeout)[1]

    def kill(self, name: str) -> float:
        """SIGKILL, and wait until it is gone; local monotonic time [s] of the signal."""
        sent = self.send(name, signal.SIGKILL)
        self._processes[name].wait(STOP_TIMEOUT)
        return sent

    def children(self, name: str) -> list[int]:
        """Process ids of a process's own children."""
        self.pid(name)
        return [child.pid for child in self._processes[name].children()]

    def tail(self, name: str) -> str:
        """Return the end of its output."""
        path = self._folder / f"{name}.log"
        return path.read_text(errors="replace")[-400:].strip() if path.is_file() else ""

    def stop(self, names: Iterable[str] | None = None) -> None:
        """End ``names``, by default all: a stopped one is continued first, one that does not listen is killed."""
        names = list(self._processes) if names is None else names
        stopping = [self._processes[name] for name in names if self.alive(name)]
        for process in stopping:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        for process in psutil.wait_procs(stopping, STOP_TIMEOUT)[1]:
            process.kill()
            process.wait()


def _listen_to_signals() -> None:
    """Have children not ignore what a shell or ``nohup`` has this process ignore."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def bound(command: list[str]) -> list[str]:
    """``command`` so that it does not outlive this process, whatever ends it, where util-linux is installed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


def memory(pid: int) -> float | None:
    """Memory [MB] that a process has allocated for itself; None once it has ended.

    Without the files that it maps: how much of those is resident depends on what else runs on the machine.
    """
    try:
        used = psutil.Process(pid).memory_info()
    except psutil.NoSuchProcess:
        return None
    return (used.rss - used.shared) / 2**20
