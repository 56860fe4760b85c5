"""The physics to plan with: a model of the Go2, as it is declared to be now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.declared_model import NOMINAL, DeclaredModel
from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.types import PlanRequest, Timing
from diffusion_mpc_ros.simulation.batch_state import flat
from diffusion_mpc_ros.simulation.declaration import declare
from diffusion_mpc_ros.simulation.rollout import Rollouts
from diffusion_mpc_ros.simulation.state import State

# Put before the names of declared numbers among the facts of a plan, of which a message holds 16.
FACT, MOST_FACTS = "declared_", 10
# In their place where there are more of them: how many.
UNTOLD = f"{FACT}numbers"


class World:
    """Robots rolled out in one declared ``model`` of MuJoCo; it stays as it is while a plan is made with it."""

    def __init__(self, model: Any, declared: DeclaredModel = NOMINAL, threads: int = 1) -> None:
        self.declared = declared
        ground = declared.ground_height if declared.slope else flat
        self.rollouts = Rollouts(declare(model, declared), threads=threads, ground=ground)

    def facts(self) -> dict[str, float]:
        """What is declared otherwise than built, as facts of a plan: by them a bag tells its world.

        Of more numbers than a plan has room for it tells only how many.
        """
        built = NOMINAL.numbers
        told = {f"{FACT}{name}": value for name, value in self.declared.numbers.items() if value != built[name]}
        return told if len(told) <= MOST_FACTS else {UNTOLD: len(told)}

    def now(self, request: PlanRequest) -> State:
        """Return the states ``(B,)`` that a plan for ``request`` begins from."""
        rollouts = self.rollouts
        return State.of(request.state, rollouts.model, ground=rollouts.ground, indices=rollouts.indices)

    def after(self, now: State, committed: np.ndarray) -> State:
        """Predict the states ``(B,)`` after joint targets ``committed (d, B, 12)`` [rad], which are on their way."""
        return self.rollouts.run(now, committed.swapaxes(0, 1)[:, None]).final[:, 0] if len(committed) else now


class Physics:
    """What the levels of a ladder plan in: :attr:`world` changes as a whole, between two plans.

    :meth:`declare` may be called from any thread: a plan that is being made goes on in the world that it began with.
    """

    def __init__(self, model: Any, declared: DeclaredModel = NOMINAL, threads: int = 1) -> None:
        self._model, self._threads = model, threads
        self.world = World(model, declared, threads)

    @property
    def declared(self) -> DeclaredModel:
        """What the robot is declared to be."""
        return self.world.declared

    def anew(self) -> Physics:
        """Return the same for another planner: rollouts of its own, in a world that is declared the same by now."""
        return Physics(self._model, self.declared, self._threads)

    def take_over(self, before: Physics) -> None:
        """Plan with what is declared to ``before``."""
        if before.declared != self.declared:
            self.declare(before.declared)

    def declare(self, declared: DeclaredModel) -> None:
        """Plan with ``declared`` from the next plan on."""
        self.world = World(self._model, declared, self._threads)

    def resume(self, facts: Mapping[str, float]) -> None:
        """Go to the world of the plan that told ``facts``.

        Raises :class:`ConfigurationError` for numbers of none, and :class:`PlanError` where the plan had no room to
        tell them.
        """
        if UNTOLD in facts:
            raise PlanError(f"the plan was made for a robot declared by {facts[UNTOLD]:g} numbers, more than it tells")
        numbers = {name.removeprefix(FACT): value for name, value in facts.items() if name.startswith(FACT)}
        declared = NOMINAL.with_numbers(numbers)
        if declared != self.declared:
            self.declare(declared)


def committed_actions(request: PlanRequest, timing: Timing) -> np.ndarray:
    """Return what is executed until row D is due, ``(d, B, 12)`` [rad].

    Where nothing is committed to, the robots are taken to hold their last joint targets for D ticks.
    """
    if request.committed_actions is not None:
        return request.committed_actions
    return np.tile(request.state.previous_action, (timing.replan_margin, 1, 1))
