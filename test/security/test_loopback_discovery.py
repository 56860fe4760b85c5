"""On the loopback of a host of the test's own: this project's programs find each other and those of Unitree's SDK."""

from __future__ import annotations

import pytest

WAIT = 60.0
# Sends on one topic; says "heard" at the first sample on the other one.
PROGRAM = """
import sys
import time
from diffusion_mpc_ros.core.go2 import DAMPING_KD
from diffusion_mpc_ros.core.types import JointCommand
from diffusion_mpc_ros.go2 import sdk
from diffusion_mpc_ros.go2.channels import LOWCMD, LOWCMD_DRY_RUN, Publisher, Subscriber
from diffusion_mpc_ros.go2.domain import Go2Domain, open_domain
from unitree_sdk2py.core.channel_config import ChannelConfigHasInterface
kind, sent, heard = sys.argv[1], *((LOWCMD, LOWCMD_DRY_RUN) if sys.argv[2] == "first" else (LOWCMD_DRY_RUN, LOWCMD))
if kind == "sdk":  # as its ChannelFactory does it
    library = sdk.Domain(1, ChannelConfigHasInterface.replace("$__IF_NAME__$", "lo"))
    domain = Go2Domain(library, sdk.DomainParticipant(1))
else:
    domain = open_domain("lo", 1)
publisher, subscriber = Publisher(domain, sent), Subscriber(domain, heard)
command = JointCommand.damping(DAMPING_KD)
while subscriber.wait(0.02) is None:
    publisher.publish(command)
print("heard", flush=True)
while True:
    publisher.publish(command)
    time.sleep(0.02)
"""


@pytest.mark.parametrize("other", ["own", "sdk"])
@pytest.mark.parametrize("multicast", ["on", "off"])
def test_programs_on_the_loopback_hear_each_other(hosts, multicast, other):
    host, _ = hosts
    host.run("ip", "link", "set", "lo", "multicast", multicast)
    programs = [host.python(PROGRAM, "own", "first"), host.python(PROGRAM, other, "second")]
    try:
        assert [program.stdout.readline() for program in programs] == ["heard\n", "heard\n"]
    finally:
        for program in programs:
            program.kill()
            program.communicate(timeout=WAIT)
