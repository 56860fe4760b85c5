"""RewardSettings to its message; core/message_fields.py reads it."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages

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
