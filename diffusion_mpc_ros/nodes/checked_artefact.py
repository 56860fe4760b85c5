"""The model artefact that plans must come from, and another one in its place after a check."""

from __future__ import annotations

from pathlib import Path

from diffusion_mpc_msgs.msg import Plan
from diffusion_mpc_msgs.srv import CheckArtefact

from diffusion_mpc_ros.core.errors import ArtefactError, PlanError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.artefacts import read_horizons


class CheckedArtefact:
    """What command_publisher knows of the planner's artefact ``name``; empty: plans of any, those of no model too.

    ``error``: why it must not be used, "" when it may. ``timing``: of the plans that are executed; with
    ``any_margin`` each plan says its replan margin D.
    """

    def __init__(self, name: str, timing: Timing, any_margin: bool) -> None:
        self._timing, self._any_margin = timing, any_margin
        self._named = bool(name)
        # Empty: none has passed. The candidate is another thread's, which may change it at any time: only read here.
        self._identity, self._candidate, self.error = "", "", ""
        if not name:
            return
        try:
            self._identity = self._check(model_folder(name))
        except ArtefactError as error:
            self.error = f"the model artefact fails its check: {error}"

    def check(self, plan: Plan) -> None:
        """Raise PlanError when ``plan`` comes from another artefact than the one that was checked.

        The first plan of one that was checked meanwhile ends the time of the one before; a plan of none is refused.
        """
        if not self._named:
            return
        if plan.artefact and plan.artefact == self._candidate:
            self._identity = plan.artefact
        if not plan.artefact or plan.artefact != self._identity:
            raise PlanError(
                f"the plan for tick {plan.start_tick} comes from the artefact {plan.artefact[:12]!r}..., checked was "
                f"{self._identity[:12]!r}...; give planner and command_publisher the same parameter artefact"
            )

    def offer(self, request: CheckArtefact.Request, _: CheckArtefact.Response) -> str:
        """Check the artefact that the planner is about to use; raises ArtefactError saying why not to.

        Reads the folder piece by piece: for a thread that nobody waits for.
        """
        identity = self._check(Path(request.artefact))
        if identity != request.sha256:
            raise ArtefactError(f"{request.artefact} has the SHA-256 {identity}, the planner's is {request.sha256}")
        if request.horizon != self._timing.horizon:
            raise ArtefactError(
                f"its plans would have H = {request.horizon} rows, command_publisher executes {self._timing.horizon}"
            )
        own = self._timing.replan_margin
        wrong = [d for d in request.replan_margins if d >= self._timing.horizon or not (self._any_margin or d == own)]
        if wrong:
            executed = f"0 <= D < {self._timing.horizon}" if self._any_margin else f"D = {own}"
            raise ArtefactError(f"its plans would have the replan margin D = {wrong[0]}, executed is {executed}")
        self._candidate = identity
        return f"plans of {request.artefact} will be followed, sha256 {identity[:12]}..."

    def _check(self, folder: Path) -> str:
        """Return the identity; joint order, gains, control period and shapes are compared with this controller's."""
        identity, shortest, longest = read_horizons(folder)
        if not shortest <= self._timing.horizon <= longest:
            raise ArtefactError(
                f"the model artefact {str(folder)!r} plans H = {longest} rows, command_publisher executes "
                f"{self._timing.horizon}"
            )
        return identity
