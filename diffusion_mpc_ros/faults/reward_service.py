"""The reward service under attack: too many calls, and calls that make no sense."""

from __future__ import annotations

import math
from collections.abc import Iterator

from diffusion_mpc_msgs.msg import RewardParameter
from diffusion_mpc_msgs.srv import GetRewardWeights, SetRewardWeights

from diffusion_mpc_ros.core.errors import DiffusionMpcError, RewardError
from diffusion_mpc_ros.faults.harness import Harness
from diffusion_mpc_ros.nodes.reward_requests import reward_request

TERM = "energy"
# Weights that the flood sets in turn.
WEIGHTS = (0.0, 0.1)
AT_ONCE = 64
# How long the answers of one wave are waited for [s].
WAVE_TIMEOUT = 0.25
# The interface itself bounds the values of a parameter to 64.
MOST_VALUES = 64
MANY = 100_000


class ServiceFailed(DiffusionMpcError):
    """The reward service did not answer, or accepted what it has to refuse."""


def flood(harness: Harness, calls: int) -> None:
    """Ask for ``calls`` valid changes of a weight, 64 at once.

    ROS keeps ten requests of a service, so that some of a flood are lost; afterwards the service has to answer again:
    raises OperatorError otherwise.
    """
    with harness.operator.service(SetRewardWeights, "set_reward_weights") as call:
        for first in range(0, calls, AT_ONCE):
            count = min(AT_ONCE, calls - first)
            requests = (reward_request(weights={TERM: WEIGHTS[number % 2]}, ramp=0.0) for number in range(count))
            futures = [call(request) for request in requests]
            harness.monitor.wait(lambda: all(future.done() for future in futures), WAVE_TIMEOUT)  # noqa: B023
    harness.operator.set_rewards(reward_request(weights={TERM: WEIGHTS[0]}, ramp=0.0))


def send_garbage(harness: Harness) -> None:
    """Send everything of :func:`garbage`; raises ServiceFailed when something is accepted or changes the weights."""
    before = _settings(harness.operator.get_rewards())
    accepted = []
    for name, request in garbage():
        try:
            harness.operator.set_rewards(request)
            accepted.append(name)
        except RewardError:
            continue
    if accepted:
        raise ServiceFailed(f"the reward service accepted {accepted}")
    after = _settings(harness.operator.get_rewards())
    if after != before:
        raise ServiceFailed(f"refused requests have changed the reward weights: {before} -> {after}")


def garbage() -> Iterator[tuple[str, SetRewardWeights.Request]]:
    """Yield requests that no reward composer may accept, by what is wrong with them."""
    yield "unknown term", reward_request(weights={"no_such_term": 1.0})
    yield "empty name", reward_request(weights={"": 1.0})
    yield "name of a megabyte", reward_request(weights={"x" * 2**20: 1.0})
    for value in (math.nan, math.inf, -math.inf, -1.0, 1e300):
        yield f"weight {value}", reward_request(weights={TERM: value})
    yield "more names than weights", SetRewardWeights.Request(names=[TERM, "align"], weights=[0.1], ramp_duration=-1.0)
    yield "weights without names", SetRewardWeights.Request(names=[], weights=[0.1] * MANY, ramp_duration=-1.0)
    yield (
        "many names",
        SetRewardWeights.Request(
            names=[f"term{number}" for number in range(MANY)], weights=[0.1] * MANY, ramp_duration=-1.0
        ),
    )
    yield "one name twice", SetRewardWeights.Request(names=[TERM, TERM], weights=[0.1, 0.2], ramp_duration=-1.0)
    yield "unknown preset", reward_request(preset="no_such_preset")
    yield "preset and undo", reward_request(preset="none", undo=True)
    for name, values in (
        ("no_such.parameter", [1.0]),
        ("posture.target", [0.0, 0.0]),
        ("posture.target", [math.nan] * 12),
        ("posture.target", [0.0] * MOST_VALUES),
        ("joint_range.min", [1e9] * 12),
    ):
        parameter = RewardParameter(name=name, values=values)
        text = f"parameter {name} of {len(values)} numbers, first {values[0]}"
        yield text, SetRewardWeights.Request(parameters=[parameter], ramp_duration=-1.0)
    yield "unknown constraint", reward_request(enable=["no_such_constraint"])
    for ramp in (math.nan, math.inf, 1e9):
        yield f"ramp of {ramp} s", reward_request(weights={TERM: 0.1}, ramp=ramp)


def _settings(answer: GetRewardWeights.Response) -> tuple:
    current = answer.current
    return current.revision, list(current.names), list(current.weights), list(current.constraints)
