"""The artefact of D-MPC, loaded: its models ready to compute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from diffusion_mpc_ros.artefacts.artefact import Artefact, load_artefact
from diffusion_mpc_ros.artefacts.kinds import D_MPC, DYNAMICS, PROPOSAL, VALUE
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion.network import OnnxNetwork
from diffusion_mpc_ros.planners.d_mpc.description import (
    PARTS,
    Description,
    descriptions_of,
    dynamics_sizes,
    proposal_sizes,
    value_sizes,
)
from diffusion_mpc_ros.planners.d_mpc.models import Dynamics, Proposals, Values


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


def load_dynamics(path: str | Path, *, steps: int, threads: int = 1) -> tuple[Artefact, Dynamics]:
    """Read the artefact in folder ``path`` and its dynamics, which it has alone or beside other models.

    Raises :class:`ArtefactError` for one without dynamics, and as :func:`load`.
    """
    artefact, description = read_dynamics(path)
    network = OnnxNetwork(artefact.graphs[DYNAMICS.main], dynamics_sizes(description.rows), str(path), threads)
    return artefact, Dynamics(description, network, steps)


def read_dynamics(path: str | Path) -> tuple[Artefact, Description]:
    """Return the artefact in folder ``path`` and what it says of its dynamics; raises as :func:`load_dynamics`."""
    artefact = load_artefact(path)
    if DYNAMICS.name not in artefact.networks:
        raise ArtefactError(f"the artefact {str(path)!r} has no dynamics; it has {', '.join(artefact.networks)}")
    part = artefact.card["model"] if artefact.kind is DYNAMICS else artefact.card["model"][DYNAMICS.name]
    return artefact, Description.from_json(part, DYNAMICS.name)
