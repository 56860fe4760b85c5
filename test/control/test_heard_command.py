"""What a planner follows of what command_publisher says."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_mpc_ros.control.command_ramp import CommandRamp
from diffusion_mpc_ros.control.heard_command import HeardCommand


@pytest.fixture
def heard():
    return HeardCommand(CommandRamp((1.0, 0.5, 1.0), (2.0, 2.0, 4.0)))


def test_nothing_is_followed_before_anybody_has_spoken(heard):
    velocity, followed = heard.at(0.0)
    assert velocity.tolist() == [0.0, 0.0, 0.0] and not followed


def test_the_velocity_that_is_said_is_approached_at_its_rate(heard):
    heard.at(0.0)
    heard.hear(np.array([0.5, 0.0, -0.2]), True, 0.05)
    velocity, followed = heard.at(0.1)
    # 0.1 s at 2 m/s^2 and at 4 rad/s^2.
    assert velocity == pytest.approx([0.2, 0.0, -0.2]) and followed


def test_a_silent_command_publisher_moves_nothing(heard):
    heard.at(0.0)
    heard.hear(np.array([0.2, 0.0, 0.0]), True, 0.0)
    velocity, followed = heard.at(0.2)
    assert velocity == pytest.approx([0.2, 0.0, 0.0]) and followed
    velocity, followed = heard.at(0.25)
    # 0.05 s at 2 m/s^2 back towards zero.
    assert velocity == pytest.approx([0.1, 0.0, 0.0]) and not followed
