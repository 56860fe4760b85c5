"""What a person in front of the view may ask for."""

from __future__ import annotations

from typing import Protocol

# What may be asked of command_publisher, in the order of the buttons, and what the buttons say.
REQUESTS = {"stand_up": "Stand up", "walk": "Walk", "sit_down": "Sit down", "clear_fault": "Clear fault"}


class Desk(Protocol):
    """Takes what browsers ask for, in any of their threads; nothing here waits. ``browser`` tells them apart."""

    def stop(self, browser: int) -> None:
        """Assert the emergency stop, at once."""
        ...

    def leave(self, browser: int) -> None:
        """The browser is gone: what it asserted is no longer asserted, and nothing else happens."""
        ...

    def request(self, browser: int, name: str) -> None:
        """Ask command_publisher for one of :data:`REQUESTS`; clearing a fault releases the browser's own stop first."""
        ...

    def weigh(self, name: str, value: float) -> None:
        """Give a reward term another weight, or its parameter ``TERM.PARAMETER`` another value, once a slider rests."""
        ...

    def preset(self, name: str) -> None:
        """Ask for a preset of rewards."""
        ...

    def constrain(self, name: str, active: bool) -> None:
        """Switch a constraint on or off."""
        ...

    def undo(self) -> None:
        """Go back by one change of rewards."""
        ...

    def say(self, browser: int, sentence: str) -> None:
        """Take what a person says in words; it is answered before anything is done."""
        ...

    def answer(self, browser: int, number: int, agreed: bool) -> None:
        """Do what was understood of sentence ``number``, or forget it."""
        ...
