"""Drive the robot from the keyboard of a terminal: velocities, modes, emergency stop.

It publishes cmd_vel, so a gamepad's sticks win over it. The velocity is zero whenever the robot is not walking, and
again when this command ends.
"""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.text import Text

from diffusion_mpc_ros.commands.keyboard import E_STOP_KEY, Keyboard
from diffusion_mpc_ros.core.errors import ConfigurationError, DiffusionMpcError

# A robot whose last message is older than this [s] is not heard.
HEARD_WITHIN = 1.0
REFRESH_PERIOD = 0.1


@dataclass(frozen=True)
class Config:
    """How far one key press changes the velocity, and where that ends."""

    step: tuple[float, float, float] = (0.1, 0.1, 0.2)
    """What one key press adds: VX VY [m/s] and yaw rate WZ [rad/s]."""
    max_command: tuple[float, float, float] = (1.0, 0.5, 1.0)
    """Largest VX VY [m/s] and yaw rate WZ [rad/s]."""
    namespace: str = ""
    """ROS namespace of the robot."""

    def __post_init__(self) -> None:
        for name in ("step", "max_command"):
            values = np.array(getattr(self, name))
            if not np.isfinite(values).all() or (values <= 0.0).any():
                raise ConfigurationError(f"{name} {getattr(self, name)} must be three positive numbers")


# Key -> index and sign of the velocity it changes; vy and the yaw rate count to the left.
VELOCITY_KEYS = {"w": (0, 1), "s": (0, -1), "a": (1, 1), "d": (1, -1), "q": (2, 1), "e": (2, -1)}
ZERO_KEY = "x"
# Key -> service of command_publisher.
REQUEST_KEYS = {"1": "stand_up", "2": "walk", "3": "sit_down", "c": "clear_fault"}


def describe_keys(config: Config) -> str:
    """The keys as a table in plain text."""
    vx, vy, yaw_rate = config.step
    rows = (
        ("w / s", f"forwards / backwards, {vx:g} m/s a press"),
        ("a / d", f"left / right, {vy:g} m/s a press"),
        ("q / e", f"turn left / right, {yaw_rate:g} rad/s a press"),
        (ZERO_KEY, "velocity zero"),
        ("1", "stand up; while walking: stop and stand"),
        ("2", "walk"),
        ("3", "sit down, then damping"),
        ("c", "release the emergency stop and clear the fault"),
        ("space", "emergency stop: damping at once, latched until cleared"),
        ("Ctrl-C", "leave; the robot stays in its mode, velocity zero"),
    )
    return "\n".join(f"  {key:<6}  {meaning}" for key, meaning in rows)


def main(config: Config) -> None:
    """Read keys until Ctrl-C."""
    keyboard = Keyboard()
    # A request to end is treated as Ctrl-C: the terminal is put right.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from diffusion_mpc_ros.nodes.operator import Operator

    console = Console(highlight=False)
    console.print(describe_keys(config), markup=False)
    with Operator(config.namespace) as operator, keyboard:
        operator.follow()
        operator.drive()
        try:
            _drive(Teleop(operator, config, console), keyboard, console)
        except EOFError as error:
            console.print(str(error))
        except KeyboardInterrupt:
            pass


def _drive(teleop: Teleop, keyboard: Keyboard, console: Console) -> None:
    with Live(Text(teleop.line()), console=console, auto_refresh=False) as live:
        while True:
            teleop.press(keyboard.read(REFRESH_PERIOD))
            teleop.update()
            live.update(Text(teleop.line()), refresh=True)


class Teleop:
    """What keys do to an :class:`Operator`; ``console`` gets what is refused."""

    def __init__(self, operator, config: Config, console: Console) -> None:
        self._operator, self._console = operator, console
        self._step, self._bound = np.array(config.step), np.array(config.max_command)
        self._velocity = np.zeros(3)
        self._request: threading.Thread | None = None

    def press(self, keys: str) -> None:
        """Act on ``keys``, pressed one after the other; the emergency stop comes first and cancels the others."""
        if E_STOP_KEY in keys:
            self._velocity[:] = 0.0
            self._tell(self._operator.emergency_stop)
            return
        for key in keys:
            if key in VELOCITY_KEYS:
                index, sign = VELOCITY_KEYS[key]
                self._velocity[index] += sign * self._step[index]
            elif key == ZERO_KEY:
                self._velocity[:] = 0.0
            elif key in REQUEST_KEYS:
                self._ask(REQUEST_KEYS[key])

    def update(self) -> None:
        """Hand the velocity on; it is zero unless the robot is heard and walks."""
        from diffusion_mpc_ros.control.modes import Mode

        if not self._heard() or self._operator.mode is not Mode.WALKING:
            self._velocity[:] = 0.0
        # Steps of 0.1 add up to 0.30000000000000004.
        self._velocity = np.clip(self._velocity, -self._bound, self._bound).round(6) + 0.0
        self._operator.command(self._velocity.copy())

    def line(self) -> str:
        """Mode, fault and velocity in one line."""
        if not self._heard():
            return "no command_publisher is heard in this ROS_DOMAIN_ID and namespace"
        vx, vy, yaw_rate = self._velocity
        fault = f" | {self._operator.fault}" if self._operator.fault else ""
        mode = self._operator.mode.value
        return f"{mode}{fault} | vx {vx:+.2f} vy {vy:+.2f} m/s, yaw rate {yaw_rate:+.2f} rad/s"

    def _heard(self) -> bool:
        return time.monotonic() - self._operator.last_heard <= HEARD_WITHIN

    def _ask(self, name: str) -> None:
        """Request in a thread of its own: the emergency stop does not wait for an answer. One at a time."""
        if self._request is not None and self._request.is_alive():
            self._console.print(f"{name}: the request before has not been answered yet")
            return
        self._request = threading.Thread(target=self._tell, args=(lambda: self._send(name),), daemon=True)
        self._request.start()

    def _send(self, name: str) -> None:
        if name == "clear_fault":
            self._operator.release_emergency_stop()
        self._operator.request(name)

    def _tell(self, action) -> None:
        try:
            action()
        except DiffusionMpcError as error:
            self._console.print(str(error), markup=False)
