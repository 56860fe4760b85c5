"""The candidates of a plan from and to their message."""

from __future__ import annotations

from array import array

import numpy as np
from builtin_interfaces.msg import Time
from diffusion_mpc_msgs import msg as messages

from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.core.go2 import MAX_READING, NUM_JOINTS
from diffusion_mpc_ros.core.types import Candidates
from diffusion_mpc_ros.nodes.conversions.fields import check_bounded

# So many candidates are told of (Candidates.msg).
MAX_CANDIDATES = 16


def candidates_message(start_tick: int, candidates: Candidates, stamp: Time) -> messages.Candidates:
    """Candidates of one robot: the chosen one and as many others as the message has room for."""
    count = min(len(candidates.reward), MAX_CANDIDATES)
    chosen = int(np.argmax(candidates.reward))
    told = sorted({chosen, *range(count)} - ({count - 1} if chosen >= count else set()))
    message = messages.Candidates(start_tick=start_tick, candidates=count, rows=candidates.joint_pos.shape[1])
    message.header.stamp = stamp
    # As arrays of C: anything else would be checked number by number.
    message.joint_pos = array("f", np.asarray(candidates.joint_pos[told], np.float32).tobytes())
    message.rewards = array("f", np.asarray(candidates.reward[told], np.float32).tobytes())
    message.chosen = told.index(chosen)
    return message


def read_candidates(message: messages.Candidates) -> Candidates:
    """The inverse of :func:`candidates_message`, the chosen one first; MessageError where numbers do not fit."""
    shape = message.candidates, message.rows, NUM_JOINTS
    joint_pos, reward = np.array(message.joint_pos), np.array(message.rewards)
    if joint_pos.size != np.prod(shape) or len(reward) != message.candidates or not message.chosen < len(reward):
        raise MessageError(
            f"{joint_pos.size} joint positions, {len(reward)} rewards and the choice {message.chosen} are no "
            f"{message.candidates} candidates x {message.rows} rows x {NUM_JOINTS}"
        )
    check_bounded("joint_pos", joint_pos, MAX_READING, "rad")
    if not np.isfinite(reward).all():
        raise MessageError(f"the rewards of the candidates are not finite: {reward}")
    order = [message.chosen, *(index for index in range(len(reward)) if index != message.chosen)]
    return Candidates(joint_pos.reshape(shape)[order], reward[order])
