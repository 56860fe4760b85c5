"""The end of what a process holds: what fails of it keeps nothing else from being ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack


def close_all(*actions: Callable[[], object]) -> None:
    """Do all of ``actions``, one after another, whatever some of them raise; then raise the last error."""
    with ExitStack() as stack:
        for action in reversed(actions):
            stack.callback(action)
