"""Which outcomes a reward model predicts, and in which of its outputs (arXiv 2510.04234, V-B1, V-B3)."""

from __future__ import annotations

from typing import Any

from diffusion_mpc_ros.rewards.outcomes import COSTS_TO_GO, OUTCOMES

Array = Any

# In the order of the outputs.
PREDICTED = ("base_height", "mechanical_power", "foot_clearance", "base_lin_vel", "step_frequency", *COSTS_TO_GO)
_AXES = ("_x", "_y", "_z")


def _columns() -> dict[str, int | slice]:
    columns: dict[str, int | slice] = {}
    start = 0
    for name in PREDICTED:
        sizes = OUTCOMES[name].shape
        columns[name] = slice(start, start + sizes[0]) if sizes else start
        start += sizes[0] if sizes else 1
    return columns


COLUMNS = _columns()
# Name of each output -> its unit.
PREDICTIONS: dict[str, str] = {
    name + axis: OUTCOMES[name].unit
    for name in PREDICTED
    for axis in (_AXES[: OUTCOMES[name].shape[0]] if OUTCOMES[name].shape else ("",))
}


def outcomes_of(predicted: Array) -> dict[str, Array]:
    """Outcomes by name of a reward model's outputs ``(N, P)``, the :data:`PREDICTIONS`; any array library."""
    return {name: predicted[:, column] for name, column in COLUMNS.items()}
