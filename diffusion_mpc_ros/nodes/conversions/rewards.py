"""RewardSettings from and to its message."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages

from diffusion_mpc_ros.core.errors import RewardError, brief
from diffusion_mpc_ros.core.types import RewardSettings


def reward_weights_message(settings: RewardSettings, stamp: Time) -> messages.RewardWeights:
    """RewardSettings -> RewardWeights."""
    message = messages.RewardWeights()
    message.header.stamp = stamp
    message.revision = settings.revision
    message.names = list(settings.weights)
    message.weights = [float(weight) for weight in settings.weights.values()]
    message.parameters = [
        messages.RewardParameter(name=name, values=np.ravel(values).tolist())
        for name, values in settings.parameters.items()
    ]
    message.constraints = list(settings.constraints)
    return message


def read_reward_settings(message: messages.RewardWeights) -> RewardSettings:
    """Return the inverse of :func:`reward_weights_message`; raises RewardError for what is no settings of any terms."""
    names, parameters = list(message.names), [parameter.name for parameter in message.parameters]
    if len(names) != len(message.weights):
        raise RewardError(f"{len(names)} names {brief(names)}, {len(message.weights)} weights: one for each is needed")
    for kind, given in (("weight", names), ("parameter", parameters)):
        if len(set(given)) != len(given):
            raise RewardError(f"a {kind} is given twice: {brief(given)}")
    numbers = [("weights", message.weights), *((value.name, value.values) for value in message.parameters)]
    for name, values in numbers:
        if not np.isfinite(values).all():
            raise RewardError(f"{name!r} must be finite, got {brief(list(values))}")
    return RewardSettings(
        revision=message.revision,
        weights=dict(zip(names, message.weights, strict=True)),
        parameters={parameter.name: np.array(parameter.values) for parameter in message.parameters},
        constraints=tuple(message.constraints),
    )
