"""What was said in the view's text box, and what is done once a person has agreed; a velocity is not commanded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.core.go2 import MAX_COMMAND
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.language.changes import RewardChange, reward_change
from diffusion_mpc_ros.language.meaning import STOP, LanguageError
from diffusion_mpc_ros.language.report import report
from diffusion_mpc_ros.language.understanding import Interpreter, load_interpreter
from diffusion_mpc_ros.rewards.presets import load_presets

NO_VELOCITY = "A velocity is not commanded from a browser: say it in a terminal, diffusion-mpc say, or use teleop."
NOT_HEARD = "No rewards are heard yet: is the controller running?"


@dataclass(frozen=True)
class Wanted:
    """What is to be done: a change of rewards, or an action of :mod:`language.meaning`."""

    change: RewardChange
    action: str = ""


class Said:
    """``text``: what was understood of the last sentence. ``wanted``: what waits for the yes of who said it.

    For one thread. Browsers see the same, so an answer names its sentence, and counts from the browser that said it.
    """

    def __init__(self, load: Callable[[], Interpreter] = lambda: load_interpreter(MAX_COMMAND)) -> None:
        self.text = ""
        self.wanted: Wanted | None = None
        self._number, self._browser = 0, -1
        self._load, self._interpreter = load, None

    @property
    def asks(self) -> int:
        """The number of the sentence that waits for an answer; 0 where none does."""
        return 0 if self.wanted is None else self._number

    def take(self, browser: int, sentence: str, now: RewardSettings | None) -> bool:
        """Understand ``sentence``; ``now``: the rewards in force. Return whether the robot is to stop, at once."""
        self.wanted, self._browser = None, browser
        self._number += 1
        try:
            return self._take(sentence, now)
        except DiffusionMpcError as error:
            self.text = f"{self.text}\n{error}".strip()
            return False

    def answered(self, browser: int, number: int, agreed: bool) -> Wanted | None:
        """Return what is to be done now that a person has agreed, or not, to sentence ``number``; once.

        Raises LanguageError for an answer to another sentence than the last, or from another browser than its own.
        """
        if number != self._number:
            raise LanguageError("something else has been said since: nothing is done")
        if browser != self._browser:
            raise LanguageError("this was said in another browser, which answers it: nothing is done")
        wanted, self.wanted = self.wanted, None
        self.text = "" if agreed else "Nothing is done."
        return wanted if agreed else None

    def _take(self, sentence: str, now: RewardSettings | None) -> bool:
        self.text = ""
        if self._interpreter is None:
            # Some tenths of a second, of the view's own process alone.
            self._interpreter = self._load()
        understood = self._interpreter.understand(sentence)
        self.text, meaning = report(understood), understood.meaning
        if meaning.action == STOP:
            return True
        if meaning.moves:
            self.text += f"\n{NO_VELOCITY}"
        elif meaning.action:
            self.wanted = Wanted(RewardChange(), meaning.action)
        elif meaning and now is None:
            self.text += f"\n{NOT_HEARD}"
        elif meaning and now is not None:
            change = reward_change(meaning, now, load_presets(config_file("rewards.yaml")))
            self.text += f"\nAsks for {change.words()}."
            self.wanted = Wanted(change)
        return False
