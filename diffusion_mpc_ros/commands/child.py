"""``diffusion-mpc launch`` as a child process, its output in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

from diffusion_mpc_ros.bringup import KILL_WAIT
from diffusion_mpc_ros.commands.launch import Config
from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.nodes.launcher import lease_environment

# Longer than the processes get from the launcher before they are killed [s].
STOP_TIMEOUT = KILL_WAIT + 5.0
TAIL_LINES = 25


class ProcessDied(DiffusionMpcError):
    """One of the processes ended by itself."""


class Child:
    """The processes of ``config`` while a ``with`` statement lasts."""

    def __init__(self, config: Config) -> None:
        handle, name = tempfile.mkstemp(prefix="diffusion-mpc-", suffix=".log")
        self.log = Path(name)
        # A session of its own: Ctrl-C is for the parent, which lets the robot sit down before it ends the processes.
        with os.fdopen(handle, "wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "diffusion_mpc_ros.cli", "launch", *command_line(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **lease_environment()},
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise ProcessDied when the processes have ended."""
        if self._process.poll() is not None:
            status = self._process.returncode
            raise ProcessDied(f"a process died and the others were stopped (exit status {status}):")

    def tail(self) -> str:
        """Return the last lines of the output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        """Tell all processes to end and wait for them; Ctrl-C meanwhile tells them again, which they take for haste."""
        self._process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        while self._process.poll() is None:
            try:
                self._process.wait(max(deadline - time.monotonic(), 0.1))
            except KeyboardInterrupt:
                self._process.terminate()
            except subprocess.TimeoutExpired:
                self._process.kill()


def interrupt_on_signals() -> None:
    """Take SIGTERM and SIGHUP (the terminal was closed) for Ctrl-C; with ``nohup`` SIGHUP stays ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def command_line(config: Config) -> list[str]:
    """Return the command line that :class:`Config` is parsed from."""
    arguments = []
    for field in fields(config):
        value, option = getattr(config, field.name), field.name.replace("_", "-")
        if value == field.default:
            continue
        if isinstance(value, bool):
            arguments.append(f"--{option}" if value else f"--no-{option}")
        else:
            arguments += [f"--{option}", *(value if isinstance(value, tuple) else [str(value)])]
    return arguments
