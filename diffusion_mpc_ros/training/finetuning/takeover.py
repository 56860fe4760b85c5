"""The planner walks until the demonstrator takes over: what to do where the planner's own walk leads (HG-DAgger).

Demonstrations alone show states that the demonstrator reaches. The planner drifts to others, and there a prior has
learned nothing. So both take turns: rows of the demonstrator are learned from, beginning with the first one after the
planner (Ross et al., arXiv 1011.0686; turns in place of labels for each tick: Kelly et al., arXiv 1810.02890).
"""

from __future__ import annotations

import numpy as np

from diffusion_mpc_ros.core.types import RobotState
from diffusion_mpc_ros.diffusion.bound_step import StepBackend
from diffusion_mpc_ros.diffusion.prior import Prior
from diffusion_mpc_ros.policies.conditions import MixedSimulation
from diffusion_mpc_ros.training.finetuning.actors import PlannerActor, ServoedDemonstrator
from diffusion_mpc_ros.training.finetuning.configuration import FinetuneConfig, TurnRange


class Takeover:
    """Planner and demonstrator in turns, each robot on its own; ``teaches (B,)`` bool: whom the demonstrator walks.

    The demonstrator takes over in the phase of the gait in which the robot is. Both actors compute for all robots at
    every tick: each is ready for its turn.
    """

    teaches: np.ndarray

    def __init__(
        self,
        planner: PlannerActor,
        demonstrator: ServoedDemonstrator,
        simulation: MixedSimulation,
        turns: TurnRange,
        rng: np.random.Generator,
    ) -> None:
        self._planner, self._demonstrator, self._robots = planner, demonstrator, simulation.robots
        self._turns, self._rng = turns, rng
        self.settle_ticks = demonstrator.settle_ticks
        self.teaches = rng.uniform(size=simulation.robots) < 0.5
        self._left = self._draw_turns()

    @classmethod
    def draw(
        cls,
        config: FinetuneConfig,
        artefact: Prior,
        steps: StepBackend,
        simulation: MixedSimulation,
        rng: np.random.Generator,
    ) -> Takeover:
        """Both actors as they are drawn alone."""
        planner = PlannerActor.draw(config, artefact, steps, rng)
        return cls(planner, ServoedDemonstrator.draw(config, simulation, rng), simulation, config.turns, rng)

    def joint_targets(self, state: RobotState, command: np.ndarray) -> np.ndarray:
        """See :class:`actors.Actor`."""
        planned = self._planner.joint_targets(state, command)
        over = self._left <= 0
        self.teaches = self.teaches ^ over
        self._left = np.where(over, self._draw_turns(), self._left) - 1
        taken = over & self.teaches
        if taken.any():
            self._demonstrator.take_over(taken, state, command, planned)
        taught = self._demonstrator.joint_targets(state, command, self.teaches)
        return np.where(self.teaches[:, None], taught, planned)

    def reset(self, robots: np.ndarray) -> None:
        """See :class:`actors.Actor`; who has fallen stands up with whom he fell."""
        self._planner.reset(robots)
        self._demonstrator.reset(robots)

    def _draw_turns(self) -> np.ndarray:
        """Length [ticks] of the turn of who walks each robot now, ``(B,)``."""
        taught, own = (
            self._rng.integers(*each, size=self._robots, endpoint=True)
            for each in (self._turns.demonstrator, self._turns.planner)
        )
        return np.where(self.teaches, taught, own)
