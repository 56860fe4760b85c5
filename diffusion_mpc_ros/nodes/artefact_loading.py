"""Another model artefact for a planner that plans: loaded beside it, checked by command_publisher, then used."""

from __future__ import annotations

import threading
from pathlib import Path

from diffusion_mpc_msgs.srv import CheckArtefact, LoadArtefact

from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.nodes.followed_rewards import FollowedRewards
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.side_services import SideServices
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime, threads

CHECK_SERVICE = "command_publisher/check_artefact"
# How long command_publisher may take to be found and to answer [s].
CHECK_TIMEOUT = 5.0
# How long the plan that is being made then may take [s]; nothing depends on it but the words of the answer.
CHANGE_TIMEOUT = 1.0


class ArtefactLoading:
    """Serves ``load_artefact`` for ``node``, in a thread of its own: ``planner`` plans on meanwhile, with what it has.

    ``priority``: that of the planner's threads, 0 for none; whatever else runs beside it keeps its own.
    """

    def __init__(self, node: ManagedNode, planner: AnytimePlanner, rewards: FollowedRewards, priority: int) -> None:
        self._planner, self._rewards, self._priority = planner, rewards, priority
        # Its answers are taken by the node's own executor: this thread waits for them.
        self._check = node.create_client(CheckArtefact, CHECK_SERVICE)
        self._services = SideServices(node, "artefacts")
        self._services.serve(LoadArtefact, "load_artefact", self._load)

    def close(self) -> None:
        """Stop loading."""
        self._services.close()

    def _load(self, request: LoadArtefact.Request, response: LoadArtefact.Response) -> str:
        response.identity, others = self._planner.identity, threads()
        folder = model_folder(request.artefact).resolve()
        successor = self._planner.on(str(folder))
        if not successor.identity.startswith(request.sha256.strip().lower()):
            raise ArtefactError(f"{folder} has the SHA-256 {successor.identity}, asked for is {request.sha256!r}")
        successor.check(self._rewards.settings)  # before seconds are spent on it
        successor.prepare()
        self._ask_command_publisher(folder, successor)
        if self._priority:
            schedule_realtime(self._priority, but=others)  # those of the backend are new
        text = f"{successor.describe()}, {self._planner.describe_level()}, sha256 {successor.identity[:12]}..."
        self._rewards.hand_over(successor)
        response.identity = successor.identity
        planning = successor.in_use.wait(CHANGE_TIMEOUT)
        return f"{'planning' if planning else 'the next plan will be made'} with {text}"

    def _ask_command_publisher(self, folder: Path, successor: AnytimePlanner) -> None:
        """Raise :class:`ArtefactError` unless command_publisher will follow plans of ``successor``."""
        if not self._check.wait_for_service(timeout_sec=CHECK_TIMEOUT):
            raise ArtefactError(f"nobody serves {CHECK_SERVICE}: command_publisher has to check the artefact first")
        request = CheckArtefact.Request(
            artefact=str(folder), sha256=successor.identity, horizon=successor.timing.horizon,
            replan_margins=sorted({level.timing.replan_margin for level in successor.levels}),
        )  # fmt: skip
        answered = threading.Event()
        future = self._check.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(CHECK_TIMEOUT):
            raise ArtefactError(f"command_publisher has not answered {CHECK_SERVICE} within {CHECK_TIMEOUT:.0f} s")
        if not future.result().success:
            raise ArtefactError(f"command_publisher does not follow it: {future.result().message}")
