"""The candidates of a plan on the wire: the chosen one first, no more than fit; what does not fit is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message

from diffusion_mpc_ros.core.errors import MessageError
from diffusion_mpc_ros.core.types import Candidates
from diffusion_mpc_ros.nodes.conversions.candidates import candidates_message, read_candidates

STAMP = Time(sec=12, nanosec=34)


@pytest.mark.parametrize(("count", "told"), [(3, [1, 0, 2]), (20, [18, *range(15)])])
def test_candidates_are_told_with_the_chosen_one_first_and_no_more_than_fit(count, told):
    joint_pos = np.arange(count * 2 * 12, dtype=np.float32).reshape(count, 2, 12) / 1000
    reward = np.full(count, -5.0, np.float32)
    reward[told[0]] = -1.0
    message = candidates_message(7, Candidates(joint_pos, reward), STAMP)
    assert (message.start_tick, message.rows, message.candidates) == (7, 2, len(told))
    heard = read_candidates(deserialize_message(serialize_message(message), type(message)))
    np.testing.assert_array_equal(heard.joint_pos, joint_pos[told])
    np.testing.assert_array_equal(heard.reward, reward[told])


@pytest.mark.parametrize(
    "change",
    [{"chosen": 2}, {"rows": 3}, {"rewards": [1.0]}, {"rewards": [math.nan] * 2}, {"joint_pos": [math.inf] * 24}],
)
def test_candidates_that_do_not_fit_are_refused(change):
    message = candidates_message(7, Candidates(np.zeros((2, 1, 12)), np.zeros(2)), STAMP)
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(MessageError):
        read_candidates(message)
