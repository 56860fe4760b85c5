"""One turn of the view: from what is seen to what browsers show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.view.browser.server import Browser
from diffusion_mpc_ros.view.penalty import DEFAULT, Penalty
from diffusion_mpc_ros.view.said import Said
from diffusion_mpc_ros.view.scene import Drawing
from diffusion_mpc_ros.view.seen import Seen
from diffusion_mpc_ros.view.status import budget_ms, describe
from diffusion_mpc_ros.view.wishes import Wishes

# Plots and words are renewed every so many turns.
SLOW = 5


class Presenter:
    """Shows ``seen`` in ``browser``; sliders by ``wishes``, answers by ``said``."""

    def __init__(self, browser: Browser, seen: Seen, wishes: Wishes, said: Said) -> None:
        self.browser, self._said = browser, said
        self._seen, self._wishes, self._penalty = seen, wishes, Penalty()
        self._turn = 0
        self._revision, self._objective = -1, DEFAULT

    def show(self, states: Iterable[RobotState], drawing: Drawing | None, trail: np.ndarray, now: float) -> None:
        """Show what is known at ``now`` [s]; ``states``: those since the last turn, oldest first."""
        self._turn += 1
        seen, browser = self._seen, self.browser
        velocity = np.zeros(3) if seen.commanded is None else seen.commanded.velocity
        for state in states:
            self._penalty.add(state, velocity)
        if seen.choices is not None:
            browser.offer(seen.choices, {name: f"{term.description}." for name, term in TERMS.items()})
            settings = self._wishes.show(now)
            if settings is not None:
                browser.show_settings(settings)
        if drawing is not None and seen.hears_robot(now):
            browser.show(drawing, trail)
            self._plot(velocity, now)
        browser.show_said(self._said.text, self._said.asks)
        if self._turn % SLOW == 0:
            browser.plots.draw()
            browser.show_status(describe(seen, now, browser.browsers))

    def _plot(self, velocity: np.ndarray, now: float) -> None:
        seen, plots = self._seen, self.browser.plots
        (vx, vy, _), turn = seen.state.base_lin_vel, seen.state.base_ang_vel[2]
        plots.velocity.add(now, vx, velocity[0], vy, velocity[1], turn, velocity[2])
        plots.latency.add(now, np.nan if seen.plan is None else 1e3 * seen.plan.plan_time, budget_ms(seen))
        parameters = {} if seen.settings is None else seen.settings.parameters
        revision = 0 if seen.settings is None else seen.settings.revision
        # Chosen when the rewards change, not anew at every step: two terms have no scale in common.
        if revision != self._revision and self._penalty.known:
            self._revision, self._objective = revision, self._penalty.active(seen.settings)
            plots.penalty.clear()
        unit = TERMS[self._objective].unit
        plots.penalty.title = f"penalty: {self._objective.replace('_', ' ')} [{unit}]"
        plots.penalty.add(now, self._penalty.of(self._objective, parameters))
