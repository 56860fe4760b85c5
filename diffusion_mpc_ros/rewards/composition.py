"""What the operator asks for: validated, bounded, atomic, revisioned, ramped, undoable (arXiv 2510.04234, IV-B)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from diffusion_mpc_ros.core.errors import RewardError, brief
from diffusion_mpc_ros.core.parameters import Parameter
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.rewards.presets import SEPARATOR, Preset, combine
from diffusion_mpc_ros.rewards.registry import TERMS, RewardTerm

# How many changes can be undone.
UNDO_DEPTH = 32


class NamedConstraint(Protocol):
    """What the composer needs to know of a constraint."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters."""
        ...


def _blend(old: Any, new: Any, fraction: float) -> Any:
    """Return a convex combination: between two numbers within bounds there are only such."""
    return old + fraction * (new - old)


class RewardComposer:
    """Keeps the current settings. A change is applied as a whole or not at all; numbers ramp, constraints switch.

    With a constraint its parameters switch: what was checked is where the ramp ends, and on the way two constraints may
    leave nothing. :meth:`fill` adds a preset to what the operator asks for, without being a change of his.

    Time is handed in as ``now`` [s] on any monotonic clock. ``constraints``: the valid constraints by name;
    ``ramp_time`` [s] from the settings in effect to the new ones; ``check(constraints, parameters)`` raises
    :class:`RewardError` for constraints that contradict each other. Presets are checked at once:
    :class:`RewardError` names the one that does not fit.
    """

    def __init__(
        self,
        presets: Mapping[str, Preset],
        constraints: Mapping[str, NamedConstraint],
        ramp_time: float = 1.0,
        terms: Mapping[str, RewardTerm] = TERMS,
        check: Callable[[tuple[str, ...], Mapping[str, np.ndarray]], None] = lambda constraints, parameters: None,
    ) -> None:
        self.terms, self.presets, self.constraints = dict(terms), dict(presets), dict(constraints)
        self._check = check
        owners: list[RewardTerm | NamedConstraint] = [*self.terms.values(), *self.constraints.values()]
        self.parameters: dict[str, Parameter] = {p.name: p for owner in owners for p in owner.parameters}
        self._ramp_time = self._validate_ramp(ramp_time)
        self._target = RewardSettings(0, self._default_weights(), self._default_parameters(), ())
        self._filling: RewardSettings | None = None
        self._from, self._goal, self._start, self._ramp = self._target, self._target, 0.0, 0.0
        self._history: deque[RewardSettings] = deque(maxlen=UNDO_DEPTH)
        for preset in self.presets.values():
            try:
                self._compose(self._defaults(), preset.weights, preset.parameters, preset.constraints)
            except RewardError as error:
                raise RewardError(f"preset {preset.name!r}: {error}") from None

    @property
    def target(self) -> RewardSettings:
        """The settings asked for last; its revision counts what :meth:`fill` does, too."""
        return self._target

    @property
    def goal(self) -> RewardSettings:
        """Where the ramp ends: :attr:`target` with what :meth:`fill` adds."""
        return self._goal

    def at(self, now: float) -> RewardSettings:
        """Return the settings in effect at ``now``: on the linear ramp to :attr:`goal`, constraints at its end."""
        fraction = 1.0 if self._ramp <= 0.0 else float(np.clip((now - self._start) / self._ramp, 0.0, 1.0))
        if fraction >= 1.0:
            return self._goal
        old, new = self._from, self._goal
        weights = {name: _blend(old.weights[name], value, fraction) for name, value in new.weights.items()}
        switched = {parameter.name for name in new.constraints for parameter in self.constraints[name].parameters}
        parameters = {
            name: value if name in switched else _blend(old.parameters[name], value, fraction)
            for name, value in new.parameters.items()
        }
        return RewardSettings(new.revision, weights, parameters, new.constraints)

    def preset_settings(self, name: str) -> RewardSettings:
        """Return the settings that ``name`` stands for: a preset, or several, ``FIRST+SECOND``, see :func:`combine`.

        Raises :class:`RewardError` listing the valid presets, or naming what two of them contradict each other in.
        """
        names = name.split(SEPARATOR)
        unknown = [part for part in names if part not in self.presets]
        if unknown:
            raise RewardError(f"unknown preset {unknown[0]!r}; valid presets: {', '.join(self.presets)}")
        preset = combine([self.presets[part] for part in dict.fromkeys(names)], self.terms, self.parameters)
        return self._compose(self._defaults(), preset.weights, preset.parameters, preset.constraints)

    def apply(
        self,
        now: float,
        weights: Mapping[str, float] | None = None,
        parameters: Mapping[str, Any] | None = None,
        constraints: Iterable[str] | None = None,
        ramp_time: float | None = None,
        *,
        preset: str = "",
    ) -> RewardSettings:
        """Change some weights and parameters, on top of what is in force, or of ``preset`` (one, or several with +).

        ``constraints``, when given, replaces the active ones. -> the new target. Raises :class:`RewardError`, changing
        nothing, for an unknown name or a bad number.
        """
        base = self.preset_settings(preset) if preset else self._target
        names = base.constraints if constraints is None else constraints
        return self._change(now, self._compose(base, weights or {}, parameters or {}, names), ramp_time)

    def validate(self, settings: RewardSettings) -> None:
        """Raise :class:`RewardError` for settings that no composer can have sent; changes nothing."""
        self._compose(self._defaults(), settings.weights, settings.parameters, settings.constraints)

    def undo(self, now: float, ramp_time: float | None = None) -> RewardSettings:
        """Go back to the settings before the last change, as a new revision. Raises :class:`RewardError` if none."""
        if not self._history:
            raise RewardError("there is no change to undo")
        ramp = self._validate_ramp(self._ramp_time if ramp_time is None else ramp_time)
        self._begin(now, self._history.pop(), ramp, self._filling)
        return self._target

    def fill(self, now: float, preset: str) -> RewardSettings:
        """Have ``preset`` ("" for none) weigh the terms that the target does not weigh, until it is called again.

        -> the new goal. A term whose parameters the target uses elsewhere is left out, and so are the preset's
        constraints. Raises :class:`RewardError`, changing nothing, for an unknown preset.
        """
        filling = self.preset_settings(preset) if preset else None
        self._begin(now, self._target, self._ramp_time, filling)
        return self._goal

    def _change(self, now: float, settings: RewardSettings, ramp_time: float | None) -> RewardSettings:
        ramp = self._validate_ramp(self._ramp_time if ramp_time is None else ramp_time)
        previous = self._target
        self._begin(now, settings, ramp, self._filling)
        self._history.append(previous)
        return self._target

    def _begin(self, now: float, settings: RewardSettings, ramp: float, filling: RewardSettings | None) -> None:
        if not np.isfinite(now):
            raise RewardError(f"the time of a change must be finite, got {now!r}")
        self._from, self._start, self._ramp = self.at(now), now, ramp
        revision = self._target.revision + 1
        self._target = RewardSettings(revision, settings.weights, settings.parameters, settings.constraints)
        self._filling, self._goal = filling, self._filled(self._target, filling)

    def _filled(self, own: RewardSettings, filling: RewardSettings | None) -> RewardSettings:
        """Return ``own`` with what ``filling`` adds; a parameter that ``own`` uses stays as it is."""
        if filling is None:
            return own
        weights, parameters = dict(own.weights), dict(own.parameters)
        terms = [self.terms[name] for name, weight in own.weights.items() if weight]
        users = [*terms, *(self.constraints[name] for name in own.constraints)]
        used = {parameter.name for user in users for parameter in user.parameters}
        for name, weight in filling.weights.items():
            of_term = {parameter.name for parameter in self.terms[name].parameters}
            if weight and not weights[name] and not used & of_term:
                weights[name] = weight
                parameters |= {parameter: filling.parameters[parameter] for parameter in of_term}
        return RewardSettings(own.revision, weights, parameters, own.constraints)

    def _compose(
        self, base: RewardSettings, weights: Mapping[str, Any], parameters: Mapping[str, Any], names: Iterable[str]
    ) -> RewardSettings:
        """Return ``base`` with the changes, all validated; its revision is meaningless."""
        new_weights = {**base.weights, **{name: self._validate_weight(name, value) for name, value in weights.items()}}
        new_parameters = dict(base.parameters)
        for name, value in parameters.items():
            if name not in self.parameters:
                raise RewardError(f"unknown parameter {name!r}; valid parameters: {', '.join(self.parameters)}")
            new_parameters[name] = self.parameters[name].validate(value)
        for name, low in new_parameters.items():
            high = new_parameters.get(f"{name.removesuffix('.min')}.max") if name.endswith(".min") else None
            if high is not None and (low > high).any():
                raise RewardError(f"{name!r} = {low.tolist()} is above its '.max' = {high.tolist()}")
        active = [names] if isinstance(names, str) else list(names)
        unknown = [name for name in active if not isinstance(name, str) or name not in self.constraints]
        if unknown:
            valid = ", ".join(self.constraints)
            raise RewardError(f"unknown constraints {brief(unknown)}; valid constraints: {valid}")
        constraints = tuple(dict.fromkeys(active))
        self._check(constraints, new_parameters)
        return RewardSettings(0, new_weights, new_parameters, constraints)

    def _validate_weight(self, name: str, value: Any) -> float:
        if name not in self.terms:
            raise RewardError(f"unknown reward term {name!r}; valid terms: {', '.join(self.terms)}")
        term = self.terms[name]
        valid = f"[{term.min_weight:g}, {term.max_weight:g}] 1/({term.unit}) is valid"
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise RewardError(f"the weight of {name!r} must be a number, got {brief(value)}; {valid}")
        if not term.min_weight <= value <= term.max_weight:
            raise RewardError(f"the weight of {name!r} = {value} is not within bounds: {valid}")
        return float(value)

    @staticmethod
    def _validate_ramp(ramp_time: float) -> float:
        if not (np.isfinite(ramp_time) and 0.0 <= ramp_time <= 60.0):
            raise RewardError(f"ramp time must be within [0, 60] s, got {ramp_time!r}")
        return float(ramp_time)

    def _default_weights(self) -> dict[str, float]:
        return {name: term.default_weight for name, term in self.terms.items()}

    def _default_parameters(self) -> dict[str, np.ndarray]:
        return {name: parameter.validate(parameter.default) for name, parameter in self.parameters.items()}

    def _defaults(self) -> RewardSettings:
        return RewardSettings(0, self._default_weights(), self._default_parameters(), ())
