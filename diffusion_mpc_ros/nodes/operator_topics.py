"""The operator's ROS topics as the control loop reads them, once a tick: ``e_stop``, ``joy``, ``cmd_vel``.

``cmd_vel`` comes as Twist or, from Nav2 since Jazzy, as TwistStamped.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool

from diffusion_mpc_ros.control.authority import JOY, REMOTE, Holding, VelocityAuthority
from diffusion_mpc_ros.control.emergency_stop import TopicStops
from diffusion_mpc_ros.control.gamepad_layouts import GamepadLayout, describe_layout, find_layout
from diffusion_mpc_ros.core import clock
from diffusion_mpc_ros.core.errors import GamepadError
from diffusion_mpc_ros.core.types import LowState
from diffusion_mpc_ros.go2.remote import decode_remote, remote_present
from diffusion_mpc_ros.nodes.conversions.gamepads import read_gamepad
from diffusion_mpc_ros.nodes.conversions.inputs import read_velocity
from diffusion_mpc_ros.nodes.direct_subscription import DirectSubscription, Received, publishers
from diffusion_mpc_ros.nodes.intake import Intake
from diffusion_mpc_ros.nodes.operator_inputs import OperatorInputs
from diffusion_mpc_ros.nodes.qos import ANY_STOP, EARLIER_STOP, RELIABLE_STOP, STREAM
from diffusion_mpc_ros.nodes.second_participant import SecondParticipant

E_STOP, CMD_VEL = "e_stop", "cmd_vel"
# At most so many messages of a subscription are read in a tick; more come at more than 2,000 a second.
READ_AT_ONCE = 40
# The ROS graph knows a publisher this long [s] after its first message at the latest.
DISCOVERY = 2.0
# A gamepad's emergency stop stands for this long [s] after its last message that asserts it.
JOY_HOLD = 0.5
# Gamepads that change are told of at most this often [s].
TELLING_PERIOD = 1.0


class OperatorTopics:
    """Reads the topics for ``inputs`` and ``authority``; nothing here waits, and no foreign message raises.

    ``layout``: name of the gamepad's layout, or "auto". What is to be told to people is left in ``messages``. All but
    what is said to be the executor's belongs to the control loop's thread.
    """

    def __init__(self, intake: Intake, inputs: OperatorInputs, authority: VelocityAuthority, layout: str) -> None:
        self.messages: deque[str] = deque(maxlen=20)
        self._intake, self._inputs, self._authority = intake, inputs, authority
        # The reliable one from the start: what a new panel says first is sent again until it has arrived.
        self._e_stops = {id(qos): DirectSubscription(intake, Bool, E_STOP, qos) for qos in (ANY_STOP, RELIABLE_STOP)}
        self._joys = DirectSubscription(intake, Joy, JOY, STREAM)
        self._second = SecondParticipant(intake.node)
        self._velocities = (
            DirectSubscription(intake, Twist, CMD_VEL, STREAM),
            DirectSubscription(intake, TwistStamped, CMD_VEL, STREAM, self._second.node),
        )
        self._stops = TopicStops(inputs.stops, E_STOP)
        self._layout_name = layout
        self._layout: GamepadLayout | None = None
        self._news, self._told = "", -math.inf  # what is to be told of a gamepad, and when one was told of [s]
        self._counts: tuple[int, int] | None = None  # buttons and axes of the gamepad's last message

    def close(self) -> None:
        """Leave the ROS graph as far as the node does not; nothing may be read any more."""
        self._second.close()

    def read_stops(self) -> None:
        """Read ``e_stop``."""
        now = clock.now()
        for subscription in tuple(self._e_stops.values()):
            for received in subscription.take(READ_AT_ONCE):
                self._stops.hear(received.sender, received.number, received.message.data, now)

    def read(self, lowstate: LowState | None, walking: bool) -> Holding:
        """Read everything, stops first; return who holds the robot. The remote's sticks come with ``lowstate``."""
        self.read_stops()
        for received in self._joys.take(READ_AT_ONCE):
            self._take_joy(received.message)
        now = clock.now()
        for subscription in self._velocities:
            for received in subscription.take(READ_AT_ONCE):
                self._take_velocity(received, now)
        if lowstate is not None and remote_present(lowstate.wireless_remote):
            state = decode_remote(lowstate.wireless_remote)
            if state is not None:
                self._authority.hear_sticks(REMOTE, state, lowstate.receive_time)
        return self._authority.update(now, walking)

    def find_panels(self) -> None:
        """Ask for earlier stops once there is a publisher of ``e_stop`` that keeps them; in the executor's thread.

        Asked for always, they would make every other publisher warn its user that it cannot offer them.
        """
        if id(EARLIER_STOP) in self._e_stops:
            return
        endpoints = self._intake.node.get_publishers_info_by_topic(E_STOP)
        if any(endpoint.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for endpoint in endpoints):
            self._e_stops[id(EARLIER_STOP)] = DirectSubscription(self._intake, Bool, E_STOP, EARLIER_STOP)

    def asserting(self) -> list[str]:
        """Return who asserts an emergency stop now, by name; in the executor's thread.

        Publishers of ``e_stop`` that have left the ROS graph do not any more.
        """
        known = publishers(self._intake.node, E_STOP)
        self._stops.keep(known, before=clock.now() - DISCOVERY)
        names = {self._stops.source(sender): f"topic {E_STOP} by {name}" for sender, name in known.items()}
        return [names.get(source, source) for source in self._inputs.stops.standing(clock.now())]

    def _take_velocity(self, received: Received, now: float) -> None:
        """Its age is counted from now: a stamp is of a clock that this machine need not share."""
        message = received.message
        velocity = read_velocity(message.twist if isinstance(message, TwistStamped) else message)
        self._authority.hear_velocity(f"{CMD_VEL} {received.sender}", velocity, now)
        if not np.isfinite(velocity).all():
            self._intake.refuse(CMD_VEL, f"it counts as zero: {velocity} is not finite")

    def _take_joy(self, message: Joy) -> None:
        now = clock.now()
        layout = self._layout_of(message)
        if self._news and now - self._told >= TELLING_PERIOD:
            self.messages.append(self._news)
            self._news, self._told = "", now
        state = read_gamepad(message, layout) if layout is not None else None
        if layout is None or state is None:
            self._authority.rejected[JOY] += 1
            self._intake.refuse(JOY, "not the gamepad's buttons and axes")
            return
        if not state.sticks_valid:
            self._intake.refuse(JOY, f"it moves nothing: axes {list(message.axes)} are no sticks'")
        self._inputs.gamepad(JOY, state, now + JOY_HOLD)
        self._authority.hear_sticks(JOY, state, now, layout.enable in state.pressed)

    def _layout_of(self, message: Joy) -> GamepadLayout | None:
        """Find the layout when the first message comes, or one with other numbers; say what was found."""
        counts = len(message.buttons), len(message.axes)
        if counts != self._counts:
            self._counts = counts
            try:
                layout = self._layout = find_layout(self._layout_name, *counts)
                self._news = f"gamepad on {JOY}:\n{describe_layout(layout)}"
            except GamepadError as error:
                self._layout = None
                self._news = f"the gamepad on {JOY} is not understood, its emergency stop neither: {error}"
        return self._layout
