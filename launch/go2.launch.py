"""Start Diffusion-MPC on the simulated or the real Go2: the processes that ``diffusion_mpc_ros.bringup`` lists.

ros2 launch diffusion_mpc_ros go2.launch.py sim:=true autostart:=true
ros2 launch diffusion_mpc_ros go2.launch.py robot:=unitree_mujoco
ros2 launch diffusion_mpc_ros go2.launch.py sim:=false network_interface:=eth0
"""

from __future__ import annotations

from datetime import datetime, timezone

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import share_directory
from diffusion_mpc_ros.go2.profile import GO2, profile_names
from diffusion_mpc_ros.node_parameters import WAIT_FOR_INTERFACE
from diffusion_mpc_ros.nodes.launcher import lease_environment
from diffusion_mpc_ros.planners.registry import PLANNERS

BOOLEANS = ["true", "false"]
ARGUMENTS = (
    DeclareLaunchArgument(
        "sim", default_value="true", choices=BOOLEANS, description="the simulated Go2 instead of the real one"
    ),
    DeclareLaunchArgument(
        "robot",
        default_value=GO2.name,
        choices=list(profile_names()),
        description="robot profile; unitree_mujoco: Unitree's own simulator, started by you, instead of this one",
    ),
    DeclareLaunchArgument(
        "simulator_on_network",
        default_value="false",
        choices=BOOLEANS,
        description="the simulator of the robot profile runs on another computer, no real robot answers",
    ),
    DeclareLaunchArgument("rviz", default_value="false", choices=BOOLEANS, description="open rviz2"),
    DeclareLaunchArgument(
        "record", default_value="false", choices=BOOLEANS, description="record the robot's topics to an MCAP bag"
    ),
    DeclareLaunchArgument(
        "planner",
        default_value="diffusion_mpc",
        description=f"the planner to use: {', '.join(PLANNERS)}, or MODULE:FUNCTION of your own",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="ROS namespace of this robot; empty: none"),
    DeclareLaunchArgument(
        "network_interface",
        default_value="",
        description="network card of the Unitree topics; empty: lo in simulation, must be named for the real robot",
    ),
    DeclareLaunchArgument(
        "domain_id",
        default_value="",
        description="DDS domain of the Unitree topics; empty: 1 in simulation, 0 for the real robot",
    ),
    DeclareLaunchArgument(
        "viewer", default_value="false", choices=BOOLEANS, description="open MuJoCo's viewer (simulation only)"
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="false",
        choices=BOOLEANS,
        description="stand up and walk without being asked (simulation only; the real robot waits for its operator)",
    ),
    DeclareLaunchArgument(
        "dry_run",
        default_value="false",
        choices=BOOLEANS,
        description="do everything, but send the commands to rt/lowcmd_dry_run, where no robot listens",
    ),
    DeclareLaunchArgument(
        "wait_for_interface",
        default_value="0.0",
        description="how long [s] to wait for a network card that is not there or has no IPv4 address yet; 0: refuse",
    ),
)
# Relative names: they follow the namespace.
RECORDED_TOPICS = (
    "robot_state",
    "plan",
    "joint_command",
    "reward_weights",
    "cmd_vel",
    "joy",
    "remote",
    "e_stop",
    "joint_states",
    "imu/data",
    "odom",
)


def start(context: LaunchContext) -> list[Node | ExecuteProcess]:
    """The actions for the arguments as given; raises ConfigurationError in words for what does not fit."""
    value = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    options = bringup.BringupOptions(
        sim=value["sim"] == "true",
        robot=value["robot"],
        simulator_on_network=value["simulator_on_network"] == "true",
        planner=value["planner"],
        namespace=value["namespace"],
        network_interface=value["network_interface"],
        domain_id=_domain(value["domain_id"]),
        viewer=value["viewer"] == "true",
        autostart=value["autostart"] == "true",
        dry_run=value["dry_run"] == "true",
        wait_for_interface=WAIT_FOR_INTERFACE.parse(value["wait_for_interface"]),
    )
    environment = {**bringup.environment(options.simulated), **lease_environment()}
    actions = [node_action(spec, environment) for spec in bringup.processes(options)]
    if value["rviz"] == "true":
        configuration = str(share_directory() / "rviz" / "go2.rviz")
        actions.append(
            Node(
                package="rviz2",
                executable="rviz2",
                namespace=options.namespace,
                # The frame as state_estimator names it in this namespace (frame_prefix: auto).
                arguments=["-d", configuration, "-f", f"{options.namespace}/odom".lstrip("/")],
                additional_env=environment,
            )
        )
    if value["record"] == "true":
        actions.append(_record(options.namespace, environment))
    return actions


def node_action(spec: bringup.ProcessSpec, environment: dict[str, str]) -> Node:
    """One process of the list as a launch action."""
    return Node(
        package=bringup.PACKAGE,
        executable=spec.executable,
        name=spec.name,
        namespace=spec.namespace,
        # As arguments: the file that launch would write leaves it to ROS to guess the types of texts.
        ros_arguments=bringup.parameter_arguments(spec),
        remappings=list(spec.remappings),
        additional_env=environment,
        output="screen",
        # After a Ctrl-C the robot is let down; SIGTERM cuts that short, SIGKILL would end it.
        sigterm_timeout=str(bringup.KILL_WAIT),
        sigkill_timeout=str(bringup.KILL_WAIT),
    )


def _domain(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal():
        raise ConfigurationError(f"domain_id {text!r} is no DDS domain: 0 .. {bringup.MAX_DOMAIN}")
    return int(text)


def _record(namespace: str, environment: dict[str, str]) -> ExecuteProcess:
    prefix = f"/{namespace.strip('/')}" if namespace else ""
    folder = f"go2_{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    topics = [*(f"{prefix}/{topic}" for topic in RECORDED_TOPICS), "/diagnostics"]
    return ExecuteProcess(
        cmd=["ros2", "bag", "record", "--storage", "mcap", "--output", folder, *topics],
        additional_env=environment,
        output="screen",
    )


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` asks for."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
