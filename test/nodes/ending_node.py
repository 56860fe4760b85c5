"""A node for tests of how processes end: it notes in a file what happens to it, one word a line.

Arguments: the file, then what the node does. ``work``: ended 100 turns after ``end``; ``hang``: never; ``hurry``: when
hurried. ``raise``, ``refuse``, ``fail``: an error of a callback, of the project's own, of a thread; ``raise_late``: one
of each callback of the ending. ``chatter``: writes 5 kB each turn.
"""

import sys

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.runtime import run

PATH, *DOES = sys.argv[1:]
PERIOD = 0.005
TURNS = 100


def note(word: str) -> None:
    with open(PATH, "a") as file:
        file.write(f"{word}\n")


class EndingNode(ManagedNode):
    end_timeout = 0.5 if "hang" in DOES else 30.0

    def __init__(self) -> None:
        super().__init__("ending_node")
        self._ending = self._hurried = False
        self._turns = 0
        self.create_timer(PERIOD, self._turn)
        note("started")

    @property
    def ended(self) -> bool:
        if {"hang", "hurry"}.intersection(DOES):
            return self._hurried
        return self._turns >= TURNS or self.failure is not None

    def end(self) -> None:
        note("end")
        self._ending, self._turns = True, 0

    def hurry(self) -> None:
        note("hurry")
        self._hurried = True

    def close(self) -> None:
        note("close" if self._turns < TURNS else "worked, close")

    def _turn(self) -> None:
        self._turns += 1
        if "chatter" in DOES:
            self.get_logger().info("x" * 2500)
            print("y" * 2500)
            if self._turns == 5 * TURNS:
                note("chattered")
        if self._ending and "raise_late" in DOES:
            raise ValueError("late")
        if not self._ending:
            self._break()

    def _break(self) -> None:
        if "raise" in DOES:
            raise ValueError("a callback's")
        if "refuse" in DOES:
            raise ConfigurationError("a setting's")
        if "fail" in DOES:
            self.fail(ValueError("a thread's"))


if __name__ == "__main__":
    run(EndingNode)
