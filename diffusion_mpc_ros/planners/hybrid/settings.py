"""The settings of the hybrid, and the planner that they ask for. No physics is loaded before that."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from diffusion_mpc_ros.core.declared_model import DeclaredModel
from diffusion_mpc_ros.core.settings import setting
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.diffusion.schedule import SAMPLERS
from diffusion_mpc_ros.planners.anytime_planner import Ladder
from diffusion_mpc_ros.planners.diffusion_mpc import settings as diffusion_mpc
from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcPlanner
from diffusion_mpc_ros.planners.diffusion_mpc.settings import DiffusionMpcSettings
from diffusion_mpc_ros.planners.hybrid.guidance import GUIDED_BY, UNMEASURED
from diffusion_mpc_ros.planners.sampling.annealing import Annealing
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.planners.sampling.objective import Walking
from diffusion_mpc_ros.planners.sampling.search import Search
from diffusion_mpc_ros.planners.sampling.updates import ScoreAscent

if TYPE_CHECKING:
    from diffusion_mpc_ros.planners.hybrid.planner import HybridPlanner, Parts

# Of the terms of the task, which has no gait clock: the prior gives the gait. A robot that height counts more for keeps
# a loaded foot on the ground where the gait lifts it, and falls over it: with 10 kg and 4.0 for the tilt.
WEIGHTS = {"upright": 10.0, "velocity": 1.0, "yaw_rate": 1.0, "height": 60.0, "energy": 0.0, "sway": 0.05}


def _weight(name: str, what: str) -> float:
    return setting(f"Weight of {what}.", WEIGHTS[name], low=0.0, high=1e3)


@dataclass(frozen=True)
class HybridSettings(DiffusionMpcSettings):
    """hybrid: how its prior samples, how it searches round the best candidate, and for what."""

    sampler: str = setting("Reverse process.", "ddim", choices=SAMPLERS)
    steps: int = setting("Denoising steps; strided where fewer than those of the schedule.", 5, low=1, high=100)
    samples: int = setting("Samples of the search round the best candidate.", 12, low=1, high=1024)
    search_sigma: float = setting(
        "Standard deviation of the search at the end of the plan, as a share of half the range of a joint.",
        0.2, low=0.001, high=2.0,
    )  # fmt: skip
    horizon_factor: float = setting("Annealing from a knot to the one before it.", 0.9, low=0.01, high=1.0)
    search_temperature: float = setting(
        "Temperature of the mean over the samples, in deviations of their scores.", 0.1, low=1e-4, high=1e3
    )
    search_knots: int = setting("Knots of the spline that is added to the best candidate.", 4, low=3, high=11)
    correction_kept: float = setting(
        "What most of the candidates take over of the last plan's correction, for each tick that has passed.",
        0.9, low=0.0, high=1.0,
    )  # fmt: skip
    model: str = setting("Physics to plan with, by name (`diffusion-mpc bench models`).", "sweeps_10ms")
    physics_threads: int = setting("Threads of the physics.", 1, low=1, high=64)
    guided_by: str = setting(
        "What guides the prior: all reward terms that it follows, or those that no rollout measures.",
        UNMEASURED, choices=GUIDED_BY,
    )  # fmt: skip
    reward_scale: float = setting(
        "What the operator's composed reward counts in the scores of rollouts.", 0.01, low=0.0, high=10.0
    )
    constraint_weight: float = setting(
        "What leaving a constraint counts, for each of its tolerances.", 0.1, low=0.0, high=1e3
    )
    base_height: float = setting("Height of the base.", 0.3, unit="m", low=0.15, high=0.35)
    upright_weight: float = _weight("upright", "tilt against the ground")
    velocity_weight: float = _weight("velocity", "planar velocity, in (m/s)^2")
    yaw_rate_weight: float = _weight("yaw_rate", "yaw rate, in (rad/s)^2")
    height_weight: float = _weight("height", "base height, in m^2")
    energy_weight: float = _weight("energy", "mechanical power, in W")
    sway_weight: float = _weight("sway", "roll and pitch rate, in (rad/s)^2")
    declared: DeclaredModel = field(default_factory=DeclaredModel)


def make(settings: HybridSettings, timing: Timing, budgeted: bool) -> Ladder:
    """Return the planner of ``settings``; see :data:`planners.registry.Factory`.

    Levels: the best plan in all precisions, fewer candidates down to two, half the search, and last the prior alone.
    The simulator is given up last: without it nothing acts of what is declared. A single candidate leaves nothing to
    choose, and robots fell so. Raises :class:`ArtefactError`,
    :class:`ConfigurationError` or :class:`TimingError`.
    """
    from diffusion_mpc_ros.planners.hybrid.last_plan import LastPlan
    from diffusion_mpc_ros.planners.hybrid.planner import Parts
    from diffusion_mpc_ros.planners.sampling.physics import Physics
    from diffusion_mpc_ros.planners.sampling.scoring import Scoring
    from diffusion_mpc_ros.simulation.planner_models import planner_model

    @functools.cache
    def make_search(rows: int, samples: int) -> Search:
        knots = Knots(rows, min(settings.search_knots, rows))
        annealing = Annealing(1, 1.0, settings.horizon_factor, settings.search_sigma)
        return Search(knots, annealing, ScoreAscent(settings.search_temperature), samples)

    task = Walking(None, settings.base_height, {name: getattr(settings, f"{name}_weight") for name in WEIGHTS})
    scoring = Scoring(task, settings.reward_scale, settings.constraint_weight)
    physics = Physics(planner_model(settings.model), settings.declared, settings.physics_threads)
    parts = Parts(physics, scoring, LastPlan(settings.correction_kept), settings.guided_by, make_search)
    return _ladder(diffusion_mpc.make(settings, timing, budgeted), parts, settings, budgeted)


def _ladder(prior: Ladder, parts: Parts, settings: HybridSettings, budgeted: bool) -> Ladder:
    """Return the ladder on that of the prior."""
    from diffusion_mpc_ros.planners.hybrid.planner import HybridPlanner

    def level(base: DiffusionMpcPlanner, samples: int) -> HybridPlanner:
        return HybridPlanner(base, parts, samples, settings.seed)

    samples = settings.samples
    priors, quick = (cast("Sequence[DiffusionMpcPlanner]", levels) for levels in (prior.levels, prior.quick))
    alone = [base for base in priors if base.config.sampling.candidates == 1]
    proposing = priors[: len(priors) - len(alone)] or priors[:1]
    levels = [level(base, samples) for base in proposing]
    if budgeted:
        levels += [level(proposing[-1], samples // 2)] if samples > 1 else []
        levels += [level(base, 0) for base in alone]
    on = prior.on
    return replace(
        prior,
        levels=levels,
        description=f"{prior.description}, rollouts in {settings.model}",
        quick=[level(base, samples) for base in quick],
        on=None if on is None else lambda artefact: _ladder(on(artefact), parts.anew(), settings, budgeted),
        physics=parts.physics,
    )
