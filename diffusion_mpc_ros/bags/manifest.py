"""What a recorder says of a bag: who recorded what, of which robot, with which software and settings."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from diffusion_mpc_ros.core.errors import BagError, brief
from diffusion_mpc_ros.core.go2 import CONTROL_DT, JOINT_NAMES

# Names of the records in the file: the manifest, again whenever more is known, and the summary at the end.
MANIFEST, SUMMARY = "diffusion_mpc_ros.manifest", "diffusion_mpc_ros.summary"
SCHEMA = 1
PACKAGE = "diffusion_mpc_ros"


def software_version() -> str:
    """Return the version of this package; "unknown" where it is not installed."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class Manifest:
    """``started``: when [ns since 1970]; ``namespace``: of the robot in the ROS graph.

    ``nodes``: the parameters of the running nodes by node and name; ``artefacts``: SHA-256 of each model artefact whose
    plans were seen, in that order.
    """

    started: int
    namespace: str = ""
    version: str = field(default_factory=software_version)
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    artefacts: tuple[str, ...] = ()
    joint_names: tuple[str, ...] = JOINT_NAMES
    control_dt: float = CONTROL_DT

    @property
    def robot(self) -> str:
        """Return the name of the robot profile; "" while the nodes have not told."""
        return str(self.nodes.get("command_publisher", {}).get("robot", ""))

    @property
    def planner(self) -> Mapping[str, Any]:
        """Return the planner's parameters, empty while it has not told."""
        return self.nodes.get("planner", {})

    def with_node(self, name: str, parameters: Mapping[str, Any]) -> Manifest:
        """Return the manifest with the parameters of a node."""
        return replace(self, nodes={**self.nodes, name: dict(parameters)})

    def with_artefact(self, identity: str) -> Manifest:
        """Return the manifest with the artefact of this SHA-256."""
        return replace(self, artefacts=(*self.artefacts, identity))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return {
            "schema": SCHEMA,
            "software": {"package": PACKAGE, "version": self.version},
            "started": self.started,
            "namespace": self.namespace,
            "robot": {"profile": self.robot, "joints": list(self.joint_names), "control_dt": self.control_dt},
            "nodes": {name: dict(parameters) for name, parameters in self.nodes.items()},
            "artefacts": list(self.artefacts),
        }


def read_manifest(content: Mapping[str, Any]) -> Manifest:
    """The inverse of :meth:`Manifest.to_json`; raises BagError for one that is not readable, or of another robot."""
    if content.get("schema") != SCHEMA:
        raise BagError(f"its manifest has schema {brief(content.get('schema'))}, this version reads {SCHEMA}")
    try:
        robot, nodes, artefacts = content["robot"], content["nodes"], content["artefacts"]
        manifest = Manifest(
            started=int(content["started"]),
            namespace=str(content["namespace"]),
            version=str(content["software"]["version"]),
            nodes={str(name): dict(parameters) for name, parameters in nodes.items()},
            artefacts=tuple(map(str, artefacts)),
            joint_names=tuple(robot["joints"]),
            control_dt=float(robot["control_dt"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BagError(f"its manifest is not readable: {error!r}") from None
    if manifest.joint_names != JOINT_NAMES:
        raise BagError(
            f"it is of another robot: its joints are {brief(list(manifest.joint_names))}, this controller's are "
            f"{', '.join(JOINT_NAMES)}"
        )
    if manifest.control_dt != CONTROL_DT:
        raise BagError(f"its control tick is {manifest.control_dt} s, this controller's is {CONTROL_DT} s")
    return manifest
