"""A bag as episodes: what a robot was told, did and can know of it, cut wherever it was not following its plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from diffusion_mpc_ros.bags.bag import Bag
from diffusion_mpc_ros.bags.timeline import MODES, Fitness, Stretch, Timeline, make_stretches, make_timeline
from diffusion_mpc_ros.core import rotations
from diffusion_mpc_ros.core.errors import BagError
from diffusion_mpc_ros.core.go2 import has_fallen
from diffusion_mpc_ros.core.observation import observe
from diffusion_mpc_ros.core.types import Plan, RewardSettings, RobotState, added_velocity

# A window of a plan's H = 11 rows and the state that it leads to.
SHORTEST = 12
# A fall within so many ticks (1 s) of its end belongs to an episode.
FALL_WITHIN = 50
# Of RobotState, those that a bag holds under the same name.
STATE_COLUMNS = (
    "base_ang_vel", "base_quat_wxyz", "joint_pos", "joint_vel", "joint_torque", "previous_action", "foot_contact",
    "base_lin_vel", "base_height",
)  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """Why an episode ends where it does, in words; ``fell``: the robot did; ``stopped``: its operator stopped it."""

    cause: str
    fell: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class Episode:
    """``L`` ticks without a gap in which the robot walked after its plans; arrays have a first axis of L.

    ``states``: the robot's state at each tick, its arrays ``(L, ...)`` and its tick the first one. Velocities
    [m/s, m/s, rad/s]: ``command (L, 3)``, what the followed plan was asked for; ``added (L, 3)``, what velocity
    feedback added to that; ``asked (L, 3)``, what the holder asked for at the tick. ``action (L, 12)`` [rad]: the joint
    target that was sent in the tick. ``plans`` and ``rewards``: each that was followed or in force, with the index of
    that of a tick in ``plan_of (L,)`` and ``rewards_of (L,)``; ``plan_row (L,)``: the row that was executed.
    ``weight``: how much it counts in training.
    """

    source: str
    started: int  # when its first tick was received [ns since 1970]
    states: RobotState
    command: np.ndarray
    added: np.ndarray
    asked: np.ndarray
    action: np.ndarray
    plans: tuple[Plan, ...]
    plan_of: np.ndarray
    plan_row: np.ndarray
    rewards: tuple[RewardSettings, ...]
    rewards_of: np.ndarray
    ending: Ending
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.action)

    @property
    def tick(self) -> np.ndarray:
        """Return the ticks ``(L,)``."""
        return self.states.tick + np.arange(len(self))

    @property
    def observation(self) -> np.ndarray:
        """Return what a planner observed at each tick, ``(L, 45)``."""
        return observe(self.states, self.command + self.added, self.states.previous_action)

    @property
    def mechanical_power(self) -> np.ndarray:
        """Return the power at the joints at each tick ``(L,)`` [W], from the torques that the motors estimate."""
        return np.abs(self.states.joint_torque * self.states.joint_vel).sum(axis=-1)


def first_ticks(episodes: Sequence[Episode], ticks: int) -> list[Episode]:
    """Return the first ``ticks`` of all ``episodes`` together; the last one is cut where they are used up."""
    kept = []
    for episode in episodes:
        if ticks <= 0:
            break
        kept.append(episode if len(episode) <= ticks else _cut(episode, ticks))
        ticks -= len(episode)
    return kept


def _cut(episode: Episode, ticks: int) -> Episode:
    states = replace(episode.states, **{name: getattr(episode.states, name)[:ticks] for name in STATE_COLUMNS})
    names = ("command", "added", "asked", "action", "plan_of", "plan_row", "rewards_of")
    arrays = {name: getattr(episode, name)[:ticks] for name in names}
    return replace(episode, states=states, **arrays, ending=Ending("cut"))


def read_episodes(bag: Bag, shortest: int = SHORTEST) -> list[Episode]:
    """Return the episodes of at least ``shortest`` ticks; raises BagError where a topic is missing or none is fit."""
    timeline = make_timeline(bag)
    stretches = make_stretches(timeline, shortest)
    episodes = [
        _episode(bag, timeline, stretch, find_ending(bag, timeline, stretch))
        for stretch in stretches
        if stretch.fitness is Fitness.FIT
    ]
    if not episodes:
        reasons = sorted({stretch.fitness for stretch in stretches})
        raise BagError(
            f"{bag.path}: no stretch of {shortest} ticks is fit for training: "
            f"{'; '.join(reason.text for reason in reasons) or 'it has no ticks'}"
        )
    return episodes


def _episode(bag: Bag, timeline: Timeline, stretch: Stretch, ending: Ending) -> Episode:
    rows = slice(stretch.first, stretch.last)
    command = timeline.command[rows]
    plans, plan_of = np.unique(timeline.plan[rows], return_inverse=True)
    rewards, rewards_of = np.unique(timeline.rewards[rows], return_inverse=True)
    followed = tuple(bag.plans[index].plan for index in plans)
    velocity = np.stack([np.zeros(3) if plan.command is None else plan.command for plan in followed])
    added = np.array([added_velocity(plan.facts) for plan in followed])
    return Episode(
        source=bag.path.name,
        started=int(timeline.log_time[stretch.first]),
        states=RobotState(
            tick=int(timeline.tick[stretch.first]), **{name: bag.states[name][rows] for name in STATE_COLUMNS}
        ),
        command=velocity[plan_of],
        added=added[plan_of],
        asked=bag.commands["velocity"][command],
        action=bag.commands["joint_pos"][command],
        plans=followed,
        plan_of=plan_of,
        plan_row=bag.commands["plan_row"][command],
        rewards=tuple(bag.rewards[index][1] for index in rewards),
        rewards_of=rewards_of,
        ending=ending,
    )


def find_ending(bag: Bag, timeline: Timeline, stretch: Stretch) -> Ending:
    """Return why ``stretch`` ends where it does, by the tick after it."""
    after = stretch.last
    if after == len(timeline):
        return Ending("the bag ends")
    if not timeline.follows[after]:
        missing = int(timeline.tick[after] - timeline.tick[after - 1]) - 1
        return Ending(f"{missing} ticks are missing" if missing > 0 else "the robot's clock began anew")
    fitness, command = Fitness(timeline.fitness[after]), timeline.command[after]
    cause = fitness.text
    if fitness in (Fitness.FAULT, Fitness.STOPPED):
        cause = f"fault: {bag.commands['fault'][command]}"
    elif fitness is Fitness.NOT_WALKING:
        mode = int(bag.commands["mode"][command])
        cause = f"mode {MODES[mode].value if mode < len(MODES) else mode}"
    return Ending(cause, _falls(bag, timeline, stretch), fitness is Fitness.STOPPED)


def _falls(bag: Bag, timeline: Timeline, stretch: Stretch) -> bool:
    """Whether the robot lies, by its own state, within :data:`FALL_WITHIN` ticks after ``stretch`` and without a gap.

    The joints of a robot that sits down or is damped fold under it: only its tilt tells then.
    """
    rows = slice(stretch.last, stretch.last + FALL_WITHIN)
    unbroken = np.logical_and.accumulate(timeline.follows[rows])
    quat = bag.states["base_quat_wxyz"][rows][unbroken]
    tilt = rotations.tilt(rotations.projected_gravity(quat / np.linalg.norm(quat, axis=1, keepdims=True)))
    return bool(np.any(has_fallen(tilt, np.inf)))
