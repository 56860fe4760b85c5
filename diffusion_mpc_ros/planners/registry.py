"""The planners by name; each is imported when it is chosen."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.anytime import AUTOMATIC, plan_time_budget
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner, Ladder
from diffusion_mpc_ros.planners.base import Planner

# ``make(values, timing, budgeted)``: the ladder of a planner from flat settings (ROS parameters of the node planner);
# with its first level alone unless ``budgeted``.
Factory = Callable[[Mapping[str, Any], Timing, bool], Ladder]

# Name -> module and name of its factory. A planner of one's own goes by the same in place of a name.
PLANNERS: dict[str, str] = {
    "diffusion_mpc": "diffusion_mpc_ros.planners.diffusion_mpc.settings:make",
}
# SETTLED stands for a replan margin D that is settled at start and changed under load: (D, R) = QUICK where this
# machine has the time for a plan every tick, else D = MARGIN with the configured R.
SETTLED, QUICK, MARGIN = -1, (1, 1), Timing().replan_margin
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
    timing = configured_timing(values)
    budget = plan_time_budget(values["time_budget_ms"], timing)
    ladder = _factory(name)(values, timing, math.isfinite(budget))
    quick: list[Planner] = []
    if values["replan_margin"] == SETTLED and math.isfinite(budget):
        at_once = Timing(timing.horizon, *QUICK)
        quick = [level.at(at_once) for level in ladder.quick or ladder.levels[:1]]
    budgets = [min(budget, plan_time_budget(AUTOMATIC, level.timing)) for level in quick]
    budgets += [budget] * len(ladder.levels)
    return AnytimePlanner(replace(ladder, levels=[*quick, *ladder.levels]), budgets, configured=len(quick))


def best_level(name: str, values: Mapping[str, Any], timing: Timing) -> Planner:
    """The planner ``name`` at its best level, for whoever waits for its plans; raises as :func:`make_planner`."""
    check_planner_name(name)
    return _factory(name)(values, timing, False).levels[0]


def configured_timing(values: Mapping[str, Any]) -> Timing:
    """The timing of ``values``; raises :class:`TimingError`.

    For a replan margin of :data:`SETTLED` that of a machine without the time for :data:`QUICK`.
    """
    margin = values["replan_margin"]
    return Timing(values["horizon"], MARGIN if margin == SETTLED else margin, values["replan_interval"])


def _factory(name: str) -> Factory:
    module, _, function = PLANNERS.get(name, name).partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the planner {name!r} cannot be imported: {error}") from error
