"""A program in a pseudo-terminal, and command_publisher's topics and services on the test's own node."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
from pathlib import Path

from diffusion_mpc_msgs.msg import JointCommand
from geometry_msgs.msg import Twist
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from diffusion_mpc_ros.nodes.qos import RELIABLE, SETTINGS, STREAM

ROOT = Path(__file__).parents[1]
WAIT = 60.0
# So many waits of the probe in a row, 50 ms each, without a velocity are silence.
QUIET = 20


class Terminal:
    """``program`` in a pseudo-terminal of its own; ``output`` is what it has written so far."""

    def __init__(self, *program: str) -> None:
        self._master, self._slave = pty.openpty()
        self.settings_before = self.settings()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *program],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", "COLUMNS": "200"},
        )
        self._chunks: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return b"".join(self._chunks).decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def block_output(self) -> None:
        """From now on whoever writes to the terminal waits, as after Ctrl-S or behind a stalled ssh."""
        termios.tcflow(self._slave, termios.TCOOFF)

    def settings(self) -> list:
        return termios.tcgetattr(self._slave)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(WAIT)
        os.close(self._slave)
        self._reader.join(WAIT)
        os.close(self._master)

    def _read(self) -> None:
        try:
            while chunk := os.read(self._master, 4096):
                self._chunks.append(chunk)
        except OSError:  # nobody writes any more
            return


class Robot:
    """The topics and services of command_publisher that the operator uses, on the test's own node."""

    SERVICES = ("e_stop", "stand_up", "walk", "sit_down", "clear_fault")

    def __init__(self, probe) -> None:
        self._probe = probe
        self.velocities: list[list[float]] = []
        self.events: list[str | bool] = []  # services called and emergency stops on the topic, in order
        self.message = JointCommand(mode=JointCommand.WALKING)
        self.refuses, self.reason = "", "the battery is at 3 %"
        self._commands = probe.create_publisher(JointCommand, "joint_command", STREAM)
        probe.create_subscription(Twist, "cmd_vel", self._on_velocity, RELIABLE)
        probe.create_subscription(Bool, "e_stop", lambda message: self.events.append(message.data), SETTINGS)
        for name in self.SERVICES:
            probe.create_service(Trigger, f"command_publisher/{name}", self._handler(name))

    def until(self, condition) -> None:
        """Publish the mode until ``condition`` holds."""

        def holds() -> bool:
            self._commands.publish(self.message)
            return condition()

        self._probe.until(holds)

    def until_silent(self) -> None:
        """Until no velocity comes any more, the last one having been zero."""
        heard, quiet = len(self.velocities), 0

        def silent() -> bool:
            nonlocal heard, quiet
            quiet = quiet + 1 if len(self.velocities) == heard else 0
            heard = len(self.velocities)
            return quiet > QUIET

        self.until(silent)
        assert self.velocities[-1] == [0.0, 0.0, 0.0]

    def _on_velocity(self, message: Twist) -> None:
        self.velocities.append([message.linear.x, message.linear.y, message.angular.z])

    def _handler(self, name: str):
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self.events.append(name)
            response.success, response.message = name != self.refuses, self.reason
            return response

        return handle
