"""The view's server: viser behind the door, its picture, controls and plots."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Mapping, Sequence

import numpy as np
import viser

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.links import Link
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.view.browser.panel import Controls, RewardControls, WordControls
from diffusion_mpc_ros.view.browser.plots import Plots
from diffusion_mpc_ros.view.browser.stage import Stage
from diffusion_mpc_ros.view.desk import Desk
from diffusion_mpc_ros.view.door import Door, hidden_address
from diffusion_mpc_ros.view.scene import Drawing
from diffusion_mpc_ros.view.seen import Choices
from diffusion_mpc_ros.view.status import Status

OPENING = 5.0  # [s]
# How long a message on the screen stays [s].
MESSAGE = 6.0
# Of plots and controls [pixels].
WIDTHS = 300, 390
CAMERA, LOOK_AT = (-0.75, -1.05, 0.55), (0.08, 0.0, 0.16)


class _LocalServer(viser.ViserServer):
    """Viser's server without its relay on the internet, which a browser may ask for."""

    def request_share_url(self, verbose: bool = True) -> None:
        """Share nothing."""


class Browser:
    """What browsers see, and what they ask of ``desk``; all but the constructor may be called in any one thread.

    ``links``: the robot that is drawn. ``rate`` [Hz]: how often the plots get a row. Raises ConfigurationError where
    ``address`` and ``port`` cannot be had.
    """

    def __init__(self, address: str, port: int, title: str, links: Sequence[Link], rate: float, desk: Desk) -> None:
        # First: a port that cannot be had is told of before anything is made.
        self.door = Door(address, port)
        inner = hidden_address()
        with contextlib.redirect_stdout(io.StringIO()):  # it would print the address behind the door
            self._server = _LocalServer(host=inner, port=0, label=title, verbose=False)
        self._desk = desk
        self._server.on_client_disconnect(self._left)
        gui = self._server.gui
        gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False, control_width="large")
        self._server.initial_camera.position, self._server.initial_camera.look_at = CAMERA, LOOK_AT
        self._controls = Controls(gui, desk)
        self._words = WordControls(gui, desk)
        self._rewards: RewardControls | None = None
        plots = gui.add_panel()
        with plots.add_tab("Plots", viser.Icon.CHART_LINE):
            self.plots = Plots(gui, rate)
        plots.dock_left()
        plots.set_width(WIDTHS[0])
        gui.main_panel.dock_right()
        gui.main_panel.set_width(WIDTHS[1])
        self._stage = Stage(self._server.scene, links)
        self._open()

    @property
    def url(self) -> str:
        """What to open on this machine, with the token where one is needed."""
        query = f"/?token={self.door.token}" if self.door.token else "/"
        return f"http://{self.door.address}:{self.door.port}{query}"

    @property
    def browsers(self) -> int:
        """How many are open."""
        return len(self._server.get_clients())

    def close(self) -> None:
        """Close the door, then the server."""
        loop = self._server.get_event_loop()
        with contextlib.suppress(TimeoutError, RuntimeError):
            asyncio.run_coroutine_threadsafe(self.door.close(), loop).result(OPENING)
        with contextlib.redirect_stdout(io.StringIO()):
            self._server.stop()

    def show(self, drawing: Drawing, trail: np.ndarray) -> None:
        """Show the picture; ``trail (P, 3)`` [m]: where the base has been."""
        with self._server.atomic():
            self._stage.show(drawing, trail)

    def show_status(self, status: Status) -> None:
        """Show the words, where they changed."""
        self._controls.show(status)

    def offer(self, choices: Choices, hints: Mapping[str, str]) -> None:
        """Make the controls for what can be set; ``hints``: what a reward term is, by name. Once."""
        if self._rewards is None:
            self._rewards = RewardControls(self._server.gui, self._desk, choices, hints)

    def show_settings(self, settings: RewardSettings) -> None:
        """Put sliders and switches where ``settings`` are."""
        if self._rewards is not None:
            self._rewards.show(settings)

    def show_said(self, text: str, asks: int) -> None:
        """Show what was understood of the last sentence; ``asks``: its number where it waits for an answer, else 0."""
        self._words.show(text, asks)

    def tell(self, text: str, good: bool) -> None:
        """Show a message in every browser."""
        for client in self._server.get_clients().values():
            client.add_notification(
                "Done" if good else "Refused", text, color="green" if good else "red", auto_close_seconds=MESSAGE
            )

    async def _left(self, client: viser.ClientHandle) -> None:
        self._desk.leave(client.client_id)

    def _open(self) -> None:
        inner = self._server.get_host(), self._server.get_port()
        opened = asyncio.run_coroutine_threadsafe(self.door.open(inner), self._server.get_event_loop())
        try:
            opened.result(OPENING)
        except TimeoutError:
            raise ConfigurationError(f"the view's server did not open its door within {OPENING:.0f} s") from None
