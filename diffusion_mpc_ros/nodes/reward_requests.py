"""What the services of ``reward_composer`` ask for and answer, in terms of the composer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from diffusion_mpc_msgs.msg import RewardParameter, RewardWeights
from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights

from diffusion_mpc_ros.core.errors import RewardError
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.rewards.composition import RewardComposer

Value = TypeVar("Value")


def reward_request(
    *,
    preset: str = "",
    weights: Mapping[str, float] | None = None,
    parameters: Mapping[str, Sequence[float]] | None = None,
    enable: Sequence[str] = (),
    disable: Sequence[str] = (),
    ramp: float = -1.0,
    undo: bool = False,
) -> SetRewardWeights.Request:
    """Return a request to ``set_reward_weights``; ``ramp`` [s], negative for the composer's own."""
    weights = weights or {}
    values = [RewardParameter(name=name, values=list(value)) for name, value in (parameters or {}).items()]
    return SetRewardWeights.Request(
        preset=preset,
        names=list(weights),
        weights=list(weights.values()),
        parameters=values,
        enable_constraints=list(enable),
        disable_constraints=list(disable),
        ramp_duration=float(ramp),
        undo=undo,
    )


def apply(composer: RewardComposer, request: SetRewardWeights.Request, now: float) -> RewardSettings:
    """Apply the whole of ``request`` as one change at ``now`` [s]; raises RewardError, changing nothing."""
    ramp_time = None if request.ramp_duration < 0.0 else request.ramp_duration
    if request.undo:
        if request.preset or request.names or request.parameters or _constraints(request):
            raise RewardError("undo goes back by one change; leave everything else of the request empty")
        return composer.undo(now, ramp_time)
    if not (request.preset or request.names or request.parameters or _constraints(request)):
        presets, terms = list(composer.presets), list(composer.terms)
        raise RewardError(f"nothing is asked for; name a preset of {presets} or a term of {terms}")
    base = composer.preset_settings(request.preset) if request.preset else composer.target
    weights = _mapping(request.names, request.weights)
    parameters = _mapping([p.name for p in request.parameters], [list(p.values) for p in request.parameters])
    _check_constraints(composer, _constraints(request))
    active = dict.fromkeys([*base.constraints, *request.enable_constraints])
    names = [name for name in active if name not in request.disable_constraints]
    parameters = {name: values[0] if len(values) == 1 else values for name, values in parameters.items()}
    return composer.apply(now, weights, parameters, names, ramp_time, preset=request.preset)


def fill(
    response: GetRewardWeights.Response, current: RewardWeights, composer: RewardComposer
) -> GetRewardWeights.Response:
    """Return what is in force and what can be set."""
    terms = composer.terms.values()
    response.current = current
    response.terms = [term.name for term in terms]
    response.units = [f"1/({term.unit})" for term in terms]
    response.minimums = [float(term.min_weight) for term in terms]
    response.maximums = [float(term.max_weight) for term in terms]
    response.defaults = [float(term.default_weight) for term in terms]
    response.presets = list(composer.presets)
    response.constraints = list(composer.constraints)
    return response


def describe(settings: RewardSettings) -> str:
    """Return the settings in a line: what is not zero and not off."""
    weights = [f"{name}={weight:g}" for name, weight in settings.weights.items() if weight]
    constraints = [f"constraint {name}" for name in settings.constraints]
    return ", ".join(weights + constraints) or "no reward, no constraint"


def _mapping(names: Sequence[str], values: Sequence[Value]) -> dict[str, Value]:
    if len(names) != len(values) or len(set(names)) != len(names):
        raise RewardError(f"{len(names)} names {list(names)} with {len(values)} values: one value for each, named once")
    return dict(zip(names, values, strict=True))


def _constraints(request: SetRewardWeights.Request) -> list[str]:
    return [*request.enable_constraints, *request.disable_constraints]


def _check_constraints(composer: RewardComposer, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in composer.constraints]
    if unknown:
        raise RewardError(f"unknown constraints {unknown}; valid constraints: {', '.join(composer.constraints)}")
