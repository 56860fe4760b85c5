"""The listener as the process it is, on a real DDS domain."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from diffusion_mpc_ros.commands.answering_child import ChildError
from diffusion_mpc_ros.commands.wire_listener import WireListener
from diffusion_mpc_ros.core.go2 import DEFAULT_JOINT_POS
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWSTATE, Publisher
from diffusion_mpc_ros.go2.domain import open_domain
from diffusion_mpc_ros.simulation.robot import Go2Simulation

WAIT = 20.0
COUNT = 50


def test_every_lowstate_and_lowcmd_is_stamped(free_domain):
    domain_id = free_domain()
    state = Go2Simulation().lowstate(0.0)
    before = time.time_ns()
    with open_domain("lo", domain_id) as domain, WireListener("lo", domain_id) as listener:
        states, commands = Publisher(domain, LOWSTATE), Publisher(domain, LOWCMD)
        assert states.wait_for_subscriber(WAIT) and commands.wait_for_subscriber(WAIT)
        for number in range(COUNT):
            states.publish(dataclasses.replace(state, tick_ms=2 * number))
            commands.publish(JointCommand.position(DEFAULT_JOINT_POS + 0.001 * number, 40.0, 1.0))
            time.sleep(0.002)
        wire = listener.stop()
        for publisher in (states, commands):
            publisher.close()
    # Best effort: a busy machine may lose some, but none is made up, changed or moved.
    assert 0 < len(wire.lowstate_tick_ms) <= COUNT and 0 < len(wire.lowcmd_sent) <= COUNT
    assert set(wire.lowstate_tick_ms.tolist()) <= set(range(0, 2 * COUNT, 2))
    assert (np.diff(wire.lowstate_tick_ms) > 0).all()
    for sent, received in ((wire.lowstate_sent, wire.lowstate_received), (wire.lowcmd_sent, wire.lowcmd_received)):
        assert (before < sent).all() and (sent <= received).all() and (received <= time.time_ns()).all()
        assert (np.diff(sent) > 0).all()
    offsets = wire.lowcmd_joint_pos - DEFAULT_JOINT_POS
    numbers = np.rint(offsets[:, 0] / 0.001)
    np.testing.assert_allclose(offsets, 0.001 * numbers[:, None].repeat(12, axis=1), atol=1e-6)
    assert (np.diff(numbers) > 0).all()


def test_a_silent_wire_is_an_empty_record(free_domain):
    with WireListener("lo", free_domain()) as listener:
        wire = listener.stop()
    assert wire.lowcmd_joint_pos.shape == (0, 12) and not len(wire.lowstate_tick_ms) and not len(wire.lowcmd_received)


def test_a_listener_that_cannot_listen_says_why():
    with pytest.raises(ChildError, match="no_such_card"):
        WireListener("no_such_card", 7)
