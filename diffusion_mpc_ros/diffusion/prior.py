"""The prior of Diffusion-MPC: an artefact whose graph is the guided step.

The card's ``model`` part is everything that sampling depends on (:class:`ModelDescription`) and is also stored inside
the ONNX file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.artefacts.artefact import Artefact, check_file, check_kind, identity_of, load_artefact
from diffusion_mpc_ros.artefacts.card import read_card
from diffusion_mpc_ros.artefacts.kinds import PRIOR
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError
from diffusion_mpc_ros.core.files import read_folder
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES, WALKING_KD, WALKING_KP
from diffusion_mpc_ros.core.trajectory import OBSERVATION_FIELDS, ROW_DIM
from diffusion_mpc_ros.diffusion.normalizer import Normalizer
from diffusion_mpc_ros.diffusion.schedule import NoiseSchedule

MODEL_FILE = PRIOR.main
METADATA_KEY = "diffusion_mpc_ros.model"
# Of any size in a card; beyond it is a mistake that would only fill the memory.
MAX_SIZE = 10_000
ACTION_MEANING = "absolute joint position target [rad]"

# dtype, shape
Tensor = tuple[str, tuple[int | str, ...]]

# Inputs of the guided step before bounds and reward parameters; "batch" is the number of trajectories.
STEP_INPUTS: dict[str, Tensor] = {
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
STEP_OUTPUTS: dict[str, Tensor] = {
    "tau_next": ("float32", ("batch", "rows", ROW_DIM)),
    "trajectory": ("float32", ("batch", "rows", ROW_DIM)),
    "reward": ("float32", ("batch",)),
}


def _as_json(tensors: Mapping[str, Tensor]) -> list[dict[str, Any]]:
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

    def tensors(self, signature: Mapping[str, Tensor], batch: int | str) -> dict[str, Tensor]:
        """Name -> (dtype, shape) of :data:`STEP_INPUTS` or :data:`STEP_OUTPUTS` with the sizes filled in."""
        sizes: dict[int | str, int | str] = {"batch": batch, "rows": self.rows, "terms": len(self.reward_terms)}
        return {
            name: (dtype, tuple(sizes.get(size, size) for size in shape)) for name, (dtype, shape) in signature.items()
        }

    def inputs(self, batch: int | str = "batch") -> dict[str, Tensor]:
        """Name -> (dtype, shape) of every input of the graph, in order."""
        bounds = {name: ("float32", (self.rows, size)) for name, size in self.bounds.items()}
        parameters = {name: ("float32", (size,)) for name, size in self.parameters.items()}
        return {**self.tensors(STEP_INPUTS, batch), **bounds, **parameters}

    def outputs(self, batch: int | str = "batch") -> dict[str, Tensor]:
        """Name -> (dtype, shape) of every output of the graph, in order."""
        return self.tensors(STEP_OUTPUTS, batch)

    def to_json(self) -> dict[str, Any]:
        """Return the card's ``model`` part."""
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
class Prior(Artefact):
    """An artefact of the kind prior: ``description`` to sample with, ``model`` the graph to run."""

    description: ModelDescription
    model: bytes = field(repr=False)

    @property
    def model_path(self) -> Path:
        """The guided step's ONNX file."""
        return self.path / MODEL_FILE


def load(path: str | Path) -> Prior:
    """Read and check the prior in folder ``path``.

    Raises :class:`ArtefactError` as :func:`load_artefact` does, and for a layout, joint order, gain, shape or
    normaliser that does not fit this controller.
    """
    artefact = load_artefact(path, PRIOR)
    description = ModelDescription.from_json(artefact.card["model"])
    return Prior(artefact.path, artefact.card, artefact.graphs, description, artefact.graphs[MODEL_FILE])


def read_description(path: str | Path) -> tuple[str, ModelDescription]:
    """Return identity and description of the prior in ``path`` without keeping its files; their SHA-256 is checked.

    For whoever follows its plans and must not be held up: each file is read piece by piece. Raises as :func:`load`.
    """

    def read(folder: Path) -> tuple[str, ModelDescription]:
        card = read_card(folder)
        check_kind(folder, card, PRIOR)
        for name, sha256 in card["files"].items():
            check_file(folder, name, sha256)
        return identity_of(card), ModelDescription.from_json(card["model"])

    return read_folder(Path(path), read)
