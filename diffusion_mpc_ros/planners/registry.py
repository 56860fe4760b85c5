"""The planners by name; each is imported when it is chosen."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.anytime import plan_time_budget
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner, Ladder

# ``make(values, timing, budgeted)``: the ladder of a planner from flat settings (ROS parameters of the node planner);
# with its first level alone unless ``budgeted``.
Factory = Callable[[Mapping[str, Any], Timing, bool], Ladder]

# Name -> module and name of its factory. A planner of one's own goes by the same in place of a name.
PLANNERS: dict[str, str] = {
    "diffusion_mpc": "diffusion_mpc_ros.planners.diffusion_mpc.settings:make",
}
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def check_planner_name(name: str) -> None:
    """Raise :class:`ConfigurationError` unless ``name`` is one of :data:`PLANNERS`, or of the form module:function."""
    if name not in PLANNERS and not _FACTORY.fullmatch(name):
        raise ConfigurationError(
            f"unknown planner {name!r}; there is {', '.join(PLANNERS)}, and MODULE:FUNCTION for one of your own "
            f"(planners/registry.py)"
        )


def make_planner(name: str, values: Mapping[str, Any]) -> AnytimePlanner:
    """The planner ``name`` with the settings ``values``, named as in ``config/planner.yaml``.

    Raises :class:`ConfigurationError` for one that cannot be imported, :class:`TimingError`, what its factory raises.
    """
    check_planner_name(name)
    timing = Timing(values["horizon"], values["replan_margin"], values["replan_interval"])
    budget = plan_time_budget(values["time_budget_ms"], timing)
    ladder = _factory(name)(values, timing, budget != float("inf"))
    return AnytimePlanner(ladder, budget)


def _factory(name: str) -> Factory:
    module, _, function = PLANNERS.get(name, name).partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the planner {name!r} cannot be imported: {error}") from error
