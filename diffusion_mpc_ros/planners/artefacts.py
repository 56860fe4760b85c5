"""What is known of a planner's artefact without planning with it, whichever planner it is for."""

from __future__ import annotations

from pathlib import Path

from diffusion_mpc_ros.artefacts.card import read_card
from diffusion_mpc_ros.artefacts.kinds import D_MPC, PRIOR, get_kind
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.diffusion import prior
from diffusion_mpc_ros.planners.d_mpc.description import read_rows


def read_horizons(folder: Path) -> tuple[str, int, int]:
    """Return identity, shortest and longest horizon H of plans made with the artefact in ``folder``; files are checked.

    For whoever follows its plans and must not be held up: each file is read piece by piece. Raises
    :class:`ArtefactError` for one that is not whole, does not fit this controller, or that no planner plans with.
    """
    kind = get_kind(read_card(folder)["kind"])
    if kind is PRIOR:
        identity, description = prior.read_description(folder)
        return identity, description.horizon, description.horizon
    if kind is D_MPC:
        identity, rows = read_rows(folder)
        return identity, 1, rows
    raise ArtefactError(
        f"the artefact {str(folder)!r} is a {kind.name}; planners plan with a {PRIOR.name} or a {D_MPC.name}"
    )
