"""The controls beside the picture: the stop, the operator's requests, presets, weights, constraints."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import viser

from diffusion_mpc_ros.core.parameters import Parameter
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.view.desk import REQUESTS, Desk
from diffusion_mpc_ros.view.seen import Choices
from diffusion_mpc_ros.view.status import Status, as_html

# The next button is a large one; where a browser does not understand it, it is a button.
LARGE = (
    "<style>div:has(> .large-button) + div button {height: 3.2em !important; font-size: 1.9em; letter-spacing: .12em}"
    '</style><div class="large-button"></div>'
)
SAID = "white-space: pre-wrap; font-size: .85em; padding: .2em .9em"
ANSWERS = "Do it", "Forget it"
# A parameter that may be larger has no end that means anything.
LARGEST = 1e3
# Steps of a slider from one end to the other.
STEPS = 200


def printed(unit: str) -> str:
    """``unit`` with raised powers: ``1/(rad^2/s^4)`` -> ``1/(rad²/s⁴)``."""
    return unit.replace("^2", "²").replace("^4", "⁴").replace("(1)", "1").replace("1/1", "-")


def targets(terms: Iterable[str]) -> list[Parameter]:
    """The parameters of these terms that are one number between ends near enough for a slider."""
    known = (TERMS[name] for name in terms if name in TERMS)
    parameters = (parameter for term in known for parameter in term.parameters)
    return [each for each in parameters if each.shape == (1,) and _end(each.maximum) <= LARGEST]


def _end(value: float | Sequence[float] | np.ndarray) -> float:
    """The number that a parameter of one number is."""
    return float(np.ravel(value)[0])


class Controls:
    """The stop, what there is to say, and the operator's requests; there from the start.

    The stop stands first, where nothing moves it. The space bar presses it.
    """

    def __init__(self, gui: viser.GuiApi, desk: Desk) -> None:
        gui.add_html(LARGE)
        stop = gui.add_button("\u2002STOP", color="red", icon=viser.Icon.HAND_STOP)
        command = gui.add_command("Emergency stop", hotkey="space", icon=viser.Icon.HAND_STOP)

        # In the server's own loop, not in a pool of threads: nothing is waited for.
        async def stopped(event: viser.GuiEvent | viser.CommandEvent) -> None:
            desk.stop(event.client_id)

        stop.on_click(stopped)
        command.on_trigger(stopped)
        self._status = gui.add_html("")
        labels = {label: name for name, label in REQUESTS.items()}
        requests = gui.add_button_group("Robot", tuple(labels))

        @requests.on_click
        async def _(event: viser.GuiEvent) -> None:
            desk.request(event.client_id, labels[event.target.value])

    def show(self, status: Status) -> None:
        """Show the words, where they have changed."""
        text = as_html(status)
        if text != self._status.content:
            self._status.content = text


class WordControls:
    """A box for a sentence, what was understood of it, and the two answers; see :mod:`view.said`."""

    def __init__(self, gui: viser.GuiApi, desk: Desk) -> None:
        self._gui, self._desk = gui, desk
        self._folder = gui.add_folder("In words")
        with self._folder:
            self._box = gui.add_text("Say", "", hint="For example: walk lower and quieter")
            say = gui.add_button("Say it", icon=viser.Icon.MESSAGE)
            self._text = gui.add_html("")
        self._asks, self._answers = 0, None

        @say.on_click
        async def _(event: viser.GuiEvent) -> None:
            desk.say(event.client_id, self._box.value)

    def show(self, text: str, asks: int) -> None:
        """Show what was understood, and the answers to sentence ``asks`` where a person is asked; 0: nobody is."""
        if asks != self._asks:
            self._ask(asks)
        content = f'<div class="said" style="{SAID}">{html.escape(text)}</div>' if text else ""
        if content != self._text.content:
            self._text.content = content

    def _ask(self, number: int) -> None:
        """Put buttons of its own below each sentence: a click on those of an older one does not answer this one."""
        if self._answers is not None:
            self._answers.remove()
        self._asks, self._answers = number, None
        if not number:
            return
        with self._folder:
            self._answers = self._gui.add_button_group("Do it?", ANSWERS)

        @self._answers.on_click
        async def _(event: viser.GuiEvent) -> None:
            self._desk.answer(event.client_id, number, event.target.value == ANSWERS[0])


class RewardControls:
    """Presets, a slider for each weight, a switch for each constraint; made once it is known what there is."""

    def __init__(self, gui: viser.GuiApi, desk: Desk, choices: Choices, hints: Mapping[str, str]) -> None:
        self._sliders: dict[str, viser.GuiInputHandle[float]] = {}
        self._switches: dict[str, viser.GuiInputHandle[bool]] = {}
        with gui.add_folder("Presets"):
            self._presets(gui, desk, choices)
        with gui.add_folder("Reward weights"):
            for name, (unit, minimum, maximum) in choices.terms.items():
                hint = f"{hints.get(name, '')} Weight in {unit}, {minimum:g} to {maximum:g}.".strip()
                self._sliders[name] = self._slider(gui, desk, name, (unit, minimum, maximum), hint)
        with gui.add_folder("Targets", expand_by_default=False):
            for parameter in targets(choices.terms):
                unit, minimum, maximum = parameter.unit, _end(parameter.minimum), _end(parameter.maximum)
                hint = (
                    f"{parameter.description}, {minimum:g} to {maximum:g} {unit}. Counts where its term has a weight."
                )
                self._sliders[parameter.name] = self._slider(
                    gui, desk, parameter.name, (unit, minimum, maximum), f"{hint[0].upper()}{hint[1:]}"
                )
        with gui.add_folder("Constraints", expand_by_default=False):
            for name in choices.constraints:
                self._switches[name] = self._switch(gui, desk, name)

    def show(self, settings: RewardSettings) -> None:
        """Put sliders and switches where ``settings`` are."""
        for name, slider in self._sliders.items():
            value = settings.weights.get(name, 0.0)
            if name in settings.parameters:
                value = _end(settings.parameters[name])
            slider.value = min(max(value, slider.min), slider.max)
        for name, switch in self._switches.items():
            switch.value = name in settings.constraints

    def _presets(self, gui: viser.GuiApi, desk: Desk, choices: Choices) -> None:
        if choices.presets:
            presets = gui.add_button_group("Preset", choices.presets)

            @presets.on_click
            async def _(event: viser.GuiEvent) -> None:
                desk.preset(event.target.value)

        undo = gui.add_button("Undo", icon=viser.Icon.ARROW_BACK_UP, color="gray", hint="Go back by one change")

        @undo.on_click
        async def _(_: viser.GuiEvent) -> None:
            desk.undo()

    def _slider(
        self, gui: viser.GuiApi, desk: Desk, name: str, bounds: tuple[str, float, float], hint: str
    ) -> viser.GuiInputHandle[float]:
        unit, minimum, maximum = bounds
        ends = ((float(minimum), f"{minimum:g}"), (float(maximum), f"{maximum:g}"))
        slider = gui.add_slider(
            name.replace("_", " ").replace(".", ": "), float(minimum), float(maximum), (maximum - minimum) / STEPS,
            float(minimum), hint=hint,
            marks=(ends[0], (0.5 * (minimum + maximum), printed(unit)), ends[1]),
        )  # fmt: skip

        @slider.on_update
        async def _(event: viser.GuiEvent) -> None:
            # Without a browser it was moved from here.
            if event.client_id is not None:
                desk.weigh(name, event.target.value)

        return slider

    def _switch(self, gui: viser.GuiApi, desk: Desk, name: str) -> viser.GuiInputHandle[bool]:
        switch = gui.add_checkbox(name.replace("_", " "), initial_value=False)

        @switch.on_update
        async def _(event: viser.GuiEvent) -> None:
            if event.client_id is not None:
                desk.constrain(name, event.target.value)

        return switch
