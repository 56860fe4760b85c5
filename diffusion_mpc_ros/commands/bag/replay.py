"""Plan again from a bag, with the planner that it names, and compare plan by plan.

Where artefact, backend and settings are those of the bag every plan comes out bit for bit: a plan tells the random
numbers, the level and the number of committed actions that it was made with. Otherwise this says how far they are.
Exit status: 0 all plans that could be made again are equal, 1 some differ or none could.

examples:
  diffusion-mpc bag replay walk.mcap
  diffusion-mpc bag replay walk.mcap --plans 100
  diffusion-mpc bag replay walk.mcap --parameters planner.artefact=runs/finetuned
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.bags import topics
from diffusion_mpc_ros.bags.bag import Bag, load
from diffusion_mpc_ros.bags.replay import Replayed, replay
from diffusion_mpc_ros.commands.launch import parse_parameters
from diffusion_mpc_ros.core.config_files import parse_value
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import Settings
from diffusion_mpc_ros.nodes.settings_lookup import declarations_of_node
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner
from diffusion_mpc_ros.planners.registry import make_planner
from diffusion_mpc_ros.planners.settings import PlanningSettings

# Settings that are settled by measurement at start, and what stands for that; the planner's diagnostics tell which.
SETTLED = {"backend": "auto", "threads": 0}


@dataclass(frozen=True)
class Config:
    """Which bag, and what to plan with."""

    bag: Annotated[Path, tyro.conf.Positional]
    """The MCAP file, or the folder that `ros2 bag record` has written."""
    namespace: str | None = None
    """ROS namespace of the robot, where the bag holds several."""
    plans: int | None = None
    """Compare the first so many plans; default all."""
    parameters: tuple[str, ...] = ()
    """Other settings of the planner than the bag's: planner.PARAMETER=VALUE."""

    def __post_init__(self) -> None:
        if self.plans is not None and self.plans < 1:
            raise ConfigurationError(f"plans must be at least 1, got {self.plans}")


def main(config: Config) -> int:
    """Plan and print; the exit status."""
    bag, console = load(config.bag, config.namespace), Console()
    bag.require()
    planning, own, remarks = planner_settings(bag, config.parameters)
    planner = make_planner(planning, own)
    console.print(
        f"{config.bag}: {len(bag.plans)} plans; again with {planner.name}, {planner.describe()}", markup=False
    )
    for remark in [*remarks, *differences(bag, planner)]:
        console.print(remark, style="yellow", markup=False)
    replayed = list(islice(replay(bag, planner), config.plans))
    for line in report(replayed):
        console.print(line, markup=False)
    return 0 if replayed and all(each.equal for each in replayed if not each.obstacle) and _any(replayed) else 1


def planner_settings(bag: Bag, assignments: Sequence[str] = ()) -> tuple[PlanningSettings, Settings, list[str]]:
    """Return the settings of planning and of the planner as the bag tells them, and remarks on them.

    ``assignments`` take their place. Raises ConfigurationError for one that is not of the planner.
    """
    told = bag.manifest.planner if bag.manifest is not None else {}
    remarks = [] if told else ["the bag does not say how its planner was set: the configuration files are taken"]
    planner = str(told.get("planner", PlanningSettings.planner))
    known = declarations_of_node("planner", planner)
    values = bringup.load_parameters("planner", planner) | {name: told[name] for name in known if name in told}
    running = _diagnostics(bag)
    for name, unsettled in SETTLED.items():
        if values.get(name) == unsettled and name in running:
            values[name] = parse_value(known[name], running[name])
        elif values.get(name) == unsettled:
            remarks.append(f"the bag does not say which {name} was found best: it is measured again")
    overrides = parse_parameters(assignments, planner)
    others = sorted(set(overrides) - {"planner"})
    if others:
        raise ConfigurationError(f"only parameters of the planner can be changed here, not of {', '.join(others)}")
    values |= overrides.get("planner", {})
    planning, own = bringup.build_settings("planner", planner, values, str(bag.path))
    return planning, own, remarks


def differences(bag: Bag, planner: AnytimePlanner) -> Iterator[str]:
    """Yield what the plans will differ by."""
    artefacts = {recorded.artefact for recorded in bag.plans} - {planner.identity}
    if artefacts:
        made = ", ".join(sorted(identity[:12] or "none" for identity in artefacts))
        own = planner.identity[:12] or "none"
        yield f"the artefact is another: the bag's plans are of {made}, this planner's is {own}"
    names = {recorded.plan.planner for recorded in bag.plans} - {planner.name}
    if names:
        yield f"the planner is another: the bag's plans are of {', '.join(map(repr, sorted(names)))}"


def report(replayed: Sequence[Replayed]) -> Iterator[str]:
    """Yield the figures as lines."""
    obstacles = Counter(each.obstacle for each in replayed if each.obstacle)
    made = [each for each in replayed if not each.obstacle]
    equal = sum(each.equal for each in made)
    yield f"made again: {len(made)} of {len(replayed)} plans; bit-equal: {equal}; different: {len(made) - equal}"
    for obstacle, count in obstacles.most_common():
        yield f"not made again: {count}, {obstacle}"
    different = [each for each in made if not each.equal]
    if different:
        worst = max(different, key=lambda each: each.difference)
        far = np.array([each.difference for each in different])
        first = different[0]
        yield (
            f"the different ones: largest difference of a joint target median {np.median(far):.2g} rad, "
            f"p99 {np.percentile(far, 99):.2g} rad, worst {worst.difference:.2g} rad for tick {worst.start_tick}"
        )
        yield f"the first one: for tick {first.start_tick}, at {first.time:.2f} s"
        ramps = sum(each.ramp for each in different)
        if ramps:
            yield f"of them {ramps} within a ramp of reward weights: no weights in the bag around their time make them"


def _any(replayed: Sequence[Replayed]) -> bool:
    return any(not each.obstacle for each in replayed)


def _diagnostics(bag: Bag) -> Mapping[str, str]:
    name = f"{bag.namespace}/planner"
    status = bag.diagnostics.get(name) if topics.DIAGNOSTICS in bag.streams else None
    return status.values if status else {}
