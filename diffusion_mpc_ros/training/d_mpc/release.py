"""``diffusion-mpc train d-mpc``: proposals, dynamics and value become one artefact.

Each is taken from an artefact of its own kind, or from one of the kind d_mpc: to exchange the dynamics of an artefact
name it for the other two.

examples:
  diffusion-mpc train d-mpc
  diffusion-mpc train d-mpc --proposal d_mpc --value d_mpc --dynamics runs/adapted/artefact --output models/adapted
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.artefacts.artefact import Artefact, load_artefact
from diffusion_mpc_ros.artefacts.kinds import D_MPC, DYNAMICS, PROPOSAL, VALUE, WEIGHTS_FILE, Kind
from diffusion_mpc_ros.artefacts.publish import publish
from diffusion_mpc_ros.artefacts.weights import read_weights, weights_bytes
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.planners.d_mpc.description import Description
from diffusion_mpc_ros.training.provenance import source_commit


@dataclass(frozen=True)
class ReleaseConfig:
    """Where each model comes from, by a name in ``models/`` or a folder, and where the artefact goes."""

    proposal: str = "runs/proposal/artefact"
    dynamics: str = "runs/dynamics/artefact"
    value: str = "runs/value/artefact"
    output: Path = Path("models/d_mpc")


@dataclass(frozen=True)
class _Part:
    """What of ``source`` becomes a part of another artefact."""

    source: Artefact
    kind: Kind

    @property
    def name(self) -> str:
        (name,) = self.kind.networks
        return name

    def of(self, key: str) -> Any:
        """Return its part of an entry of the card: all of its own card's, or what a card of three says of it."""
        entry = self.source.card.get(key, {})
        return entry.get(self.name, {}) if self.source.kind is D_MPC else entry


def take(name: str, kind: Kind) -> _Part:
    """Return the model of ``kind`` that the artefact ``name`` has.

    Raises :class:`ConfigurationError` where it has none.
    """
    source = load_artefact(model_folder(name))
    if source.kind not in (kind, D_MPC):
        raise ConfigurationError(
            f"the artefact {name} is a {source.kind.name}; what it is to give is in a {kind.name} or {D_MPC.name}"
        )
    return _Part(source, kind)


def main(config: ReleaseConfig) -> None:
    """Publish the artefact.

    Raises :class:`ConfigurationError` where the three do not fit each other, ArtefactError for one that is not whole.
    """
    parts = [take(config.proposal, PROPOSAL), take(config.dynamics, DYNAMICS), take(config.value, VALUE)]
    rows = {part.name: Description.from_json(part.of("model"), part.name).rows for part in parts}
    if len(set(rows.values())) > 1:
        raise ConfigurationError(
            f"the models look differently far ahead, in ticks: {rows}; train them with one horizon"
        )
    weights = {part.name: read_weights(part.source)[part.name] for part in parts}
    files = {part.kind.main: part.source.graphs[part.kind.main] for part in parts}
    identity = publish(
        config.output,
        D_MPC,
        {**files, WEIGHTS_FILE: weights_bytes(weights)},
        {part.name: part.source.networks[part.name] for part in parts},
        name=config.output.name,
        **{key: {part.name: part.of(key) for part in parts} for key in ("model", "training", "scores")},
        seeds={part.name: part.source.card["seeds"][part.name] for part in parts},
        commit=source_commit(),
    )
    print(f"{config.output}: {identity[:12]}, {next(iter(rows.values()))} ticks ahead")
