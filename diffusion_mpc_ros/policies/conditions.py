"""Conditions of a walk: ground, payload, motors, pushes; and robots of several conditions side by side in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation.batch import BatchSimulation, BatchState
from diffusion_mpc_ros.simulation.ground.ground import Ground
from diffusion_mpc_ros.simulation.randomization import Randomization

Range = tuple[float, float]
# A Go2 whose model is varied in nothing, for :class:`Condition` to vary one thing of.
UNVARIED = Randomization(
    base_mass=(0.0, 0.0), mass_position_x=(0.0, 0.0), mass_position_y=(0.0, 0.0), mass_position_z=(0.0, 0.0),
    friction=(0.8, 0.8), initial_joint_pos=(0.95, 1.05), motor_strength=(1.0, 1.0), latency=(0.0, 0.0),
    nominal_fraction=0.0,
)  # fmt: skip
# Table I for every robot, none nominal.
TABLE_I = Randomization(nominal_fraction=0.0)


@dataclass(frozen=True)
class Condition:
    """What robots walk on and with; ranges are drawn from uniformly, dynamics for each robot, ground for a group.

    ``grounds``: ``NAME[:DIFFICULTY][@SEED]`` each (docs/ground.md), one is drawn; ``difficulty``: a range, in the
    kind's unit, that the drawn ground's is taken from instead. ``payload`` [kg] on the base; ``motor_strength``, a
    factor on the gains; ``friction`` of foot and ground; ``randomised``: in place of these three all of Table I for
    every robot, latency and the joints it starts from too. Pushes add up to ``push_speed`` [m/s], in any direction of
    the plane, every ``push_ticks``: exactly so much where ``push_exactly``. ``share``: how many robots it has, relative
    to others.
    """

    name: str
    grounds: tuple[str, ...] = ("flat",)
    difficulty: Range | None = None
    payload: Range = (0.0, 0.0)
    motor_strength: Range = (1.0, 1.0)
    friction: Range = (0.8, 0.8)
    randomised: bool = False
    push_speed: float = 0.0
    push_ticks: int = 100
    push_exactly: bool = False
    share: float = 1.0

    def __post_init__(self) -> None:
        if not self.grounds or self.share <= 0.0 or self.push_ticks < 1:
            raise ConfigurationError(
                f"condition {self.name!r} needs a ground, a share above 0, push_ticks of 1 or more"
            )
        if self.randomised and self._varied != UNVARIED:
            raise ConfigurationError(
                f"condition {self.name!r} is randomised: Table I says its payload, motor_strength and friction"
            )
        for ground in self.grounds:
            Ground.parse(ground)

    @property
    def _varied(self) -> Randomization:
        return replace(UNVARIED, base_mass=self.payload, motor_strength=self.motor_strength, friction=self.friction)

    @property
    def randomization(self) -> Randomization | None:
        """How its robots' models are drawn; None for Go2s as they are."""
        if self.randomised:
            return TABLE_I
        return None if self._varied == UNVARIED else self._varied

    def draw_ground(self, rng: np.random.Generator) -> Ground:
        """One of its grounds, with a seed of its own where the name says none."""
        text = self.grounds[rng.integers(len(self.grounds))]
        ground, seed = Ground.parse(text), int(rng.integers(1, 2**31))
        if "@" not in text:
            ground = replace(ground, seed=seed)
        if self.difficulty is not None:
            ground = replace(ground, difficulty=float(rng.uniform(*self.difficulty)))
        return ground


# What a finetuned prior is measured in: flat ground, and what the demonstrations lack.
FLAT_CONDITION = Condition("flat")
RANDOMISED = Condition("Table I", randomised=True)
TESTED: tuple[Condition, ...] = (
    Condition("payload 8 kg", payload=(8.0, 8.0)),
    Condition("motors x 0.7", motor_strength=(0.7, 0.7)),
    *(Condition(f"slope {way} 15 deg", grounds=(f"slope_{way}:15",)) for way in ("up", "down", "across")),
    *(Condition(f"slope {way} 20 deg", grounds=(f"slope_{way}:20",)) for way in ("up", "down", "across")),
    Condition("cobbles 6 cm", grounds=("cobbles:0.06",)),
    Condition("bumps 6 cm", grounds=("bumps:0.06",)),
    Condition("steps 8 cm", grounds=("stairs:0.08",)),
    Condition("soft", grounds=("soft:0.015",)),
    Condition("slippery", grounds=("slippery:0.3",)),
    Condition("pushes 1.5 m/s", push_speed=1.5, push_exactly=True),
)
NAMED = {condition.name: condition for condition in (FLAT_CONDITION, *TESTED)}


class MixedSimulation:
    """Robots of several conditions, one group after the other, stepped together as one :class:`BatchSimulation` is.

    ``groups``: conditions and how many robots each has. ``group (B,)``: of which each robot is; ``pushed (B,)``: who
    was pushed in the last tick. ``model``: the mujoco.MjModel of all robots, in place of a Go2 as it is.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Condition, int]],
        *,
        seed: int,
        threads: int = 1,
        model: Any = None,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.conditions = [condition for condition, _ in groups]
        counts = [count for _, count in groups]
        self.group = np.repeat(np.arange(len(groups)), counts)
        self.robots = len(self.group)
        ends = np.cumsum(counts)
        self._slices = [slice(end - count, end) for end, count in zip(ends, counts)]
        self.grounds = [condition.draw_ground(self.rng) for condition in self.conditions]
        self.parts = [
            BatchSimulation(
                count,
                seed=seed + 1 + index,
                threads=threads,
                randomization=condition.randomization,
                ground=ground,
                model=model,
            )
            for index, ((condition, count), ground) in enumerate(zip(groups, self.grounds))
        ]
        self.pushed = np.zeros(self.robots, dtype=bool)
        self._tick = 0
        self.state = self._read()

    def _read(self) -> BatchState:
        return BatchState.concatenate([part.state for part in self.parts])

    def step(self, joint_targets: np.ndarray) -> BatchState:
        """Hold joint targets ``(B, 12)`` [rad] for one control tick, after the pushes that are due."""
        self.pushed[:] = False
        for condition, part, robots in zip(self.conditions, self.parts, self._slices):
            if condition.push_speed and self._tick and self._tick % condition.push_ticks == 0:
                part.push(self._draw_push(condition, part.robots))
                self.pushed[robots] = True
            part.step(joint_targets[robots])
        self._tick += 1
        self.state = self._read()
        return self.state

    def _draw_push(self, condition: Condition, robots: int) -> np.ndarray:
        angle = self.rng.uniform(-np.pi, np.pi, size=robots)
        speed = condition.push_speed * (1.0 if condition.push_exactly else self.rng.uniform(size=robots))
        return np.stack([speed * np.cos(angle), speed * np.sin(angle), np.zeros(robots)], axis=1)

    def reset(self, mask: np.ndarray) -> None:
        """Put the robots of ``mask (B,)`` back on their feet where they start."""
        for part, robots in zip(self.parts, self._slices):
            part.reset(mask[robots])
        self.state = self._read()


def shared_out(conditions: Sequence[Condition], robots: int) -> list[tuple[Condition, int]]:
    """So many of ``robots`` for each of the conditions as their shares say, at least one; the first has the rest."""
    if robots < len(conditions):
        raise ConfigurationError(f"{robots} robots are not enough for {len(conditions)} conditions: one each is needed")
    shares = np.array([condition.share for condition in conditions])
    counts = np.maximum((robots * shares / shares.sum()).astype(int), 1)
    while counts.sum() > robots:
        counts[np.argmax(counts)] -= 1
    counts[0] += robots - counts.sum()
    return list(zip(conditions, counts.tolist()))
