"""What happened in a bag, in order: modes, faults, who held the robot, stops, rewards, what the nodes complained of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.bags.bag import NANOSECOND, Bag
from diffusion_mpc_ros.bags.timeline import MODES
from diffusion_mpc_ros.core.types import RewardSettings


@dataclass(frozen=True)
class Event:
    """``text`` at ``time`` [s] after the bag's first message."""

    time: float
    text: str


def events(bag: Bag) -> list[Event]:
    """Return what happened, in order."""
    found = sorted((*_of_commands(bag), *_of_rewards(bag), *_of_stops(bag)))
    complaints = sorted(
        f"{name}: {text}, {count} times"
        for name, status in bag.diagnostics.items()
        for text, count in status.problems.items()
    )
    return [Event((time - bag.start) * NANOSECOND, text) for time, text in found] + [
        Event(bag.duration, f"in all: {text}") for text in complaints
    ]


def _of_commands(bag: Bag) -> Iterator[tuple[int, str]]:
    if not bag.commands:
        return
    columns = bag.commands
    for name, describe in (("mode", _mode), ("fault", _fault), ("holder", _holder)):
        values = columns[name]
        changed = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
        for row in changed:
            text = describe(values[row])
            # A bag begins without a fault and with nobody, of which nothing is to be told.
            if row or text not in (_fault(""), _holder("")):
                yield int(columns["log_time"][row]), text


def _mode(value: int) -> str:
    return f"mode {MODES[value].value if 0 <= value < len(MODES) else f'{value}, which is none'}"


def _fault(value: str) -> str:
    return f"fault: {value}" if value else "fault cleared"


def _holder(value: str) -> str:
    return f"held by {value}" if value else "held by nobody"


def _of_rewards(bag: Bag) -> Iterator[tuple[int, str]]:
    seen = set()
    for time, settings in bag.rewards:
        if settings.revision not in seen:
            seen.add(settings.revision)
            # The last of a ramp tells what was asked for.
            final = [known for _, known in bag.rewards if known.revision == settings.revision][-1]
            yield time, f"rewards, revision {settings.revision}: {_describe(final)}"


def _describe(settings: RewardSettings) -> str:
    parts = [f"{name} {weight:g}" for name, weight in settings.weights.items() if weight]
    parts += [f"constraint {name}" for name in settings.constraints]
    return ", ".join(parts) or "none at work"


def _of_stops(bag: Bag) -> Iterator[tuple[int, str]]:
    for time, asserted in bag.stops:
        yield time, f"e_stop {'asserted' if asserted else 'released'}"
