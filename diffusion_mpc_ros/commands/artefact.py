"""Model artefacts: what there is, what one is and where it comes from, whether it is whole, and loading one live.

ARTEFACT is a name in models/ or a path to a folder.

examples:
  diffusion-mpc artefact list
  diffusion-mpc artefact show go2
  diffusion-mpc artefact check go2 runs/finetune/artefact
  diffusion-mpc artefact load runs/finetune/artefact           while the robot walks; what fails leaves the old one
  diffusion-mpc artefact load go2 --sha256 09c7b53338c5
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from diffusion_mpc_ros.artefacts import kinds
from diffusion_mpc_ros.artefacts.artefact import Artefact, load_artefact
from diffusion_mpc_ros.artefacts.card import CARD_FILE
from diffusion_mpc_ros.artefacts.weights import read_weights
from diffusion_mpc_ros.core.errors import ArtefactError
from diffusion_mpc_ros.core.resources import model_folder, model_names
from diffusion_mpc_ros.core.trajectory import OBSERVATION_DIM

# A backend that compiles its graphs takes long on a slow machine [s].
LOAD_TIMEOUT = 60.0


@dataclass(frozen=True)
class ListConfig:
    """List the artefacts in models/."""


@dataclass(frozen=True)
class ShowConfig:
    """Show what an artefact is, where it comes from and how good it is."""

    artefact: tyro.conf.Positional[str] = "go2"
    """Its name in models/, or the path of its folder."""


@dataclass(frozen=True)
class CheckConfig:
    """Check hashes, card, graphs and weights, and compute once with each graph."""

    artefacts: tyro.conf.Positional[tuple[str, ...]] = ("go2",)
    """Names in models/, or paths of folders."""


@dataclass(frozen=True)
class LoadConfig:
    """Let a running planner plan with another artefact; command_publisher checks it first."""

    artefact: tyro.conf.Positional[str]
    """Its name in models/, or the path of its folder, on the planner's computer."""
    sha256: str = ""
    """SHA-256 that it must have; its first characters are enough."""
    namespace: str = ""
    """ROS namespace of the robot."""


def list_artefacts(_: ListConfig) -> None:
    """Print a line for each; one that does not load says why."""
    table = Table()
    for heading in ("artefact", "kind", "sha256", "MB"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it is")
    for name in model_names():
        folder = model_folder(name)
        try:
            artefact = load_artefact(folder)
        except ArtefactError as error:
            table.add_row(name, "-", "-", f"{_megabytes(folder):.1f}", str(error))
            continue
        table.add_row(
            name, artefact.kind.name, artefact.identity[:12], f"{_megabytes(folder):.1f}", artefact.kind.summary
        )
    Console(width=140).print(table)


def show(config: ShowConfig) -> None:
    """Print the facts of the card, one a line."""
    artefact = load_artefact(model_folder(config.artefact))
    table = Table(show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in facts(artefact).items():
        table.add_row(name, str(value))
    Console(width=140, highlight=False).print(table)


def facts(artefact: Artefact) -> dict[str, Any]:
    """Return what the card says that people ask for, by name."""
    model, training = artefact.card["model"], artefact.card.get("training", {})
    shown: dict[str, Any] = {
        "artefact": f"{artefact.name} ({artefact.path})",
        "kind": f"{artefact.kind.name}: {artefact.kind.summary}",
        "sha256": artefact.identity,
    }
    for name, sha256 in artefact.card["files"].items():
        shown[name] = f"{(artefact.path / name).stat().st_size / 1e6:.1f} MB, sha256 {sha256[:12]}"
    for name, settings in artefact.networks.items():
        shown[name] = ", ".join(f"{key} {value}" for key, value in settings.items()) or "architecture not said"
    for name in ("horizon", "replan_margin", "control_dt", "gains", "reward_terms", "gait", "rows", "predictions"):
        if name in model:
            values = model[name]
            shown[name] = ", ".join(values) if isinstance(values, (list, dict)) and name != "gains" else values
    shown["trained at commit"] = training.get("commit") or artefact.card.get("commit") or "not said"
    configuration = training.get("configuration", {})
    shown["datasets"] = ", ".join(map(str, configuration.get("config", {}).get("datasets", ()))) or "not said"
    shown["scores"] = ", ".join(artefact.card.get("scores", {})) or "none"
    shown["all of it"] = artefact.path / CARD_FILE
    return shown


def check(config: CheckConfig) -> None:
    """Check each; raises ArtefactError, in words, for the first that is not whole."""
    for name in config.artefacts:
        folder = model_folder(name)
        artefact = load_artefact(folder)
        weights = read_weights(artefact)
        compute(artefact)
        count = sum(values.size for parameters in weights.values() for values in parameters.values())
        graphs = ", ".join(artefact.graphs) or "no graph"
        print(f"{folder}: {artefact.kind.name} {artefact.identity[:12]}, {graphs}, {count / 1e6:.2f} M weights: whole")


def compute(artefact: Artefact) -> None:
    """Compute once with each graph of ``artefact``; raises ArtefactError where one does not fit its card."""
    if artefact.kind is kinds.PRIOR:
        _plan(artefact.path)
    elif artefact.kind is kinds.D_MPC:
        from diffusion_mpc_ros.core.types import Timing
        from diffusion_mpc_ros.planners.d_mpc.settings import DMpcSettings, make

        make(DMpcSettings(artefact=str(artefact.path), candidates=1), Timing(), False).levels[0].warm_up()
    elif artefact.kind is kinds.DEMONSTRATOR:
        from diffusion_mpc_ros.policies.demonstrator import DemonstratorPolicy
        from diffusion_mpc_ros.policies.gait import GaitCommand

        DemonstratorPolicy(artefact.path)(np.zeros((1, OBSERVATION_DIM)), GaitCommand.default(1), np.zeros((1, 2)))


def _plan(folder: Path) -> None:
    from diffusion_mpc_ros.core.types import Timing
    from diffusion_mpc_ros.diffusion import prior
    from diffusion_mpc_ros.diffusion.int8 import INT8_MODEL_FILE
    from diffusion_mpc_ros.diffusion.processor import computes_in_int8
    from diffusion_mpc_ros.diffusion.sampler import SamplingOptions
    from diffusion_mpc_ros.planners.diffusion_mpc.planner import DiffusionMpcConfig, DiffusionMpcPlanner
    from diffusion_mpc_ros.planners.latency import guided, standing_request

    loaded = prior.load(folder)
    timing, rewards = Timing(loaded.description.horizon, 0, 1), guided(loaded.description.reward_terms)
    in_int8 = INT8_MODEL_FILE in loaded.graphs and computes_in_int8()
    for precision in ("f32", "int8") if in_int8 else ("f32",):
        config = DiffusionMpcConfig(timing, SamplingOptions(candidates=1), precision=precision)
        DiffusionMpcPlanner(loaded, config).plan(standing_request(timing, rewards))


def load(config: LoadConfig) -> None:
    """Ask the planner; raises ArtefactError with its reason when it goes on with the artefact that it has."""
    from diffusion_mpc_msgs.srv import LoadArtefact

    from diffusion_mpc_ros.nodes.graph_client import GraphClient

    name = str(Path(config.artefact).resolve()) if Path(config.artefact).is_dir() else config.artefact
    with GraphClient("artefact_loader", config.namespace) as client:
        request = LoadArtefact.Request(artefact=name, sha256=config.sha256)
        response = client.call(LoadArtefact, "load_artefact", request, LOAD_TIMEOUT)
    if not response.success:
        raise ArtefactError(f"{response.message}; the planner goes on with {response.identity[:12] or 'no artefact'}")
    print(response.message)


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / 1e6
