"""What was said in the view's text box, and what is done once a person has agreed; a velocity is not commanded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.core.resources import config_file
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.language.changes import RewardChange, reward_change
from diffusion_mpc_ros.language.meaning import STOP
from diffusion_mpc_ros.language.report import report
from diffusion_mpc_ros.language.understanding import Interpreter, load_interpreter
from diffusion_mpc_ros.rewards.presets import load_presets

# What `diffusion-mpc say` may ask for [m/s, m/s, rad/s]; here it is only refused in the same words.
BOUND = 1.0, 0.5, 1.0
NO_VELOCITY = "A velocity is not commanded from a browser: say it in a terminal, diffusion-mpc say, or use teleop."
NOT_HEARD = "No rewards are heard yet: is the controller running?"


@dataclass(frozen=True)
class Wanted:
    """What is to be done: a change of rewards, or an action of :mod:`language.meaning`."""

    change: RewardChange
    action: str = ""


class Said:
    """``text``: what was understood of the last sentence. ``wanted``: what waits for a person's yes. For one thread."""

    def __init__(self, load: Callable[[], Interpreter] = lambda: load_interpreter(BOUND)) -> None:
        self.text = ""
        self.wanted: Wanted | None = None
        self._load, self._interpreter = load, None

    def take(self, sentence: str, now: RewardSettings | None) -> bool:
        """Understand ``sentence``; ``now``: the rewards in force. Return whether the robot is to stop, at once."""
        self.wanted = None
        try:
            return self._take(sentence, now)
        except DiffusionMpcError as error:
            self.text = f"{self.text}\n{error}".strip()
            return False

    def answered(self, agreed: bool) -> Wanted | None:
        """Return what is to be done now that a person has agreed, or not; once."""
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
