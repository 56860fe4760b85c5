"""The timing of plans as settings: one block, which planner and command_publisher both read."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros.core.settings import Settings, setting
from diffusion_mpc_ros.core.types import Timing

# (D, R) of a plan every tick, and D of a machine that has not the time for it.
QUICK, MARGIN = (1, 1), Timing.replan_margin


@dataclass(frozen=True)
class TimingSettings(Settings):
    """Horizon H, replan margin D and replan interval R; raises :class:`TimingError` where they do not fit together."""

    horizon: int = setting("Horizon H: rows of a plan.", Timing.horizon, unit="control ticks", low=1, high=64)
    replan_margin: int | None = setting(
        "Replan margin D: first executed row of a plan; auto: settled at start, D = 1 with a plan every tick where "
        "this machine has the time, else D = 3.",
        None,
        unit="control ticks",
        low=0,
        high=63,
    )
    replan_interval: int = setting(
        "Replan interval R: a new plan every R ticks; R <= H - D.",
        Timing.replan_interval,
        unit="control ticks",
        low=1,
        high=64,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.timing  # noqa: B018, raises where it makes none

    @property
    def timing(self) -> Timing:
        """The timing; of a replan margin that is settled at start, that without the time for :data:`QUICK`."""
        margin = MARGIN if self.replan_margin is None else self.replan_margin
        return Timing(self.horizon, margin, self.replan_interval)
