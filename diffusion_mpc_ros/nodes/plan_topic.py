"""The topic ``plan`` as the control loop reads it, once a tick: no plan wakes a thread of its own."""

from __future__ import annotations

from collections.abc import Callable

from diffusion_mpc_msgs.msg import Plan as PlanMessage

from diffusion_mpc_ros.core.errors import PlanError
from diffusion_mpc_ros.core.message_fields import read_plan
from diffusion_mpc_ros.core.types import Plan
from diffusion_mpc_ros.nodes.direct_subscription import DirectSubscription
from diffusion_mpc_ros.nodes.intake import Intake
from diffusion_mpc_ros.nodes.qos import RELIABLE

PLAN = "plan"


class PlanTopic:
    """Hands on the plans that have come; what ``check``, the decoder or the receiver refuses is counted and told of.

    For one thread. ``check`` raises PlanError for a message that must not be followed, whatever it holds.
    """

    def __init__(self, intake: Intake, check: Callable[[PlanMessage], None]) -> None:
        self._intake, self._check = intake, check
        self._plans = DirectSubscription(intake, PlanMessage, PLAN, RELIABLE)

    def read(self, receive: Callable[[Plan], object]) -> None:
        """Hand each plan that has come to ``receive``, oldest first; never waits."""
        # The queue holds no more.
        for received in self._plans.take(RELIABLE.depth):
            try:
                self._check(received.message)
                receive(read_plan(received.message))
            except PlanError as error:
                self._intake.refuse(PLAN, str(error))
