"""What an operator knows of the robot, declared to a planner that plans: its next plan is made with it."""

from __future__ import annotations

from diffusion_mpc_msgs.srv import DeclareModel

from diffusion_mpc_ros.core.declared_model import NOMINAL, DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError, brief
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.side_services import SideServices
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime, threads


class ModelDeclaration:
    """Serves ``declare_model`` for ``node``, in a thread of its own: ``planner`` plans on while a model is made.

    ``priority``: that of the planner's threads, 0 for none.
    """

    def __init__(self, node: ManagedNode, planner: AnytimePlanner, priority: int) -> None:
        self._planner, self._priority = planner, priority
        self._services = SideServices(node, "declarations")
        self._services.serve(DeclareModel, "declare_model", self._declare)

    def close(self) -> None:
        """Stop taking declarations."""
        self._services.close()

    def _declare(self, request: DeclareModel.Request, response: DeclareModel.Response) -> str:
        """Change what is declared, and tell all of it; raises ConfigurationError for what cannot be."""
        declared, others = self._planner.physics.declared, threads()

        def changed(before: DeclaredModel) -> DeclaredModel:
            start = NOMINAL if request.clear else before
            return start.with_numbers(dict(zip(request.names, request.values, strict=True)))

        try:
            if len(request.names) != len(request.values) or len(set(request.names)) != len(request.names):
                raise ConfigurationError(
                    f"a number for each name is needed, and each name once: got {brief(list(request.names))} and "
                    f"{brief(list(request.values))}"
                )
            declared = self._planner.declare(changed)
        finally:
            response.names, response.values = list(declared.numbers), list(declared.numbers.values())
        if self._priority:
            schedule_realtime(self._priority, but=others)  # those of the new world's physics
        return f"planning with {declared}"
