"""Publishing an artefact: whole or not at all, and only one that passes its own check."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.artefacts.artefact import Artefact, load_artefact
from diffusion_mpc_ros.artefacts.card import CARD_FILE, SCHEMA_VERSION, card_text
from diffusion_mpc_ros.artefacts.kinds import Kind
from diffusion_mpc_ros.core.files import replaced_folder, write_text_atomically


def publish(
    path: str | Path, kind: Kind, files: Mapping[str, bytes], networks: Mapping[str, Mapping[str, Any]], **card: Any
) -> str:
    """Put an artefact of ``files`` into the folder ``path``, in the place of all that is there, in one step.

    ``networks``: architecture of each network of the weights; ``card``: ``name``, ``model`` and what else there is to
    say. -> its identity. Raises :class:`ArtefactError`, and leaves the folder as it was, when the artefact does not
    load; :class:`ConfigurationError` as :func:`replaced_folder` does.
    """
    head = {"schema_version": SCHEMA_VERSION, "kind": kind.name}
    return _publish(Path(path), {**head, **card, "networks": networks, "files": {}}, files)


def publish_variant(artefact: Artefact, name: str, graph: bytes, scores: Mapping[str, Any]) -> str:
    """Publish ``artefact`` anew with the graph ``name`` and ``scores`` of it; all else in its folder stays.

    Raises as :func:`publish`, also when another one has taken its place since it was loaded.
    """
    card = {**artefact.card, "scores": {**artefact.card.get("scores", {}), **scores}}
    return _publish(artefact.path, card, {**artefact.graphs, name: graph}, begin_with=artefact.path)


def publish_copy(artefact: Artefact, path: str | Path, scores: Mapping[str, Any]) -> str:
    """Publish ``artefact`` in the folder ``path`` as well, named after it, with ``scores`` added to its card.

    Raises as :func:`publish`.
    """
    path = Path(path)
    card = {**artefact.card, "name": path.name, "scores": {**artefact.card.get("scores", {}), **scores}}
    return _publish(path, card, artefact.graphs, begin_with=artefact.path)


def add_scores(path: str | Path, scores: Mapping[str, Any]) -> None:
    """Merge measured ``scores`` into the card; the artefact's identity stays."""
    artefact = load_artefact(path)
    card = {**artefact.card, "scores": {**artefact.card.get("scores", {}), **scores}}
    write_text_atomically(artefact.path / CARD_FILE, card_text(card))


def _publish(path: Path, card: Mapping[str, Any], files: Mapping[str, bytes], begin_with: Path | None = None) -> str:
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    with replaced_folder(path) as folder:
        if begin_with is not None:
            shutil.copytree(begin_with, folder, dirs_exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        text = card_text({**card, "files": {**card["files"], **hashes}})
        (folder / CARD_FILE).write_text(text, encoding="utf-8")
        return load_artefact(folder).identity
