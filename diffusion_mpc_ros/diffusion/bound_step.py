"""A guided step with its inputs and outputs in preallocated arrays: what an inference backend makes of an artefact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from diffusion_mpc_ros.constraints.kind import PHYSICAL
from diffusion_mpc_ros.constraints.registry import bounds_in, free_bounds
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.files import canonical_json
from diffusion_mpc_ros.diffusion.prior import ModelDescription, Prior, Tensor

# Of a reward term that shall move every entry as far as a step allows.
HEAVY_WEIGHT = 1e6

Arrays = dict[str, np.ndarray]


class BoundStep(Protocol):
    """One guided step for a fixed batch: write ``inputs`` in place, ``run``, read ``outputs``; by name."""

    inputs: Arrays
    outputs: Arrays

    def run(self) -> None:
        """Compute ``outputs`` from ``inputs``; allocates nothing that the caller sees."""


class StepBackend(Protocol):
    """Makes bound steps of one artefact."""

    def bind(self, batch: int) -> BoundStep:
        """Return a guided step for ``batch`` trajectories."""


def step_arrays(description: ModelDescription, batch: int) -> tuple[Arrays, Arrays]:
    """Return inputs and outputs of a guided step for ``batch`` trajectories, zero, by name."""
    return _zeros(description.inputs(batch)), _zeros(description.outputs(batch))


def _zeros(tensors: dict[str, Tensor]) -> Arrays:
    return {name: np.zeros([int(size) for size in shape], dtype) for name, (dtype, shape) in tensors.items()}


def step_difference(step: BoundStep, reference: BoundStep, description: ModelDescription) -> float:
    """Largest error of ``step`` against ``reference``, as a share of the norm, over guided steps by each reward term.

    With random trajectories half-way through the sampling and one term at a time, so heavy that every entry moves by
    the bound of its step in the direction of the term's gradient: whatever the term's scale, a wrong gradient shows.
    Leaves the arrays of both zero.
    """
    rng, rows = np.random.default_rng(0), description.rows
    level = np.full(rows, (description.schedule.steps + 1) // 2)
    arrays: dict[str, Any] = {name: rng.standard_normal(array.shape) for name, array in step.inputs.items()}
    # No two alike: a share of joints that count alike would be their target's own number.
    arrays |= {name: np.linspace(0.05, 0.15, size) for name, size in description.parameters.items()}
    arrays |= {
        "row_features": description.schedule.row_features(level, 0 * level),
        "next_row_features": description.schedule.row_features(level - 1, 0 * level),
        "transition": description.schedule.transition(level, level - 1),
        "known_mask": False, "guidance_scale": 1.0, "ranked": True,
    }  # fmt: skip
    free = bounds_in(free_bounds(rows), PHYSICAL)
    arrays |= {name: free[name] for name in description.bounds}
    worst = 0.0
    for weights in HEAVY_WEIGHT * np.eye(len(description.reward_terms)):
        for each in (step, reference):
            for name, values in {**arrays, "reward_weights": weights}.items():
                each.inputs[name][...] = values
            each.run()
        for name, expected in reference.outputs.items():
            error = np.linalg.norm(step.outputs[name] - expected) / (np.linalg.norm(expected) + 1e-12)
            worst = max(worst, float(error)) if np.isfinite(error) else np.inf
    for each in (step, reference):
        for array in (*each.inputs.values(), *each.outputs.values()):
            array[...] = 0
    return worst


def check_graph(artefact: Prior, inputs: Sequence[str], outputs: Sequence[str], metadata: str | None) -> None:
    """Raise :class:`ArtefactError` unless the loaded graph is the one that the artefact's card describes."""
    for kind, expected, actual in (
        ("inputs", artefact.description.inputs(), inputs),
        ("outputs", artefact.description.outputs(), outputs),
    ):
        if list(actual) != list(expected):
            raise ArtefactError(f"{artefact.model_path} has the {kind} {actual}, its card says {list(expected)}")
    if metadata != canonical_json(artefact.card["model"]):
        raise ArtefactError(f"the card of {artefact.path} is not the one that model.onnx was made with")
