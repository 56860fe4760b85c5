"""Start the simulated Go2 alone: rt/lowstate and rt/sportmodestate out, rt/lowcmd in, in real time.

examples:
  diffusion-mpc simulate --viewer
  diffusion-mpc simulate --viewer --ground stairs:0.08
  diffusion-mpc simulate --parameters friction=0.4 payload=3.0
"""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands.launch import parse_parameters, run_processes
from diffusion_mpc_ros.core.settings import Settings, same
from diffusion_mpc_ros.simulation.ground.ground import Ground

NODE = "go2_simulator"


@dataclass(frozen=True)
class Config(Settings):
    """The simulated robot and where its topics are."""

    network_interface: str = same(bringup.Options, "network_interface")
    domain_id: int | None = same(bringup.Options, "domain_id")
    viewer: bool = same(bringup.Options, "viewer")
    ground: str = "flat"
    """What the robot stands on: NAME[:DIFFICULTY][@SEED], such as slope:15 or cobbles:0.06 (docs/ground.md)."""
    parameters: tuple[str, ...] = ()
    """Settings of the simulator: NAME=VALUE, as in config/go2_simulator.yaml; `diffusion-mpc settings` lists them."""


def main(config: Config) -> int:
    """Run until Ctrl-C."""
    assignments = (f"ground={Ground.parse(config.ground)}", *config.parameters)
    options = bringup.BringupOptions(
        network_interface=config.network_interface,
        domain_id=config.domain_id,
        viewer=config.viewer,
        parameters=parse_parameters([f"{NODE}.{assignment}" for assignment in assignments]),
    )
    specs = [spec for spec in bringup.processes(options) if spec.name == NODE]
    return run_processes(specs, bringup.environment(sim=True))
