"""The settings of D-MPC, and the planner that they ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.core.settings import Settings, setting
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.anytime_planner import Ladder
from diffusion_mpc_ros.planners.d_mpc.loading import load
from diffusion_mpc_ros.planners.d_mpc.planner import DMpcConfig, DMpcPlanner
from diffusion_mpc_ros.planners.d_mpc.scoring import Scoring

# A ladder ends here.
FEWEST_CANDIDATES = 8


@dataclass(frozen=True)
class DMpcSettings(Settings):
    """d_mpc: from which models, how it samples, and what counts; settings of the node planner."""

    artefact: str = setting("Model artefact: its name in models/, or a path to its folder.", "d_mpc")
    candidates: int = setting("Candidates N that are proposed and compared.", 24, low=1, high=4096)
    rounds: int = setting(
        "Rounds of the search under rewards; from the second on, N candidates lie round the mean of the best.",
        3,
        low=1,
        high=100,
    )
    survivors: float = setting("Share of the candidates, the best ones, whose mean it is.", 0.25, low=0.01, high=1.0)
    spread: float = setting("How far round it: a factor on the difference of two proposals.", 0.5, low=0.0, high=10.0)
    proposal_steps: int = setting("DDIM steps of a proposal.", 3, low=1, high=100)
    dynamics_steps: int = setting("DDIM steps of a prediction; with 1 it is the mean.", 1, low=1, high=100)
    noise_scale: float = setting("Sampling temperature of the proposals.", 1.0, low=0.0, high=10.0)
    correction: float = setting(
        "Share of a predicted velocity error that the command makes up for which proposals are made for; 0: none.",
        1.0,
        low=0.0,
        high=3.0,
    )
    hold_committed: bool = setting("Propose from the actions that are already committed.", True)
    tracking_weight: float = setting(
        "What the squared error of the predicted velocity counts, in (m/s)^2.", 1.0, low=0.0, high=1e3
    )
    value_weight: float = setting(
        "What the predicted mean squared tracking error of the second after counts.", 1.0, low=0.0, high=1e3
    )
    reward_scale: float = setting("What the operator's composed reward counts.", 0.01, low=0.0, high=10.0)
    constraint_weight: float = setting(
        "What leaving a constraint counts, for each of its tolerances.", 0.1, low=0.0, high=1e3
    )
    threads: int = setting("Threads of the networks.", 1, low=1, high=64)
    seed: int = setting("Seed of the sampling noise.", 0, low=0, high=2**31 - 1)

    @property
    def config(self) -> DMpcConfig:
        """How it plans."""
        scoring = Scoring(self.tracking_weight, self.value_weight, self.reward_scale, self.constraint_weight)
        return DMpcConfig(
            self.candidates, self.rounds, self.survivors, self.spread, self.noise_scale,
            self.correction, self.hold_committed, scoring, self.seed,
        )  # fmt: skip


def configs(configured: DMpcConfig) -> list[DMpcConfig]:
    """Level 0 is ``configured``; every further level has half the candidates."""
    levels = [configured]
    while levels[-1].candidates >= 2 * FEWEST_CANDIDATES:
        levels.append(replace(levels[-1], candidates=levels[-1].candidates // 2))
    return levels


def make(settings: DMpcSettings, timing: Timing, budgeted: bool) -> Ladder:
    """Return the planner of ``settings``; see :data:`planners.registry.Factory`.

    Raises :class:`ArtefactError` or :class:`TimingError`.
    """

    levels = configs(settings.config) if budgeted else [settings.config]
    steps = f"{settings.proposal_steps} + {settings.dynamics_steps} steps"

    def on(artefact: str) -> Ladder:
        models = load(
            model_folder(artefact),
            proposal_steps=settings.proposal_steps,
            dynamics_steps=settings.dynamics_steps,
            threads=settings.threads,
        )
        planners = [DMpcPlanner(models, config, timing) for config in levels]
        return Ladder(planners, f"{models.artefact.name}, {steps}", on=on)

    return on(settings.artefact)
