"""Start the processes of the controller (and of the simulated Go2) and nothing else; Ctrl-C ends them all in order.

The robot sits down first; a second Ctrl-C makes it lie down at once. So it does when the terminal is closed and when
this command is killed.

Where ROS 2 is installed ``ros2 launch diffusion_mpc_ros go2.launch.py`` starts the same list. A process that refuses
its settings ends them all, and so does the end of command_publisher or the simulator. Without its planner or estimator
command_publisher goes on: the robot stands still and waits for the operator.

examples:
  diffusion-mpc launch --autostart
  diffusion-mpc launch --no-sim --network-interface eth0 --dry-run
  diffusion-mpc launch --no-sim --network-interface eth0
  diffusion-mpc launch --robot unitree_mujoco
  diffusion-mpc launch --parameters planner.candidates=5 go2_simulator.friction=0.4
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from diffusion_mpc_ros import bringup, shell
from diffusion_mpc_ros.commands.process_group import VITAL, ProcessGroup
from diffusion_mpc_ros.core.config_files import parse_value
from diffusion_mpc_ros.core.errors import ConfigurationError, brief
from diffusion_mpc_ros.core.settings import declarations
from diffusion_mpc_ros.nodes.end_requests import EndRequests
from diffusion_mpc_ros.nodes.launcher import lease_environment
from diffusion_mpc_ros.nodes.settings_lookup import find
from diffusion_mpc_ros.realtime import output


@dataclass(frozen=True)
class Config(bringup.Options):
    """Which processes to start, and where the robot is."""

    record: bool = False
    """Record the robot's topics to an MCAP file in this folder (diffusion-mpc record)."""
    end_together: bool = False
    """End all processes when any one but the view has ended by itself."""
    parameters: tuple[str, ...] = ()
    """Node settings: NODE.NAME=VALUE, as in config/NODE.yaml; `diffusion-mpc settings` lists them."""

    def options(self) -> bringup.BringupOptions:
        """Return checked options; raises ConfigurationError."""
        given = {name: getattr(self, name) for name in declarations(bringup.Options)}
        return bringup.BringupOptions(**given, parameters=parse_parameters(self.parameters, self.planner))


def main(config: Config) -> int:
    """Run until Ctrl-C or until the processes have to end; the exit status of the first that ended."""
    options = config.options()
    shell.check(os.environ)
    output.never_block()
    record = bringup.record_command(options) if config.record else ()
    environment = bringup.environment(options.simulated)
    return run_processes(bringup.processes(options), environment, config.end_together, record)


def run_processes(
    specs: Sequence[bringup.ProcessSpec],
    environment: dict[str, str],
    end_together: bool = False,
    record: Sequence[str] = (),
) -> int:
    """Run ``specs`` with one output, each line with its process's name; the exit status of the first that ended.

    ``end_together``: all end when any one does, else only for one that the others cannot do without. ``record``: the
    command of a recorder beside them, without which they always go on; none where it is empty.
    """
    # Nobody who only looks ends a walk.
    vital = [spec.name for spec in specs if spec.name != bringup.VIEW] if end_together else VITAL
    group = ProcessGroup(EndRequests(), vital=vital)
    variables = {**os.environ, **environment, **lease_environment(), "PYTHONUNBUFFERED": "1"}
    for spec in specs:
        module = f"{bringup.PACKAGE}.nodes.{spec.executable}"
        command = shlex.join([sys.executable, "-m", module, *bringup.ros_arguments(spec)])
        group.add(spec.name, f"exec {command}", variables)
    if record:
        group.add(bringup.RECORDER, f"exec {shlex.join(record)}", variables)
    return group.run()


def parse_parameters(assignments: Sequence[str], planner: str = bringup.Options.planner) -> dict[str, dict[str, Any]]:
    """``NODE.NAME=VALUE`` by node and name, in the declared types; raises ConfigurationError."""
    parameters: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        target, equals, text = assignment.partition("=")
        node, dot, name = target.partition(".")
        if not (node and dot and name and equals):
            raise ConfigurationError(f"{brief(assignment)} is no NODE.NAME=VALUE, such as planner.candidates=5")
        if name in parameters.get(node, {}):
            raise ConfigurationError(f"{target} is given twice")
        try:
            parameters.setdefault(node, {})[name] = parse_value(find(node, name, planner), text)
        except ConfigurationError as error:
            raise ConfigurationError(f"{brief(assignment)}: {error}") from None
    return parameters
