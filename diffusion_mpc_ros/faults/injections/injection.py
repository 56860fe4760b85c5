"""What an injection is: how a fault is brought about while the robot walks, and taken away again.

An injection is a function of the harness that gives a context manager: it begins on entering, which gives the local
monotonic time [s] of the beginning, and ends on leaving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.faults.harness import Harness


class InjectionFailed(DiffusionMpcError):
    """The fault could not be brought about."""


Injection = Callable[[Harness], AbstractContextManager[float]]


def injection(function: Callable[..., Iterator[float]]) -> Callable[..., Injection]:
    """Of a generator function of the harness and more, a function of the rest that gives the injection."""
    manager = contextmanager(function)

    def with_arguments(*arguments, **keywords) -> Injection:
        return lambda harness: manager(harness, *arguments, **keywords)

    return with_arguments
