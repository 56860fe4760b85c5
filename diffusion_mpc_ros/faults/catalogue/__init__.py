"""Every fault that is tried: what is injected, what has to be seen, and for how long it acts."""

from diffusion_mpc_ros.faults.catalogue.authority import AUTHORITY
from diffusion_mpc_ros.faults.catalogue.basic import BASIC
from diffusion_mpc_ros.faults.catalogue.clock import CLOCK
from diffusion_mpc_ros.faults.catalogue.ending import ENDING
from diffusion_mpc_ros.faults.catalogue.fault import Fault
from diffusion_mpc_ros.faults.catalogue.held import HELD
from diffusion_mpc_ros.faults.catalogue.neighbour import NEIGHBOUR
from diffusion_mpc_ros.faults.catalogue.operator import OPERATOR
from diffusion_mpc_ros.faults.catalogue.robot import ROBOT

__all__ = ["CATALOGUE", "Fault"]

CATALOGUE = (*BASIC, *OPERATOR, *AUTHORITY, *NEIGHBOUR, *ROBOT, *ENDING, *HELD, *CLOCK)
