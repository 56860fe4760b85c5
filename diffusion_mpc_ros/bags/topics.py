"""The topics that a bag holds: all that training, a replay and a look at the walk need. Relative to the namespace."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ROBOT_STATE, PLAN, JOINT_COMMAND, REWARD_WEIGHTS = "robot_state", "plan", "joint_command", "reward_weights"
CMD_VEL, JOY, E_STOP, ODOM = "cmd_vel", "joy", "e_stop", "odom"
JOINT_STATES, DIAGNOSTICS = "joint_states", "/diagnostics"


class Delivery(Enum):
    """How a topic is listened to: a stream may lose messages, settings are also told to whoever comes late."""

    STREAM = "stream"
    RELIABLE = "reliable"
    SETTINGS = "settings"


@dataclass(frozen=True)
class Topic:
    """A topic to record: ``types`` are those that a publisher of it may have, as ``package/msg/Name``.

    ``ticks``: the field that numbers its messages without a gap, ``""`` where nothing does.
    """

    name: str
    types: tuple[str, ...]
    delivery: Delivery = Delivery.STREAM
    ticks: str = ""


TOPICS = (
    Topic(ROBOT_STATE, ("diffusion_mpc_msgs/msg/RobotState",), ticks="tick"),
    Topic(JOINT_COMMAND, ("diffusion_mpc_msgs/msg/JointCommand",), ticks="tick"),
    # Every plan serves other ticks: none may be lost.
    Topic(PLAN, ("diffusion_mpc_msgs/msg/Plan",), Delivery.RELIABLE),
    Topic(REWARD_WEIGHTS, ("diffusion_mpc_msgs/msg/RewardWeights",), Delivery.SETTINGS),
    # What the operator did. Requests by service show in joint_command (mode, holder, fault) and in /rosout.
    Topic(CMD_VEL, ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped")),
    Topic(JOY, ("sensor_msgs/msg/Joy",)),
    Topic("remote", ("sensor_msgs/msg/Joy",)),
    Topic(E_STOP, ("std_msgs/msg/Bool",)),
    # The same state as standard messages, for other tools; odom alone holds the position.
    Topic(JOINT_STATES, ("sensor_msgs/msg/JointState",)),
    Topic("imu/data", ("sensor_msgs/msg/Imu",)),
    Topic(ODOM, ("nav_msgs/msg/Odometry",)),
    Topic(DIAGNOSTICS, ("diagnostic_msgs/msg/DiagnosticArray",)),
    Topic("/rosout", ("rcl_interfaces/msg/Log",)),
)
TYPES = {topic.name: topic.types for topic in TOPICS}
