"""See the robot in a web browser, steer its rewards, stop it; beside a controller that runs already.

It shows the robot as it is and its plan as a ghost, where the planner's candidates put the feet, contacts and forces,
plots of velocity, plan latency and penalty. Closing the browser, or this command, changes nothing for the robot, except
that an emergency stop pressed there is no longer asserted; its fault stays until cleared. `diffusion-mpc launch --view`
and `diffusion-mpc run --view` start it with the controller.

examples:
  diffusion-mpc view
  diffusion-mpc view --namespace anna --port 8081
  diffusion-mpc view --address 0.0.0.0        from other computers, with a token (docs/view.md)
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import Settings, same
from diffusion_mpc_ros.nodes.settings import ViewSettings


@dataclass(frozen=True)
class Config(Settings):
    """Whom to show, and to whom."""

    namespace: str = same(bringup.Options, "namespace")
    address: str = same(ViewSettings, "address")
    port: int = same(ViewSettings, "port")
    rate: float = same(ViewSettings, "rate")


def main(config: Config) -> None:
    """Become the node ``view``; raises ConfigurationError for an option that does not fit."""
    given = {name: getattr(config, name) for name in ("address", "port", "rate")}
    options = bringup.BringupOptions(namespace=config.namespace, view=True, parameters={"view": given})
    (spec,) = [spec for spec in bringup.processes(options) if spec.name == "view"]
    command = [sys.executable, "-m", f"{bringup.PACKAGE}.nodes.{spec.executable}", *bringup.ros_arguments(spec)]
    sys.stdout.flush()
    try:
        # The same process: Ctrl-C, a closed terminal and an exit status are the node's own.
        os.execv(sys.executable, command)
    except OSError as error:
        raise ConfigurationError(f"the view cannot be started: {error}") from None
