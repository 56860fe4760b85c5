"""The planners by name; each is imported when it is chosen."""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import re
import typing
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import Settings
from diffusion_mpc_ros.core.types import Timing
from diffusion_mpc_ros.planners.anytime import AUTOMATIC, plan_time_budget
from diffusion_mpc_ros.planners.anytime_planner import AnytimePlanner, Ladder
from diffusion_mpc_ros.planners.base import Planner
from diffusion_mpc_ros.planners.settings import PlanningSettings
from diffusion_mpc_ros.realtime.settings import QUICK

# ``make(settings, timing, budgeted)``: the ladder of a planner; with its first level alone unless ``budgeted``. The
# dataclass that ``settings`` is annotated with says what can be set (:func:`settings_of`).
Factory = Callable[[Any, Timing, bool], Ladder]

# Name -> module and name of its factory. A planner of one's own goes by the same in place of a name.
PLANNERS: dict[str, str] = {
    "diffusion_mpc": "diffusion_mpc_ros.planners.diffusion_mpc.settings:make",
    "dial_mpc": "diffusion_mpc_ros.planners.dial_mpc.settings:make",
    "hybrid": "diffusion_mpc_ros.planners.hybrid.settings:make",
    "d_mpc": "diffusion_mpc_ros.planners.d_mpc.settings:make",
}
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def check_planner_name(name: str) -> None:
    """Raise :class:`ConfigurationError` unless ``name`` is one of :data:`PLANNERS`, or of the form module:function."""
    if name not in PLANNERS and not _FACTORY.fullmatch(name):
        raise ConfigurationError(
            f"unknown planner {name!r}; there is {', '.join(PLANNERS)}, and MODULE:FUNCTION for one of your own "
            f"(planners/registry.py)"
        )


def settings_of(name: str) -> type[Settings]:
    """Return the settings of the planner ``name``: the dataclass that its factory's first argument is annotated with.

    Raises :class:`ConfigurationError` for a planner that cannot be imported, or a factory that does not say.
    """
    factory = _factory(name)
    first = next(iter(inspect.signature(factory).parameters), "")
    kind = typing.get_type_hints(factory).get(first)
    if not (isinstance(kind, type) and issubclass(kind, Settings)):
        raise ConfigurationError(
            f"the planner {name!r} does not say what can be set: the first argument of its factory needs as annotation "
            "core.settings.Settings or a dataclass derived from it (docs/planners.md)"
        )
    return kind


def make_planner(settings: PlanningSettings, own: Settings) -> AnytimePlanner:
    """Return the planner that ``settings`` name, with ``own`` of :func:`settings_of`.

    Raises :class:`ConfigurationError` for one that cannot be imported, :class:`TimingError`, what its factory raises.
    """
    timing, settled = settings.timing, settings.replan_margin is None
    budget = plan_time_budget(settings.time_budget_ms, timing)

    def make(ladder: Ladder) -> AnytimePlanner:
        quick: list[Planner] = []
        if settled and math.isfinite(budget):
            at_once = Timing(timing.horizon, *QUICK)
            quick = [level.at(at_once) for level in ladder.quick or ladder.levels[:1]]
        budgets = [min(budget, plan_time_budget(AUTOMATIC, level.timing)) for level in quick]
        budgets += [budget] * len(ladder.levels)
        return AnytimePlanner(replace(ladder, levels=[*quick, *ladder.levels]), budgets, len(quick), make)

    return make(_factory(settings.planner)(own, timing, math.isfinite(budget)))


def best_level(name: str, own: Settings, timing: Timing) -> Planner:
    """Return the planner ``name`` at its best level, for who waits for its plans; raises as :func:`make_planner`."""
    return _factory(name)(own, timing, False).levels[0]


@functools.cache
def _factory(name: str) -> Factory:
    check_planner_name(name)
    module, _, function = PLANNERS.get(name, name).partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the planner {name!r} cannot be imported: {error}") from error
