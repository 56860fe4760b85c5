"""What browsers ask for, as ROS services and topics. A stop goes out at once, all else in the executor's next turn."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights
from rclpy.client import Client
from rclpy.task import Future
from std_srvs.srv import Trigger

from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.nodes.conversions.rewards import read_choices
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.reward_requests import reward_request
from diffusion_mpc_ros.nodes.stop_panel import UNHEARD, StopPanel
from diffusion_mpc_ros.nodes.view_words import ViewWords
from diffusion_mpc_ros.rewards.registry import TERMS
from diffusion_mpc_ros.view.desk import REQUESTS
from diffusion_mpc_ros.view.seen import Seen
from diffusion_mpc_ros.view.stops import BrowserStops
from diffusion_mpc_ros.view.wishes import Wishes

# How often what can be set is asked for until it is known [s].
ASK_AGAIN = 1.0


class ViewDesk:
    """A :class:`view.desk.Desk`; ``tell(text, good)`` shows people what came of it."""

    def __init__(self, node: ManagedNode, seen: Seen, tell: Callable[[str, bool], object]) -> None:
        self.wishes = Wishes()
        self._seen, self._tell, self._intake = seen, tell, node.intake
        self._panel = StopPanel(node)
        self._stops = BrowserStops(self._panel.say, self._panel.delivered)
        self._todo: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._requests = {name: node.create_client(Trigger, f"command_publisher/{name}") for name in REQUESTS}
        self._set = node.create_client(SetRewardWeights, "set_reward_weights")
        self._get = node.create_client(GetRewardWeights, "get_reward_weights")
        self._words = ViewWords(
            seen, lambda browser: self._request(browser, "stand_up"), self.stop, self._ask_rewards, tell
        )
        self.said = self._words.said
        self._asked_at = 0.0
        self._heard: RewardSettings | None = None

    def stop(self, browser: int) -> None:
        """Assert the emergency stop, in the browser's thread."""
        self._stops.stop(browser)
        if not self._panel.heard:
            self._todo.put(lambda: self._tell(UNHEARD, False))

    def leave(self, browser: int) -> None:
        """Release what the browser asserted."""
        self._todo.put(lambda: self._stops.release(browser))

    def request(self, browser: int, name: str) -> None:
        """Ask command_publisher."""
        self._todo.put(lambda: self._request(browser, name))

    def weigh(self, name: str, value: float) -> None:
        """Take the new position of a slider."""
        self._todo.put(lambda: self.wishes.move(name, value, clock.now()))

    def preset(self, name: str) -> None:
        """Ask for a preset."""
        self._todo.put(lambda: self._ask_rewards(preset=name))

    def constrain(self, name: str, active: bool) -> None:
        """Switch a constraint."""
        names = {"enable" if active else "disable": [name]}
        self._todo.put(lambda: self._ask_rewards(**names))

    def undo(self) -> None:
        """Go back by one change."""
        self._todo.put(lambda: self._ask_rewards(undo=True))

    def say(self, browser: int, sentence: str) -> None:
        """Understand a sentence; a stop is done at once, of a robot that walks."""
        self._todo.put(lambda: self._words.take(browser, sentence))

    def answer(self, browser: int, number: int, agreed: bool) -> None:
        """Do what was understood of sentence ``number``, or forget it."""
        self._todo.put(lambda: self._words.answered(browser, number, agreed))

    def work(self) -> None:
        """Do what was asked for since the last turn; in the executor's thread."""
        while not self._todo.empty():
            self._todo.get()()
        now = clock.now()
        settings = self._seen.settings
        if settings is not None and settings is not self._heard:
            self._heard = settings
            self.wishes.hear(settings, now)
        moved = self.wishes.due(now)
        if moved:
            weights = {name: value for name, value in moved.items() if name in TERMS}
            parameters = {name: (value,) for name, value in moved.items() if name not in TERMS}
            self._ask_rewards(weights=weights, parameters=parameters)
        if self._seen.choices is None and now - self._asked_at >= ASK_AGAIN and self._get.service_is_ready():
            self._asked_at = now
            self._get.call_async(GetRewardWeights.Request()).add_done_callback(self._take_choices)

    def _request(self, browser: int, name: str) -> None:
        if name == "clear_fault":
            self._stops.release(browser)
            others = self._stops.others(browser)
            if others:
                self._tell(f"clear_fault refused: {others} other browser(s) assert an emergency stop", False)
                return
        self._call(self._requests[name], Trigger.Request(), lambda _: None)

    def _ask_rewards(self, **change: Any) -> None:
        if not self._call(self._set, reward_request(**change), self.wishes.answered):
            self.wishes.answered(False)

    def _call(self, client: Client, request: Any, then: Callable[[bool], object]) -> bool:
        """Call a service and tell people its answer; False when nobody serves it."""
        if not client.service_is_ready():
            self._tell(
                f"no service {client.srv_name}: is the controller running, in this ROS_DOMAIN_ID and namespace?", False
            )
            return False

        def answered(future: Future) -> None:
            answer = self._intake.answer(client.srv_name, future)
            good = answer is not None and answer.success
            then(good)
            text = "no answer" if answer is None else answer.message or "done"
            self._tell(f"{client.srv_name.rsplit('/', 1)[-1]}: {text}", good)

        client.call_async(request).add_done_callback(answered)
        return True

    def _take_choices(self, future: Future) -> None:
        """Take what can be set; where the answer makes no sense it is asked for again."""
        answer = self._intake.answer(self._get.srv_name, future)
        try:
            self._seen.choices = None if answer is None else read_choices(answer)
        except MessageError as error:
            self._intake.refuse(self._get.srv_name, str(error))
