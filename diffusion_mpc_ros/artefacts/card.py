"""The card of an artefact: ``card.json`` says of what kind it is, how it was made, and the SHA-256 of each file.

``model`` is what its user needs to know, by kind; ``networks`` the architecture of each network whose weights it has;
``training``, ``scores`` and ``seeds`` where it comes from and how good it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.artefacts.kinds import Kind, get_kind
from diffusion_mpc_ros.core.errors import ArtefactError, brief

SCHEMA_VERSION = 4
CARD_FILE = "card.json"
KEYS = ("schema_version", "kind", "name", "model", "networks", "files")


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card in ``folder``, its form checked: keys, schema, kind, files and networks.

    Raises :class:`ArtefactError` naming what is missing or does not fit.
    """
    path = folder / CARD_FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtefactError(f"no readable card in the artefact {str(folder)!r}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path} is not valid JSON: {error}") from None
    card = card if isinstance(card, dict) else {}
    version = card.get("schema_version")
    if "schema_version" in card and version != SCHEMA_VERSION:
        raise ArtefactError(f"{folder} has card schema {version!r}, this version reads {SCHEMA_VERSION}")
    missing = [key for key in KEYS if key not in card]
    if missing:
        raise ArtefactError(f"{path} lacks {', '.join(missing)}")
    kind = get_kind(card["kind"])
    _check_files(path, card["files"], kind)
    _check_networks(path, card["networks"], kind)
    return card


def card_text(card: Mapping[str, Any]) -> str:
    """Return the text of a card; raises ValueError for numbers that are not finite."""
    return json.dumps(card, indent=1, allow_nan=False) + "\n"


def _check_files(path: Path, files: Any, kind: Kind) -> None:
    """Raise unless all files of ``kind`` are listed, and nothing else but its variants."""
    names = set(files) if isinstance(files, dict) else set()
    for name in kind.files:
        if name not in names:
            raise ArtefactError(f"{path} does not list the file {name!r}, which a {kind.name} has")
    unknown = sorted(names - {*kind.files, *kind.variants})
    if unknown:
        raise ArtefactError(
            f"{path} lists {brief(unknown)}; the files of a {kind.name} are {', '.join((*kind.files, *kind.variants))}"
        )


def _check_networks(path: Path, networks: Any, kind: Kind) -> None:
    names = list(networks) if isinstance(networks, dict) else []
    fits = {*kind.networks} <= {*names} <= {*kind.networks, *kind.optional}
    if not fits or not all(isinstance(network, dict) for network in networks.values()):
        raise ArtefactError(
            f"{path} describes the networks {brief(names)}; a {kind.name} has {', '.join(kind.networks)}"
            + (f" and may have {', '.join(kind.optional)}" if kind.optional else "")
        )
