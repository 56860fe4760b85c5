"""Start Diffusion-MPC on the simulated or the real Go2: the processes that ``diffusion_mpc_ros.bringup`` lists.

ros2 launch diffusion_mpc_ros go2.launch.py sim:=true autostart:=true
ros2 launch diffusion_mpc_ros go2.launch.py robot:=unitree_mujoco
ros2 launch diffusion_mpc_ros go2.launch.py sim:=false network_interface:=eth0
ros2 launch diffusion_mpc_ros go2.launch.py planner.candidates:=5 go2_simulator.friction:=0.4
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch_ros.actions import Node

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands.launch import parse_parameters
from diffusion_mpc_ros.core.config_files import parse_value
from diffusion_mpc_ros.core.resources import share_directory
from diffusion_mpc_ros.core.settings import Declaration, Setting, declarations
from diffusion_mpc_ros.nodes.launcher import lease_environment

OPTIONS = declarations(bringup.Options)
EXTRAS = {
    name: Declaration(name, bool, False, Setting(description))
    for name, description in (("rviz", "Open rviz2."), ("record", "Record the robot's topics to an MCAP bag."))
}


def declare(name: str, declaration: Declaration, value: object) -> DeclareLaunchArgument:
    """The launch argument of an option, or of a node's setting; its text is read as on the command line."""
    choices = {"choices": ["true", "false"]} if declaration.base is bool else {}
    description = f"{declaration.setting.description} {declaration.expected.capitalize()}."
    return DeclareLaunchArgument(name, default_value=bringup.text(value), description=description, **choices)


# All that can be set: the options, then NODE.NAME as in config/NODE.yaml.
ARGUMENTS = (
    *(declare(name, entry, entry.default) for name, entry in (OPTIONS | EXTRAS).items()),
    *(declare(name, entry, value) for name, (entry, value) in bringup.overridable().items()),
)


def start(context: LaunchContext) -> list[Node | ExecuteProcess]:
    """The actions for the arguments as given; raises ConfigurationError in words for what does not fit."""
    given = context.launch_configurations
    values = {name: parse_value(entry, given[name]) for name, entry in (OPTIONS | EXTRAS).items()}
    rviz, record = (values.pop(name) for name in EXTRAS)
    defaults = {name: bringup.text(value) for name, (_, value) in bringup.overridable().items()}
    # A name with a dot is a node's setting, declared or, of a planner of one's own, not.
    overrides = [f"{name}={text}" for name, text in given.items() if "." in name and text != defaults.get(name)]
    options = bringup.BringupOptions(**values, markers=rviz, parameters=parse_parameters(overrides, values["planner"]))
    environment = {**bringup.environment(options.simulated), **lease_environment()}
    actions = [node_action(spec, environment) for spec in bringup.processes(options)]
    if rviz:
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
    if record:
        actions.append(_record(options, environment))
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


def _record(options: bringup.BringupOptions, environment: dict[str, str]) -> ExecuteProcess:
    return ExecuteProcess(
        name=bringup.RECORDER,
        cmd=bringup.record_command(options),
        additional_env=environment,
        output="screen",
        # It records how the robot sits down, and ends after the nodes.
        sigterm_timeout=str(bringup.KILL_WAIT),
        sigkill_timeout=str(bringup.KILL_WAIT),
    )


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` asks for."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
