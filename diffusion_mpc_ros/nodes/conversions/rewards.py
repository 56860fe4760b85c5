"""RewardSettings to its message, which core/message_fields.py reads; what can be set from the answer that tells it."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages
from diffusion_mpc_msgs import srv

from diffusion_mpc_ros.core.errors import MessageError, brief
from diffusion_mpc_ros.core.types import RewardSettings
from diffusion_mpc_ros.view.seen import Choices


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


def read_choices(answer: srv.GetRewardWeights.Response) -> Choices:
    """GetRewardWeights -> what can be set; raises MessageError for lists that do not fit, or bounds that are none."""
    names, units, minimums, maximums = answer.terms, answer.units, answer.minimums, answer.maximums
    if not len(names) == len(units) == len(minimums) == len(maximums):
        raise MessageError(
            f"{len(names)} terms, {len(units)} units, {len(minimums)} minimums, {len(maximums)} maximums: "
            "one of each is needed"
        )
    for kind, told in (("term", names), ("preset", answer.presets), ("constraint", answer.constraints)):
        if len(set(told)) != len(told):
            raise MessageError(f"a {kind} is named twice: {brief(list(told))}")
    for name, low, high in zip(names, minimums, maximums):
        if not (np.isfinite([low, high]).all() and low < high):
            raise MessageError(f"the weight of {name!r} has the bounds {low} .. {high}: two numbers, the lower first")
    terms = {name: (unit, low, high) for name, unit, low, high in zip(names, units, minimums, maximums)}
    return Choices(terms, tuple(answer.presets), tuple(answer.constraints))
