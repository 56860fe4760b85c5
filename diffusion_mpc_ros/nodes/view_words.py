"""What is said in the view's text box, as requests: of a stop at once, of all else after a person's yes."""

from __future__ import annotations

from collections.abc import Callable

from diffusion_mpc_ros.control.modes import Mode
from diffusion_mpc_ros.language.meaning import EMERGENCY_STOP, UNDO, LanguageError
from diffusion_mpc_ros.view.said import Said
from diffusion_mpc_ros.view.seen import Seen


class ViewWords:
    """For the executor's thread. ``stand_up``, ``stop``, ``ask_rewards(**change)`` and ``tell(text, good)`` do it."""

    def __init__(
        self,
        seen: Seen,
        stand_up: Callable[[int], object],
        stop: Callable[[int], object],
        ask_rewards: Callable[..., object],
        tell: Callable[[str, bool], object],
    ) -> None:
        self.said = Said()
        self._seen, self._stand_up, self._stop = seen, stand_up, stop
        self._ask_rewards, self._tell = ask_rewards, tell

    def take(self, browser: int, sentence: str) -> None:
        """Understand a sentence; a stop is done at once, of a robot that walks: it stands then."""
        if self.said.take(browser, sentence, self._seen.settings):
            commanded = self._seen.commanded
            if commanded is not None and commanded.mode == Mode.WALKING.value:
                self._stand_up(browser)
            else:
                self._tell("the robot does not walk", False)

    def answered(self, browser: int, number: int, agreed: bool) -> None:
        """Do what was understood of sentence ``number``, or forget it."""
        try:
            wanted = self.said.answered(browser, number, agreed)
        except LanguageError as error:
            self._tell(str(error), False)
            return
        if wanted is None:
            return
        if wanted.action == EMERGENCY_STOP:
            self._stop(browser)
        elif wanted.action == UNDO:
            self._ask_rewards(undo=True)
        else:
            change = wanted.change
            self._ask_rewards(preset=change.preset, weights=change.weights, parameters=change.parameters)
