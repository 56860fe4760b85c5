"""Sequential jumping: from one set of four plates to the next, a stage a second (arXiv 2409.15610, Appendix B).

A stage asks for the base over a point, in a heading, and for each foot on a plate of its own. The next stage is drawn
round the last: up to 0.65 m along x and y, up to 0.5 rad in heading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_mpc_ros.core.go2 import CONTROL_DT
from diffusion_mpc_ros.planners.dial_mpc.task import ControlRange, heading_error, upright
from diffusion_mpc_ros.simulation.batch_state import BatchState

STAGE_TICKS = round(1.0 / CONTROL_DT)
# Reach of the next stage [m, rad], radius of a plate [m], height of the base over it [m].
REACH, TURN, PLATE_RADIUS, BASE_HEIGHT = 0.65, 0.5, 0.10, 0.27
# Where the feet stand in the base's frame [m], FR FL RR RL.
FEET_B = np.array([[0.2, -0.135], [0.2, 0.135], [-0.2, -0.135], [-0.2, 0.135]])
# Weights of a correct and of a wrong contact (Table IV).
CORRECT = WRONG = 0.1
# A stage counts by its worst moment in its last so many ticks: then the robot has to stand.
JUDGED_TICKS = 10
_FRONT = ((-0.5, 0.5), (0.4, 2.0), (-2.3, -0.85))
_REAR = ((-0.5, 0.5), (0.4, 1.4), (-2.3, -0.85))


@dataclass(frozen=True)
class Stages:
    """``positions (S, 2)`` [m] of the base in the world, its ``headings (S,)`` [rad]."""

    positions: np.ndarray
    headings: np.ndarray

    @classmethod
    def drawn(cls, count: int, rng: np.random.Generator) -> Stages:
        """The start, then ``count`` stages at random."""
        steps = np.vstack([np.zeros(2), rng.uniform(-REACH, REACH, size=(count, 2))])
        turns = np.concatenate([[0.0], rng.uniform(-TURN, TURN, size=count)])
        return cls(np.cumsum(steps, axis=0), np.cumsum(turns))

    def at(self, ticks: np.ndarray) -> np.ndarray:
        """Return which stage is on at ``ticks``; the last one lasts."""
        return np.minimum(ticks // STAGE_TICKS, len(self.headings) - 1)

    def plates(self) -> np.ndarray:
        """Return the centres of the plates ``(S, 4, 2)`` [m] in the world, in the order of the feet."""
        c, s = np.cos(self.headings), np.sin(self.headings)
        turned = np.stack([c, -s, s, c], axis=-1).reshape(-1, 2, 2) @ FEET_B.T
        return self.positions[:, None] + turned.swapaxes(1, 2)


@dataclass(frozen=True)
class Contacts:
    """Which feet ``(..., 4)`` bool stand on their plates of a stage, and which stand anywhere else."""

    correct: np.ndarray
    wrong: np.ndarray

    @classmethod
    def of(cls, ticks: BatchState, plates: np.ndarray) -> Contacts:
        """Compare the feet of ``ticks (...)`` with ``plates (..., 4, 2)`` [m]."""
        on_plate = np.linalg.norm(ticks.foot_pos[..., :2] - plates, axis=-1) < PLATE_RADIUS
        return cls(ticks.foot_contact & on_plate, ticks.foot_contact & ~on_plate)


def contact_reward(ticks: BatchState, plates: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the contact reward ``(...)`` of equation 9, for a stage's ``plates`` and those of the stage ``before``.

    A foot that is still on its plate of the stage before is neither right nor wrong. At most ``4 * CORRECT``.
    """
    now = Contacts.of(ticks, plates)
    excused = now.wrong & Contacts.of(ticks, before).correct
    return CORRECT * now.correct.sum(axis=-1) - WRONG * (now.wrong & ~excused).sum(axis=-1)


@dataclass(frozen=True)
class Jumping:
    """Follow ``stages``. ``as_published``: the contact reward of the authors' code, which shrinks with the distance
    within a plate and punishes a foot that has not left the last stage's plate yet; else equation 9.
    """

    stages: Stages
    as_published: bool = False
    control_range: ControlRange = ControlRange.of_legs(_FRONT, _REAR)

    def score(self, ticks: BatchState, begin: int) -> np.ndarray:
        """See :class:`task.Task`: weights of the authors' code, but for the contacts' (Table IV)."""
        stage = self.stages.at(begin + np.arange(ticks.base_pos.shape[-2]))
        goal = np.column_stack([self.stages.positions[stage], np.full(len(stage), BASE_HEIGHT)])
        error = ((ticks.base_pos - goal) ** 2).sum(axis=-1)
        error += upright(ticks) + 0.3 * heading_error(ticks, self.stages.headings[stage])
        return (self.contacts(ticks, stage) - error).mean(axis=-1)

    def fallen(self, ticks: BatchState) -> np.ndarray:
        """See :class:`task.Task`: the criterion of all walks."""
        return ticks.fallen()

    def contacts(self, ticks: BatchState, stage: np.ndarray) -> np.ndarray:
        """Return the contact reward ``(..., H)`` of ticks whose stages are ``stage (H,)``."""
        plates = self.stages.plates()
        if not self.as_published:
            return contact_reward(ticks, plates[stage], plates[np.maximum(stage - 1, 0)])
        now = Contacts.of(ticks, plates[stage])
        distance = np.linalg.norm(ticks.foot_pos[..., :2] - plates[stage], axis=-1)
        reward = CORRECT * (np.clip(1.0 - distance, 0.0, 1.0) * now.correct).sum(axis=-1)
        return reward - WRONG * now.wrong.sum(axis=-1)


def stage_scores(ticks: BatchState, stages: Stages) -> np.ndarray:
    """Return equation 10's share of its maximum for each stage but the start, ``(S,)``, of what a robot did.

    ``ticks (T,)``: every tick from tick 0 on. A stage that did not end scores as no contact at all.
    """
    plates, count = stages.plates(), len(stages.headings)
    rewards = np.zeros(count)
    for stage in range(count):
        end = (stage + 1) * STAGE_TICKS
        if end <= ticks.base_pos.shape[0]:
            reward = contact_reward(ticks, plates[stage], plates[max(stage - 1, 0)])
            rewards[stage] = reward[end - JUDGED_TICKS : end].min()
    return rewards[1:] / (4.0 * CORRECT)
