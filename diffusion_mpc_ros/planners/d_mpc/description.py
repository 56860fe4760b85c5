"""What the card of D-MPC says of its three models, read without loading their graphs.

Each stands for itself, with its own normaliser in its own part of the card, so that any of them can be another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_mpc_ros.artefacts.artefact import check_file, check_kind, identity_of
from diffusion_mpc_ros.artefacts.card import read_card
from diffusion_mpc_ros.artefacts.kinds import D_MPC, DYNAMICS, PROPOSAL, VALUE, Kind
from diffusion_mpc_ros.core import transition
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.files import read_folder
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, NUM_JOINTS, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.transition import STATE_DIM
from diffusion_mpc_ros.diffusion.normalizer import TransitionNormalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS

LEVEL = 2
PARTS: tuple[Kind, ...] = (PROPOSAL, DYNAMICS, VALUE)
# Of the predictions: mean squared tracking error of the second after the window (training/d_mpc/value.py).
COST_TO_GO = "tracking_cost_to_go"
# Rows that a model may have.
MAX_ROWS = 256


def border() -> dict[str, Any]:
    """Return what a model must have in common with this controller, as the card says it."""
    return {
        "control_dt": CONTROL_DT,
        "state": dict(transition.STATE_FIELDS),
        "joint_order": list(JOINT_NAMES),
        "gains": {"kp": WALKING_KP, "kd": WALKING_KD},
    }


@dataclass(frozen=True)
class Description:
    """What a model's part of the card says: ``rows`` F, its normaliser and schedule, and what it alone has.

    ``replan_margin``: of proposals, the most committed actions that they were trained with. ``scale (F, 34)``: of
    dynamics, how far states get from the first one, normalised. ``predictions``: of values, their units by name.
    What a model has not is 0 or empty.
    """

    rows: int
    normalizer: TransitionNormalizer
    schedule: NoiseSchedule
    replan_margin: int = 0
    scale: np.ndarray = field(default_factory=lambda: np.zeros((0, STATE_DIM)))
    predictions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the part of the card."""
        schedule = {"steps": self.schedule.steps, "offset": self.schedule.offset, "max_beta": self.schedule.max_beta}
        part = {"rows": self.rows, "normalizer": self.normalizer.to_json(), "schedule": schedule, **border()}
        part["replan_margin"] = self.replan_margin
        part["scale"] = self.scale.tolist()
        part["predictions"] = dict(self.predictions)
        return part

    @classmethod
    def from_json(cls, part: Any, name: str) -> Description:
        """Inverse of :meth:`to_json`; raises :class:`ArtefactError` naming the model and what does not fit."""
        try:
            rows, scale = part["rows"], np.asarray(part["scale"], dtype=np.float64).reshape(-1, STATE_DIM)
            if type(rows) is not int or not 1 <= rows <= MAX_ROWS:
                raise ArtefactError(f"rows are 1 .. {MAX_ROWS}, got {rows!r}")
            for key, expected in border().items():
                if part.get(key) != expected:
                    raise ArtefactError(f"its {key!r} is {part.get(key)!r}, this controller needs {expected!r}")
            if len(scale) not in (0, rows) or not np.isfinite(scale).all():
                raise ArtefactError(f"its scale must be finite numbers ({rows}, {STATE_DIM})")
            return cls(
                rows,
                TransitionNormalizer.from_json(part["normalizer"]),
                NoiseSchedule(**part["schedule"]),
                int(part["replan_margin"]),
                scale,
                dict(part["predictions"]),
            )
        except (LookupError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
            raise ArtefactError(f"the card's part of the {name} is not readable: {error!r}") from None


def proposal_sizes(rows: int) -> dict[str, int]:
    """Return the inputs of the proposals' graph: noisy actions, level, and the condition of :meth:`Proposals`."""
    return {"noisy": rows * NUM_JOINTS, "level": LEVEL, "condition": STATE_DIM + NUM_JOINTS + 3 + rows}


def dynamics_sizes(rows: int) -> dict[str, int]:
    """Return the inputs of the dynamics' graph: noisy changes, level, and the condition of :meth:`Dynamics`."""
    return {"noisy": rows * STATE_DIM, "level": LEVEL, "condition": STATE_DIM + NUM_JOINTS + rows * NUM_JOINTS}


def value_sizes(rows: int) -> dict[str, int]:
    """Return the input of the values' graph."""
    return {"features": STATE_DIM + 3 + rows * (NUM_JOINTS + STATE_DIM)}


def descriptions_of(card: dict[str, Any]) -> dict[str, Description]:
    """Return what a card of the kind d_mpc says of each model, by name.

    Raises :class:`ArtefactError` for what does not fit this controller, or each other.
    """
    model = card["model"]
    if not isinstance(model, dict):
        raise ArtefactError("the card's model part is not readable: it names no models")
    found = {kind.name: Description.from_json(model.get(kind.name), kind.name) for kind in PARTS}
    rows = {name: description.rows for name, description in found.items()}
    if len(set(rows.values())) > 1:
        raise ArtefactError(f"its models look differently far ahead, in ticks: {rows}")
    if not len(found[DYNAMICS.name].scale):
        raise ArtefactError("its dynamics lack the scale of their changes")
    expected = [*PREDICTIONS, COST_TO_GO]
    predictions = list(found[VALUE.name].predictions)
    if predictions != expected:
        raise ArtefactError(f"its value predicts {', '.join(predictions)}; this version needs {', '.join(expected)}")
    return found


def read_rows(path: str | Path) -> tuple[str, int]:
    """Return identity and F of the artefact in ``path`` without keeping its files; their SHA-256 is checked.

    For whoever follows its plans and must not be held up: each file is read piece by piece. Raises
    :class:`ArtefactError`.
    """

    def read(folder: Path) -> tuple[str, int]:
        card = read_card(folder)
        check_kind(folder, card, D_MPC)
        for name, sha256 in card["files"].items():
            check_file(folder, name, sha256)
        return identity_of(card), descriptions_of(card)[PROPOSAL.name].rows

    return read_folder(Path(path), read)
