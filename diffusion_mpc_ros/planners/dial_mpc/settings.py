"""The settings of DIAL-MPC, and the planner that they ask for. No physics is loaded before that."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from diffusion_mpc_ros.core.declared_model import DeclaredModel
from diffusion_mpc_ros.core.settings import Settings, setting
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.anytime_planner import Ladder
from diffusion_mpc_ros.planners.dial_mpc.methods import METHODS, Budget, make_search
from diffusion_mpc_ros.planners.sampling.gait import Trot
from diffusion_mpc_ros.planners.sampling.knots import Knots
from diffusion_mpc_ros.planners.sampling.memory import Memory
from diffusion_mpc_ros.planners.sampling.objective import WEIGHTS, Walking
from diffusion_mpc_ros.planners.sampling.updates import SCALINGS

# A ladder ends here: two of two live walks that came down to half of them on a busy machine ended in a fault of tilt.
FEWEST_SAMPLES = 32


def _weight(name: str, what: str) -> float:
    return setting(f"Weight of {what}.", WEIGHTS[name], low=0.0, high=1e3)


@dataclass(frozen=True)
class DialMpcSettings(Settings):
    """dial_mpc: how it searches, by what, and for what; settings of the node planner."""

    method: str = setting("How it searches; all at equal budget.", "dial_mpc", choices=tuple(METHODS))
    samples: int = setting("Samples in an iteration, beside the mean.", 64, low=1, high=8192)
    iterations: int = setting("Iterations of a plan; their product is the budget.", 2, low=1, high=32)
    first_iterations: int = setting(
        "Iterations of a plan that has none to begin with, before anything is followed.", 8, low=1, high=32
    )
    sigma: float | None = setting(
        "Widest standard deviation, as a share of the range of a joint; auto: that of the method.",
        None,
        low=0.001,
        high=2.0,
    )
    trajectory_factor: float = setting(
        "Annealing from one iteration to the next (equation 5).", 0.5, low=0.01, high=1.0
    )
    horizon_factor: float = setting("Annealing from a knot to the one before it (equation 6).", 0.9, low=0.01, high=1.0)
    temperature: float = setting("Temperature lambda of the weights (equation 1).", 0.05, low=1e-4, high=1e3)
    temperature_unit: str = setting(
        "What the temperature counts in: deviation or range of the scores, or none.",
        "deviation",
        choices=tuple(SCALINGS),
    )
    lookahead: int = setting(
        "Rows that are rolled out after the committed ones; at least H.", 20, unit="control ticks", low=2, high=128
    )
    knots: int = setting("Knots of the spline through them.", 5, low=2, high=32)
    degree: int = setting("Degree of the spline: 1, 2 or 3.", 2, low=1, high=3)
    model: str = setting("Physics to plan with, by name (`diffusion-mpc bench models`).", "elliptic_20ms")
    physics_threads: int = setting("Threads of the physics.", 1, low=1, high=64)
    reward_scale: float = setting("What the operator's composed reward counts.", 0.01, low=0.0, high=10.0)
    constraint_weight: float = setting(
        "What leaving a constraint counts, for each of its tolerances.", 0.1, low=0.0, high=1e3
    )
    step_frequency: float = setting("Frequency of the trot.", 2.0, unit="Hz", low=0.5, high=5.0)
    stance_share: float = setting("Share of its cycle that a foot stands.", 0.55, low=0.1, high=0.9)
    swing_height: float = setting("Height of a foot at mid-swing.", 0.08, unit="m", low=0.0, high=0.2)
    base_height: float = setting("Height of the base.", 0.3, unit="m", low=0.15, high=0.35)
    gait_weight: float = _weight("gait", "foot heights, in (5 cm)^2")
    upright_weight: float = _weight("upright", "tilt")
    heading_weight: float = _weight("heading", "heading, in rad^2")
    velocity_weight: float = _weight("velocity", "planar velocity, in (m/s)^2")
    yaw_rate_weight: float = _weight("yaw_rate", "yaw rate, in (rad/s)^2")
    height_weight: float = _weight("height", "base height, in m^2")
    energy_weight: float = _weight("energy", "mechanical power, in W")
    sway_weight: float = _weight("sway", "roll and pitch rate, in (rad/s)^2")
    seed: int = setting("Seed of the sampling noise.", 0, low=0, high=2**31 - 1)
    declared: DeclaredModel = field(default_factory=DeclaredModel)

    @property
    def budget(self) -> Budget:
        """How it searches."""
        return Budget(
            self.samples, self.iterations, self.sigma, self.trajectory_factor, self.horizon_factor, self.temperature,
            self.temperature_unit,
        )  # fmt: skip


def budgets(configured: Budget) -> list[Budget]:
    """Level 0 is ``configured``; every further level takes half the time: of iterations, then of samples."""
    levels = [configured]
    while levels[-1].iterations > 1:
        levels.append(replace(levels[-1], iterations=levels[-1].iterations // 2))
    while levels[-1].samples >= 2 * FEWEST_SAMPLES:
        levels.append(replace(levels[-1], samples=levels[-1].samples // 2))
    return levels


def make(settings: DialMpcSettings, timing: Timing, budgeted: bool) -> Ladder:
    """Return the planner of ``settings``; see :data:`planners.registry.Factory`.

    Raises :class:`ConfigurationError` or :class:`TimingError`.
    """
    from diffusion_mpc_ros.planners.dial_mpc.planner import DialMpcPlanner, Parts
    from diffusion_mpc_ros.planners.sampling.physics import Physics
    from diffusion_mpc_ros.planners.sampling.scoring import Scoring
    from diffusion_mpc_ros.simulation.planner_models import fingerprint, planner_model

    model = planner_model(settings.model)
    knots = Knots(settings.lookahead + 1, settings.knots, settings.degree)
    gait = Trot(settings.step_frequency, settings.stance_share, settings.swing_height)
    weights = {name: getattr(settings, f"{name}_weight") for name in WEIGHTS}
    scoring = Scoring(Walking(gait, settings.base_height, weights), settings.reward_scale, settings.constraint_weight)
    identity = hashlib.sha256(f"{fingerprint(model)} {settings}".encode()).hexdigest()
    physics = Physics(model, settings.declared, settings.physics_threads)
    parts = Parts(physics, scoring, Memory(), identity)
    levels = [
        DialMpcPlanner(
            parts, make_search(settings.method, knots, budget), timing,
            first_iterations=settings.first_iterations, seed=settings.seed,
        )
        for budget in (budgets(settings.budget) if budgeted else [settings.budget])
    ]  # fmt: skip
    description = f"{settings.method}, {settings.model}, {settings.lookahead} ticks ahead"
    return Ladder(levels, description, physics=physics)
