"""Plan latency of a model artefact on this machine, with the parameters of config/planner.yaml.

examples:
  diffusion-mpc bench planner
  diffusion-mpc bench planner --parameters candidates=1 sampler=ddim steps=3
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.table import Table

from diffusion_mpc_ros.bringup import BringupOptions, processes
from diffusion_mpc_ros.commands.launch import parse_parameters
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.planners.configuration import make_planner
from diffusion_mpc_ros.planners.latency import guided, plan_times


@dataclass(frozen=True)
class Config:
    """What to measure."""

    plans: int = 300
    """Plans to time."""
    parameters: tuple[str, ...] = ()
    """Parameters of the planner: NAME=VALUE, as in config/planner.yaml."""


def main(config: Config) -> int:
    """Print p50 and p99 without and with guidance; 1 when the p99 does not fit the timing."""
    overrides = parse_parameters([f"planner.{assignment}" for assignment in config.parameters])
    options = replace(BringupOptions(), parameters=overrides)
    values = next(spec.parameters for spec in processes(options) if spec.name == "planner")
    planner = make_planner(values)
    limit = max(planner.timing.replan_margin, 1) * planner.timing.control_dt
    table = Table("", "p50, ms", "p99, ms", "max, ms", title=f"{values['artefact']}, N = {values['candidates']}")
    slowest = 0.0
    terms = planner.artefact.description.reward_terms
    for label, rewards in (("no guidance", RewardSettings()), ("all terms", guided(terms))):
        times = plan_times(planner, config.plans, rewards)
        p50, p99 = np.percentile(times, [50, 99])
        slowest = max(slowest, p99)
        table.add_row(label, *(f"{value * 1e3:.2f}" for value in (p50, p99, times.max())))
    console = Console()
    console.print(table)
    console.print(f"limit for the p99: max(D, 1) * control_dt = {limit * 1e3:.0f} ms")
    return 0 if slowest <= limit else 1
