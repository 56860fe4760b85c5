"""The artefact of D-MPC: loaded, checked, and what is known of it without loading its graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.artefacts.artefact import Artefact, check_file, check_kind, load_artefact
from diffusion_mpc_ros.artefacts.card import read_card
from diffusion_mpc_ros.artefacts.kinds import D_MPC, DYNAMICS, PROPOSAL, VALUE, Kind
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.files import read_folder
from diffusion_mpc_ros.diffusion.network import OnnxNetwork
from diffusion_mpc_ros.planners.d_mpc.models import (
    COST_TO_GO,
    Description,
    Dynamics,
    Proposals,
    Values,
    dynamics_sizes,
    proposal_sizes,
    value_sizes,
)
from diffusion_mpc_ros.rewards.predictions import PREDICTIONS

PARTS: tuple[Kind, ...] = (PROPOSAL, DYNAMICS, VALUE)


@dataclass(frozen=True)
class Models:
    """The three models of an artefact, ready to compute; ``artefact`` is whole and checked."""

    artefact: Artefact
    proposals: Proposals
    dynamics: Dynamics
    values: Values

    @property
    def rows(self) -> int:
        """Ticks F that all of them look ahead."""
        return self.proposals.description.rows


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


def load(path: str | Path, *, proposal_steps: int, dynamics_steps: int, threads: int = 1) -> Models:
    """Read and check the artefact in folder ``path``; its models sample with so many DDIM steps.

    Raises :class:`ArtefactError` for what :func:`load_artefact` refuses, and for models that do not fit.
    """
    artefact = load_artefact(path, D_MPC)
    found = descriptions_of(artefact.card)
    rows = found[PROPOSAL.name].rows
    sizes = (proposal_sizes(rows), dynamics_sizes(rows), value_sizes(rows))
    networks = [
        OnnxNetwork(artefact.graphs[kind.main], size, str(artefact.path / kind.main), threads)
        for kind, size in zip(PARTS, sizes)
    ]
    return Models(
        artefact,
        Proposals(found[PROPOSAL.name], networks[0], proposal_steps),
        Dynamics(found[DYNAMICS.name], networks[1], dynamics_steps),
        Values(found[VALUE.name], networks[2]),
    )


def read_rows(path: str | Path) -> tuple[str, int]:
    """Return identity and F of the artefact in ``path`` without keeping its files; their SHA-256 is checked.

    For whoever follows its plans and must not be held up: each file is read piece by piece. Raises as :func:`load`.
    """

    def read(folder: Path) -> tuple[str, int]:
        card = read_card(folder)
        check_kind(folder, card, D_MPC)
        for name, sha256 in card["files"].items():
            check_file(folder, name, sha256)
        return card["files"][D_MPC.main], descriptions_of(card)[PROPOSAL.name].rows

    return read_folder(Path(path), read)
