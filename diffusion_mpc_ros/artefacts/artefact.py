"""An artefact: a folder with a card, graphs and weights, loaded as a whole; nothing in it is unpickled.

What its kind means is the affair of whoever uses it: :mod:`diffusion.prior`, :mod:`policies.demonstrator`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.artefacts.card import read_card
from diffusion_mpc_ros.artefacts.kinds import WEIGHTS_FILE, Kind, get_kind
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.files import canonical_json, file_sha256, read_folder

# What ONNX calls the path of another file that holds a tensor's numbers.
EXTERNAL_DATA = b"location"


@dataclass(frozen=True)
class Artefact:
    """A checked artefact: ``card`` as read, ``graphs`` by their file's name: what was checked is what runs."""

    path: Path
    card: dict[str, Any]
    graphs: dict[str, bytes] = field(repr=False)

    @property
    def name(self) -> str:
        """The artefact's name."""
        return self.card["name"]

    @property
    def kind(self) -> Kind:
        """What kind of artefact it is."""
        return get_kind(self.card["kind"])

    @cached_property
    def identity(self) -> str:
        """What makes it what it is; see :func:`identity_of`."""
        return identity_of(self.card)

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """Architecture of each network that its weights hold, by name."""
        return self.card["networks"]


def identity_of(card: dict[str, Any]) -> str:
    """Return the identity of the artefact of a ``card`` as read, hexadecimal: scores may be added without another one.

    The SHA-256 of its kind's main file, or of the model part of the card and the SHA-256 of all its files. Raises
    :class:`ArtefactError` for a part with numbers that are not finite.
    """
    kind = get_kind(card["kind"])
    if not kind.in_card:
        return card["files"][kind.main]
    try:
        content = canonical_json({name: card[name] for name in ("kind", "model", "files")})
    except ValueError:
        raise ArtefactError("the card's model part has numbers that are not finite") from None
    return hashlib.sha256(content.encode()).hexdigest()


def load_artefact(path: str | Path, kind: Kind | None = None) -> Artefact:
    """Read and check the artefact in folder ``path``; one that is replaced meanwhile is read again.

    ``kind``: the one that is needed; None for any. Raises :class:`ArtefactError` for what :func:`read_card` refuses,
    another kind, a file that is missing or has another SHA-256, and a graph that takes numbers from other files.
    """
    return read_folder(Path(path), partial(_load, kind=kind))


def _load(path: Path, kind: Kind | None) -> Artefact:
    card = read_card(path)
    check_kind(path, card, kind)
    check_file(path, WEIGHTS_FILE, card["files"][WEIGHTS_FILE])
    graphs = {name: _read_graph(path, name, sha256) for name, sha256 in card["files"].items() if name != WEIGHTS_FILE}
    return Artefact(path, card, graphs)


def check_kind(path: Path, card: dict[str, Any], kind: Kind | None) -> None:
    """Raise :class:`ArtefactError` unless the artefact is of ``kind``, or None."""
    if kind is not None and card["kind"] != kind.name:
        raise ArtefactError(f"the artefact {str(path)!r} is a {card['kind']}, a {kind.name} is needed")


def check_sha256(path: Path, expected: str, actual: str) -> None:
    """Raise :class:`ArtefactError` where the file at ``path`` is another one than its card says."""
    if actual != expected:
        raise ArtefactError(f"{path} is corrupt: SHA-256 {actual}, its card says {expected}")


def check_file(folder: Path, name: str, sha256: str) -> None:
    """Raise :class:`ArtefactError` unless the file ``name`` is there and is the one that the card says."""
    try:
        actual = file_sha256(folder / name)
    except OSError:
        raise ArtefactError(f"the artefact {str(folder)!r} lacks its file {name!r}") from None
    check_sha256(folder / name, sha256, actual)


def _read_graph(folder: Path, name: str, sha256: str) -> bytes:
    """Return a graph, checked; it may not refer to another file, which nobody has checked."""
    try:
        content = (folder / name).read_bytes()
    except OSError:
        raise ArtefactError(f"the artefact {str(folder)!r} lacks its file {name!r}") from None
    check_sha256(folder / name, sha256, hashlib.sha256(content).hexdigest())
    if EXTERNAL_DATA in content:
        raise ArtefactError(f"{folder / name} takes numbers from other files (ONNX external data); store them in it")
    return content
