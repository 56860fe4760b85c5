"""Drive the robot from the keyboard of a terminal: velocities, modes, emergency stop.

It publishes cmd_vel, and only while a person presses keys: a velocity that nobody keeps alive becomes zero, then this
command is silent. The velocity is zero whenever the robot is not walking, and again when this command ends.

Reading keys, sending velocities and drawing are three threads: a terminal whose output is blocked stops the drawing
alone.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.commands.held_velocity import HeldVelocity
from diffusion_mpc_ros.commands.keyboard import E_STOP_KEY, POLL_PERIOD, Keyboard
from diffusion_mpc_ros.commands.screen import Screen
from diffusion_mpc_ros.core.errors import ConfigurationError, DiffusionMpcError
from diffusion_mpc_ros.core.go2 import MAX_COMMAND

# A robot whose last message is older than this [s] is not heard.
HEARD_WITHIN = 1.0
SEND_PERIOD = 0.05
# So long [s] the robot may take to be found.
FIRST_HEARD = 5.0
# [s]. Below, a velocity ends before a key held down repeats itself; above, the robot goes on for metres with nobody.
KEEP_ALIVE_MIN, KEEP_ALIVE_MAX = 0.3, 3.0


@dataclass(frozen=True)
class Config:
    """How far one key press changes the velocity, and where that ends."""

    step: tuple[float, float, float] = (0.1, 0.1, 0.2)
    """What one key press adds: VX VY [m/s] and yaw rate WZ [rad/s]."""
    max_command: tuple[float, float, float] = MAX_COMMAND
    """Largest VX VY [m/s] and yaw rate WZ [rad/s]."""
    keep_alive: float = 1.0
    """A velocity ends so long [s] after the last key press; in [0.3, 3]."""
    namespace: str = ""
    """ROS namespace of the robot."""

    def __post_init__(self) -> None:
        for name in ("step", "max_command"):
            values = np.array(getattr(self, name))
            if not np.isfinite(values).all() or (values <= 0.0).any():
                raise ConfigurationError(f"{name} {getattr(self, name)} must be three positive numbers")
        if not KEEP_ALIVE_MIN <= self.keep_alive <= KEEP_ALIVE_MAX:
            raise ConfigurationError(
                f"keep_alive {self.keep_alive} s must be in [{KEEP_ALIVE_MIN:g}, {KEEP_ALIVE_MAX:g}] s"
            )


# Key -> index and sign of the velocity it changes; vy and the yaw rate count to the left.
VELOCITY_KEYS = {"w": (0, 1), "s": (0, -1), "a": (1, 1), "d": (1, -1), "q": (2, 1), "e": (2, -1)}
ZERO_KEY = "x"
# Key -> service of command_publisher.
REQUEST_KEYS = {"1": "stand_up", "2": "walk", "3": "sit_down", "c": "clear_fault"}


def describe_keys(config: Config) -> str:
    """Return the keys as a table in plain text."""
    vx, vy, yaw_rate = config.step
    rows = (
        ("w / s", f"forwards / backwards, {vx:g} m/s a press"),
        ("a / d", f"left / right, {vy:g} m/s a press"),
        ("q / e", f"turn left / right, {yaw_rate:g} rad/s a press"),
        ("any key", f"keeps the velocity for {config.keep_alive:g} s; without a key it becomes zero"),
        (ZERO_KEY, "velocity zero"),
        ("1", "stand up; while walking: stop and stand"),
        ("2", "walk"),
        ("3", "sit down, then damping"),
        ("c", "release this terminal's emergency stop and clear the fault"),
        ("space", "emergency stop: damping at once, latched until cleared"),
        ("Ctrl-C", "leave; the robot stays in its mode, velocity zero"),
    )
    return "\n".join(f"  {key:<7}  {meaning}" for key, meaning in rows)


def main(config: Config) -> None:
    """Read keys until Ctrl-C."""
    steer(config)


def steer(config: Config, velocity: Sequence[float] = ()) -> None:
    """Read keys until Ctrl-C; ``velocity (3,)``, where given, is held as if a key had been pressed for it."""
    keyboard = Keyboard()
    # A request to end and a terminal that closes are treated as Ctrl-C: the robot stops, the terminal is put right.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with Screen(sys.stdout) as screen:
        screen.say(describe_keys(config))
        from diffusion_mpc_ros.nodes.operator import Operator

        with Operator(config.namespace) as operator, keyboard:
            operator.follow()
            operator.advertise_velocity()
            teleop = Teleop(operator, config, screen.say)
            screen.show(teleop.line)
            if len(velocity):
                teleop.hold(velocity)
            try:
                with _sending(teleop):
                    while True:
                        teleop.press(keyboard.read(POLL_PERIOD))
            except EOFError as error:
                screen.say(str(error))
            except KeyboardInterrupt:
                pass


@contextmanager
def _sending(teleop: Teleop) -> Iterator[None]:
    """Send velocities from a thread of its own while the context lasts."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(SEND_PERIOD):
            teleop.send()

    thread = threading.Thread(target=send, name="velocity", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Teleop:
    """What keys do to an :class:`Operator`; ``say`` gets what is refused and must return at once."""

    def __init__(self, operator, config: Config, say: Callable[[str], None]) -> None:
        self._operator, self._say = operator, say
        self._velocity = HeldVelocity(config.step, config.max_command, config.keep_alive)
        self._request: threading.Thread | None = None

    def press(self, keys: str) -> None:
        """Act on ``keys``, pressed one after the other; the emergency stop comes first and cancels the others."""
        now = time.monotonic()
        if E_STOP_KEY in keys:
            self._velocity.drop(now)
            self._tell(self._operator.emergency_stop)
            return
        for key in keys:
            if key in VELOCITY_KEYS:
                self._velocity.change(*VELOCITY_KEYS[key], now)
            elif key == ZERO_KEY:
                self._velocity.drop(now)
            else:
                self._velocity.keep(now)
            if key in REQUEST_KEYS:
                self._ask(REQUEST_KEYS[key])

    def hold(self, velocity: Sequence[float]) -> None:
        """Hold ``velocity (3,)``, within the bounds, as if a key had been pressed; says why not where none is held."""
        from diffusion_mpc_ros.control.modes import Mode

        if self._operator.wait(self._heard, FIRST_HEARD) and self._operator.mode is not Mode.WALKING:
            self._say(f"the robot is {self._operator.mode.value}: no velocity is held. Key 2 makes it walk")
        self._velocity.take(velocity, time.monotonic())

    def send(self) -> None:
        """Send the velocity if there is one; it ends unless the robot is heard and walks."""
        from diffusion_mpc_ros.control.modes import Mode

        now = time.monotonic()
        if not self._heard() or self._operator.mode is not Mode.WALKING:
            self._velocity.drop(now)
        velocity = self._velocity.get(now)
        if velocity is not None:
            self._operator.send_velocity(velocity)

    def line(self) -> str:
        """Mode, fault and velocity in one line."""
        if not self._heard():
            return "no command_publisher is heard in this ROS_DOMAIN_ID and namespace"
        fault = f" | {self._operator.fault}" if self._operator.fault else ""
        velocity = self._velocity.get(time.monotonic())
        if velocity is None:
            return f"{self._operator.mode.value}{fault} | no velocity is sent"
        vx, vy, yaw_rate = velocity
        return f"{self._operator.mode.value}{fault} | vx {vx:+.2f} vy {vy:+.2f} m/s, yaw rate {yaw_rate:+.2f} rad/s"

    def _heard(self) -> bool:
        return time.monotonic() - self._operator.last_heard <= HEARD_WITHIN

    def _ask(self, name: str) -> None:
        """Request in a thread of its own: the emergency stop does not wait for an answer. One at a time."""
        if self._request is not None and self._request.is_alive():
            self._say(f"{name}: the request before has not been answered yet")
            return
        self._request = threading.Thread(target=self._tell, args=(lambda: self._make(name),), daemon=True)
        self._request.start()

    def _make(self, name: str) -> None:
        if name == "clear_fault":
            self._operator.release_emergency_stop()
        self._operator.request(name)

    def _tell(self, action: Callable[[], None]) -> None:
        try:
            action()
        except DiffusionMpcError as error:
            self._say(str(error))
