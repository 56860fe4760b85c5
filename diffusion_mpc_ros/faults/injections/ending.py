"""Injections of endings: how, of whom, and in which mode of the robot."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.faults.injections.injection import InjectionFailed, injection

# How long a mode may take to come, an orderly end to be over [s].
REACHED, ENDED = 6.0, 12.0
# How far into a motion it ends [s].
WITHIN = 0.8


@injection
def by_signal(harness: Harness, number: signal.Signals, mode: Mode, again: float | None = None) -> Iterator[float]:
    """A signal to command_publisher in ``mode``; ``again``: the same so many seconds later."""
    into(harness, mode)
    start = harness.processes.send("command_publisher", number)
    if again is not None:
        time.sleep(again)
        harness.processes.send("command_publisher", number)
    _wait_for_the_end(harness)
    yield start


@injection
def of_another(harness: Harness, process: str, number: signal.Signals) -> Iterator[float]:
    """A signal to another process than command_publisher."""
    start = harness.processes.send(process, number)
    _wait_for_the_end(harness, process)
    yield start


@injection
def of_the_launcher(harness: Harness, mode: Mode) -> Iterator[float]:
    """SIGKILL of whoever launched the controller."""
    into(harness, mode)
    start = time.monotonic()
    harness.launcher.kill()
    _wait_for_the_end(harness)
    yield start
    harness.relaunch()


def into(harness: Harness, mode: Mode) -> None:
    """Bring the walking robot into ``mode``; FAULT and DAMPING are just entered: it falls."""
    _WAYS[mode](harness)


def _wait_for_the_end(harness: Harness, process: str = "command_publisher") -> None:
    if not harness.processes.wait(process, ENDED):
        raise InjectionFailed(f"{process} still runs after {ENDED:.0f} s")


def _reach(harness: Harness, mode: Mode) -> None:
    if not harness.monitor.wait(lambda: harness.monitor.mode() is mode, REACHED):
        raise InjectionFailed(f"it is not {mode.value}")


def _stand(harness: Harness) -> None:
    harness.request("stand_up")
    _reach(harness, Mode.STANDING)
    time.sleep(WITHIN)


def _lie(harness: Harness) -> None:
    harness.request("sit_down")
    _reach(harness, Mode.DAMPING)


def _stand_up(harness: Harness) -> None:
    _lie(harness)
    harness.request("stand_up")
    _reach(harness, Mode.STANDING_UP)
    time.sleep(2 * WITHIN)


def _sit_down(harness: Harness) -> None:
    harness.request("sit_down")
    _reach(harness, Mode.SITTING_DOWN)
    time.sleep(WITHIN)


def _fall(harness: Harness) -> None:
    harness.request("damp")
    _reach(harness, Mode.DAMPING)


def _fault(harness: Harness) -> None:
    harness.operator.emergency_stop()
    _reach(harness, Mode.FAULT)
    harness.operator.release_emergency_stop()


_WAYS: dict[Mode, Callable[[Harness], None]] = {
    Mode.WALKING: lambda harness: None,
    Mode.STANDING: _stand,
    Mode.STANDING_UP: _stand_up,
    Mode.SITTING_DOWN: _sit_down,
    Mode.DAMPING: _fall,
    Mode.FAULT: _fault,
}
