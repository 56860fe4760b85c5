"""The settings of each node by its name, and each of them by its own. No ROS here."""

from __future__ import annotations

from collections.abc import Mapping

from diffusion_mpc_ros.core import config_files
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import Declaration, Settings, declarations, suggestion
from diffusion_mpc_ros.nodes.reward_settings import RewardComposerSettings
from diffusion_mpc_ros.nodes.settings import (
    CommandPublisherSettings,
    Go2SimulatorSettings,
    PlannerSettings,
    StateEstimatorSettings,
    ViewSettings,
)
from diffusion_mpc_ros.planners.registry import settings_of

NODES: Mapping[str, type[Settings]] = {
    "go2_simulator": Go2SimulatorSettings,
    "state_estimator": StateEstimatorSettings,
    "reward_composer": RewardComposerSettings,
    "planner": PlannerSettings,
    "command_publisher": CommandPublisherSettings,
    "view": ViewSettings,
}


def settings_of_node(node: str, planner: str = PlannerSettings.planner) -> tuple[type[Settings], ...]:
    """Return what can be set of ``node``: its own settings, and those of ``planner`` where the node plans.

    Raises :class:`ConfigurationError` for an unknown node or planner.
    """
    if node not in NODES:
        raise ConfigurationError(f"there is no node {node!r}{suggestion(node, NODES)}; there are {', '.join(NODES)}")
    return (NODES[node], settings_of(planner)) if node == "planner" else (NODES[node],)


def declarations_of_node(node: str, planner: str = PlannerSettings.planner) -> dict[str, Declaration]:
    """Return the declarations of all settings of ``node`` by name; raises as :func:`settings_of_node`."""
    return {name: entry for kind in settings_of_node(node, planner) for name, entry in declarations(kind).items()}


def find(node: str, name: str, planner: str = PlannerSettings.planner) -> Declaration:
    """Return the declaration of a setting; raises :class:`ConfigurationError` naming the nearest ones there are."""
    known = declarations_of_node(node, planner)
    if name not in known:
        raise config_files.unknown(node, name, known)
    return known[name]
