"""What can be set of ``reward_composer``: a weight for each reward term, and what chooses for the operator."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from diffusion_mpc_ros.core.settings import Settings, setting
from diffusion_mpc_ros.rewards.by_slope import THRESHOLD
from diffusion_mpc_ros.rewards.registry import TERMS

RewardWeightSettings = dataclasses.make_dataclass(
    "RewardWeightSettings",
    [
        (
            term.name,
            float,
            setting(
                f"Weight of {term.name}: {term.description}.",
                float(term.default_weight),
                unit=f"1/({term.unit})",
                low=term.min_weight,
                high=term.max_weight,
                live=True,
            ),
        )
        for term in TERMS.values()
    ],
    bases=(Settings,),
    frozen=True,
)


@dataclass(frozen=True)
class RewardComposerSettings(Settings):
    """reward_composer: the weights of the reward terms; presets are in rewards.yaml."""

    ramp_time: float = setting("Time over which weights move to new values.", 1.0, unit="s", low=0.0, high=60.0)
    slope_presets: bool = setting(
        "Let the slope of the ground weigh what you do not: by the preset uphill or downhill (docs/rewards.md).",
        False, live=True,
    )  # fmt: skip
    slope_threshold: float = setting(
        "Slope along the heading at which its preset is taken; below 0.6 of it, it is left.", THRESHOLD, unit="deg",
        low=1.0, high=30.0, live=True,
    )  # fmt: skip
    weights: RewardWeightSettings = dataclasses.field(default_factory=RewardWeightSettings)  # type: ignore[valid-type]
