"""Go2s that have changed in one thing which nobody tells the controller, by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import mujoco

from diffusion_mpc_ros.core.declared_model import DeclaredModel
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.simulation.batch import build_batch_model
from diffusion_mpc_ros.simulation.declaration import declare
from diffusion_mpc_ros.simulation.model import ModelIndices


def lengthen_foot(model: mujoco.MjModel, length: float, leg: int = 1) -> mujoco.MjModel:
    """Return a copy of ``model`` whose foot ``leg`` (FR, FL, RR, RL) is ``length`` [m] further from its knee."""
    changed = copy.copy(model)
    foot = model.geom_bodyid[ModelIndices.of(model).feet[leg]]
    changed.body_pos[foot, 2] -= length
    return changed


_DECLARED = {
    "calf motor at 40 %": DeclaredModel().with_numbers({"FL_calf": 0.4}),
    "payload 6 kg off centre": DeclaredModel(payload_mass=6.0, payload_position=(0.1, 0.05, 0.05)),
    "friction 0.25": DeclaredModel(friction=0.25),
}
# What becomes of the Go2's model; the calf and the foot are those of the front left leg.
CHANGES: dict[str, Callable[[mujoco.MjModel], mujoco.MjModel]] = {
    **{name: partial(declare, declared=declared) for name, declared in _DECLARED.items()},
    "foot 2 cm longer": partial(lengthen_foot, length=0.02),
}


def changed_model(name: str) -> mujoco.MjModel:
    """Return the model that a batch steps, with the change ``name`` or, for "", as it was built.

    Raises :class:`ConfigurationError` for an unknown name.
    """
    if name and name not in CHANGES:
        raise ConfigurationError(f"unknown change {name!r}; there is {', '.join(CHANGES)}")
    model = build_batch_model()
    return CHANGES[name](model) if name else model
