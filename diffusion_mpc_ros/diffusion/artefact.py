"""The model artefact: a folder with ``model.onnx`` and ``card.json``; nothing in it is unpickled.

The card's ``model`` part is everything that sampling depends on (:class:`ModelDescription`) and is also stored inside
the ONNX file, so the SHA-256 of ``model.onnx`` is the artefact's identity: scores may be added to the card later
without making it another model.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.files import read_folder
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.trajectory import OBSERVATION_FIELDS, ROW_DIM
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule

SCHEMA_VERSION = 3
CARD_FILE, MODEL_FILE = "card.json", "model.onnx"
METADATA_KEY = "diffusion_mpc_ros.model"
# Of any size in a card; beyond it is a mistake that would only fill the memory.
MAX_SIZE = 10_000
# What ONNX calls the path of another file that holds a tensor's numbers.
EXTERNAL_DATA = b"location"
# The networks of a guided step; the exporter names their parameters `<network>.<parameter>`.
DENOISER, REWARD_MODEL = "denoiser", "reward_model"
ACTION_MEANING = "absolute joint position target [rad]"

# Inputs of the guided step before bounds and reward parameters; "batch" is the number of trajectories.
STEP_INPUTS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "tau": ("float32", ("batch", "rows", ROW_DIM)),
    "row_features": ("float32", ("rows", 3)),
    "next_row_features": ("float32", ("rows", 3)),
    "transition": ("float32", ("rows", 4)),
    "noise": ("float32", ("batch", "rows", ROW_DIM)),
    "known": ("float32", ("batch", "rows", ROW_DIM)),
    "known_mask": ("bool", ("rows", ROW_DIM)),
    "guidance_scale": ("float32", ()),
    "ranked": ("bool", ()),
    "reward_weights": ("float32", ("terms",)),
}
STEP_OUTPUTS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "tau_next": ("float32", ("batch", "rows", ROW_DIM)),
    "trajectory": ("float32", ("batch", "rows", ROW_DIM)),
    "reward": ("float32", ("batch",)),
}


def _as_json(tensors: Mapping[str, tuple[str, tuple]]) -> list[dict[str, Any]]:
    return [{"name": name, "dtype": dtype, "shape": list(shape)} for name, (dtype, shape) in tensors.items()]


@dataclass(frozen=True)
class ModelDescription:
    """What sampling needs to know of a model; read from and written to the card.

    ``replan_margin`` is the largest number of committed actions that the denoiser was trained to be conditioned on.
    ``bounds`` maps each bound of a constraint to its length, of every row, and ``parameters`` each reward parameter to
    its own, both in the order of the graph's inputs.
    ``noise_scale`` is the sampling temperature found best for this model.
    """

    horizon: int
    replan_margin: int
    normalizer: Normalizer
    schedule: NoiseSchedule
    reward_terms: tuple[str, ...]
    bounds: dict[str, int]
    parameters: dict[str, int]
    x0_clip: float = 5.0
    noise_scale: float = 1.0

    @property
    def rows(self) -> int:
        """Trajectory rows ``T = H + 1``."""
        return self.horizon + 1

    def tensors(self, signature: Mapping[str, tuple[str, tuple]], batch: int | str) -> dict[str, tuple[str, tuple]]:
        """Name -> (dtype, shape) of :data:`STEP_INPUTS` or :data:`STEP_OUTPUTS` with the sizes filled in."""
        sizes = {"batch": batch, "rows": self.rows, "terms": len(self.reward_terms)}
        return {
            name: (dtype, tuple(sizes.get(size, size) for size in shape)) for name, (dtype, shape) in signature.items()
        }

    def inputs(self, batch: int | str = "batch") -> dict[str, tuple[str, tuple]]:
        """Name -> (dtype, shape) of every input of the graph, in order."""
        bounds = {name: ("float32", (self.rows, size)) for name, size in self.bounds.items()}
        parameters = {name: ("float32", (size,)) for name, size in self.parameters.items()}
        return {**self.tensors(STEP_INPUTS, batch), **bounds, **parameters}

    def outputs(self, batch: int | str = "batch") -> dict[str, tuple[str, tuple]]:
        """Name -> (dtype, shape) of every output of the graph, in order."""
        return self.tensors(STEP_OUTPUTS, batch)

    def to_json(self) -> dict[str, Any]:
        """The card's ``model`` part."""
        schedule = {
            "type": "cosine",
            "steps": self.schedule.steps,
            "offset": self.schedule.offset,
            "max_beta": self.schedule.max_beta,
        }
        return {
            "horizon": self.horizon,
            "rows": self.rows,
            "replan_margin": self.replan_margin,
            "control_dt": CONTROL_DT,
            "observation": dict(OBSERVATION_FIELDS),
            "action": ACTION_MEANING,
            "joint_order": list(JOINT_NAMES),
            "gains": {"kp": WALKING_KP, "kd": WALKING_KD},
            "schedule": schedule,
            "x0_clip": self.x0_clip,
            "noise_scale": self.noise_scale,
            "reward_terms": list(self.reward_terms),
            "parameters": dict(self.parameters),
            "normalizer": self.normalizer.to_json(),
            "inputs": _as_json(self.inputs()),
            "outputs": _as_json(self.outputs()),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelDescription:
        """Inverse of :meth:`to_json`; raises :class:`ArtefactError` naming what is missing or does not fit."""
        try:
            schedule = dict(data["schedule"])
            others = {*STEP_INPUTS, *data["parameters"]}
            bounds = {each["name"]: each["shape"][-1] for each in data["inputs"] if each["name"] not in others}
            sizes = [schedule["steps"], data["horizon"], *data["parameters"].values(), *bounds.values()]
            if not all(type(size) is int and 0 < size <= MAX_SIZE for size in sizes):
                raise ArtefactError(
                    f"denoising steps, horizon and the sizes of parameters and bounds are 1 .. {MAX_SIZE}, got {sizes}"
                )
            if schedule.pop("type") != "cosine":
                raise ArtefactError(f"noise schedule {data['schedule']['type']!r} is not supported; valid: cosine")
            description = cls(
                horizon=int(data["horizon"]),
                replan_margin=int(data["replan_margin"]),
                normalizer=Normalizer.from_json(data["normalizer"]),
                schedule=NoiseSchedule(**schedule),
                reward_terms=tuple(data["reward_terms"]),
                bounds=bounds,
                parameters={name: int(size) for name, size in data["parameters"].items()},
                x0_clip=float(data["x0_clip"]),
                noise_scale=float(data["noise_scale"]),
            )
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, ConfigurationError) as error:
            raise ArtefactError(f"the card's model part is not readable: {error!r}") from None
        for key, expected in description.to_json().items():
            if data.get(key) != expected:
                raise ArtefactError(f"the card's {key!r} is {data.get(key)!r}, this controller needs {expected!r}")
        return description


@dataclass(frozen=True)
class Artefact:
    """A checked artefact: ``description`` to sample with, ``card`` as read.

    ``contents`` holds the files that the card lists, ``model`` is the graph to run and ``identity`` the SHA-256 of
    :data:`MODEL_FILE`: what was checked is what runs.
    """

    path: Path
    card: dict[str, Any]
    description: ModelDescription
    identity: str
    model: bytes = field(repr=False)
    contents: dict[str, bytes] = field(repr=False)

    @property
    def name(self) -> str:
        """The artefact's name."""
        return self.card["name"]

    @property
    def model_path(self) -> Path:
        """The guided step's ONNX file."""
        return self.path / MODEL_FILE


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(data: Any) -> str:
    """One text per value: sorted keys, no spaces, exact floats; refuses NaN and infinity with ValueError."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def load(path: str | Path) -> Artefact:
    """Read and check the artefact in folder ``path``; one that is replaced meanwhile is read again.

    Raises :class:`ArtefactError` for a missing or unreadable card, another schema, a file whose SHA-256 differs, a
    model that takes numbers from other files, or a layout, joint order, gain, shape or normaliser that does not fit
    this controller.
    """
    return read_folder(Path(path), _load)


def _load(path: Path) -> Artefact:
    try:
        card = json.loads((path / CARD_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtefactError(f"no readable card in the model artefact {str(path)!r}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path / CARD_FILE} is not valid JSON: {error}") from None
    card = card if isinstance(card, dict) else {}
    missing = [key for key in ("schema_version", "name", "model", "files") if key not in card]
    if missing:
        raise ArtefactError(f"{path / CARD_FILE} lacks {', '.join(missing)}")
    if card["schema_version"] != SCHEMA_VERSION:
        raise ArtefactError(f"{path} has card schema {card['schema_version']!r}, this version reads {SCHEMA_VERSION}")
    if not isinstance(card["files"], dict) or MODEL_FILE not in card["files"]:
        raise ArtefactError(f"{path / CARD_FILE} does not list the file {MODEL_FILE!r}")
    contents = {name: _read(path, name, expected) for name, expected in card["files"].items()}
    description = ModelDescription.from_json(card["model"])
    return Artefact(path, card, description, card["files"][MODEL_FILE], contents[MODEL_FILE], contents)


def _read(folder: Path, name: str, sha256: str) -> bytes:
    """A file of the artefact, checked; none may refer to another one, which nobody has checked."""
    try:
        content = (folder / name).read_bytes() if Path(name).name == name else None
    except (OSError, ValueError):  # ValueError: a name with a null byte
        content = None
    if content is None:
        raise ArtefactError(f"the model artefact {str(folder)!r} lacks its file {name!r}")
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ArtefactError(f"{folder / name} is corrupt: SHA-256 {actual}, its card says {sha256}")
    if EXTERNAL_DATA in content:
        raise ArtefactError(f"{folder / name} takes numbers from other files (ONNX external data); store them in it")
    return content


def network_settings(artefact: Artefact) -> dict[str, dict[str, Any]]:
    """How the artefact's networks were built, by name, from its card: the denoiser, and the reward model if it has one.

    Raises :class:`ArtefactError` when that is not there.
    """
    try:
        training = artefact.card["training"]["configuration"]
        settings = {DENOISER: dict(training["config"]["network"])}
        if REWARD_MODEL in training:
            settings[REWARD_MODEL] = dict(training[REWARD_MODEL]["config"]["network"])
    except (KeyError, TypeError):
        raise ArtefactError(f"the card of {artefact.path} does not say what network was trained") from None
    return settings


def write_text_atomically(path: Path, text: str) -> None:
    """Replace ``path`` with ``text`` in one step."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write ``card`` into the folder ``path``, atomically."""
    write_text_atomically(Path(path) / CARD_FILE, json.dumps(card, indent=1, allow_nan=False) + "\n")


def add_scores(path: str | Path, scores: Mapping[str, Any]) -> None:
    """Merge measured ``scores`` into the card; the artefact's identity stays."""
    artefact = load(path)
    write_card(artefact.path, {**artefact.card, "scores": {**artefact.card.get("scores", {}), **scores}})
