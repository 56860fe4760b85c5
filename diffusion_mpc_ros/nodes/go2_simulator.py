"""The node ``go2_simulator``: a MuJoCo Go2 in real time behind ``rt/lowcmd``, ``rt/lowstate``, ``rt/sportmodestate``.

It starts lying and limp, as the robot does. ``external_wrench`` (geometry_msgs/WrenchStamped, force in the world
frame) pushes its base and ``remote_input`` (sensor_msgs/Joy) is its remote, both for as long as messages come; the
parameters ``friction``, ``payload``, ``payload_position`` and ``motor_strength`` can change meanwhile. So can
``robot_controller``: the robot then says that this controller of its own commands the motors, until released. Where the
ground is not flat it is drawn on ``ground`` (visualization_msgs/MarkerArray).
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import WrenchStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter as RosParameter
from sensor_msgs.msg import Joy
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from diffusion_mpc_ros.core.closing import close_all
from diffusion_mpc_ros.core.gamepad import GamepadState
from diffusion_mpc_ros.go2.remote import encode_remote
from diffusion_mpc_ros.nodes.conversions.gamepads import read_xbox
from diffusion_mpc_ros.nodes.conversions.ground import ground_message
from diffusion_mpc_ros.nodes.conversions.inputs import read_push_force
from diffusion_mpc_ros.nodes.managed_node import END_TIMEOUT, ManagedNode
from diffusion_mpc_ros.nodes.parameters import frame_prefix
from diffusion_mpc_ros.nodes.qos import RELIABLE, SETTINGS
from diffusion_mpc_ros.nodes.robot_domain import join
from diffusion_mpc_ros.nodes.robot_settings import FRAME_PREFIX
from diffusion_mpc_ros.nodes.runtime import run
from diffusion_mpc_ros.nodes.settings import Go2SimulatorSettings
from diffusion_mpc_ros.nodes.simulation_loop import SimulationLoop
from diffusion_mpc_ros.realtime.scheduling import schedule_realtime
from diffusion_mpc_ros.simulation.ground.ground import Ground
from diffusion_mpc_ros.simulation.model import ModelOptions
from diffusion_mpc_ros.simulation.render import Viewer
from diffusion_mpc_ros.simulation.robot import Go2Simulation, Pose

# One message pushes this long [s]; a stream of them pushes without a gap.
PUSH_DURATION = 0.1
# How far from the origin the ground is drawn, and how finely [m]; in the odometry frame, which begins there.
DRAWN_HALF, DRAWN_CELL = 6.0, 0.12
GROUND_FRAME = "odom"


class Go2SimulatorNode(ManagedNode):
    """Hands pushes and parameters to the :class:`SimulationLoop`; at the end outlives whoever commands the robot."""

    # Longer than command_publisher may take: without a robot there is nothing to lay down.
    end_timeout = END_TIMEOUT + 1.0

    def __init__(self) -> None:
        super().__init__("go2_simulator")
        settings = self.declare(Go2SimulatorSettings)
        ground = Ground.parse(settings.ground)
        simulation = Go2Simulation(ModelOptions(friction=settings.friction, visual=settings.viewer, ground=ground))
        simulation.set_payload(settings.payload, settings.payload_position)
        simulation.set_motor_strength(settings.motor_strength)
        self._ground = self.create_publisher(MarkerArray, "ground", SETTINGS)
        if not ground.flat:
            frame = frame_prefix(self, FRAME_PREFIX) + GROUND_FRAME
            self._ground.publish(ground_message(ground.triangles(DRAWN_HALF, DRAWN_CELL), self.stamp(), frame))
        viewer = Viewer(simulation) if settings.viewer else None
        # Nothing else on this machine would delay a real robot; the physics thread inherits it.
        schedule_realtime(settings.realtime_priority)
        self._domain = join(self, settings)
        self._loop = SimulationLoop(
            self._domain, simulation, viewer, self.fail, settings.robot_controller, settings.releases_needed
        )
        self.intake.subscribe(WrenchStamped, "external_wrench", read_push_force, self._on_push, RELIABLE)
        self.intake.subscribe(Joy, "remote_input", read_xbox, self._on_remote, RELIABLE)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.add_on_set_parameters_callback(self._on_parameters)

    @property
    def ended(self) -> bool:
        """Whether nobody commands the robot any more, or there is none."""
        return self.failure is not None or not self._loop.commanded

    def close(self) -> None:
        """Stop the physics, leave the topics."""
        close_all(self._loop.close, self._domain.close)

    def _on_push(self, force_w: np.ndarray) -> None:
        self._loop.post(lambda simulation: simulation.push(force_w, PUSH_DURATION))

    def _on_remote(self, state: GamepadState) -> None:
        data = encode_remote(state)
        self._loop.post(lambda simulation: simulation.set_remote(data))

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._loop.post(lambda simulation: simulation.reset(Pose.LYING))
        response.success, response.message = True, "the robot lies at the origin"
        return response

    def _on_parameters(self, parameters: list[RosParameter]) -> SetParametersResult:
        values = {parameter.name: parameter.value for parameter in parameters}
        if "robot_controller" in values:
            self._loop.activate_controller(values["robot_controller"])
        if "friction" in values:
            self._loop.post(lambda simulation: simulation.set_friction(values["friction"]))
        if values.keys() & {"payload", "payload_position"}:
            payload = [values.get(name, self.get_parameter(name).value) for name in ("payload", "payload_position")]
            self._loop.post(lambda simulation: simulation.set_payload(*payload))
        if "motor_strength" in values:
            self._loop.post(lambda simulation: simulation.set_motor_strength(values["motor_strength"]))
        return SetParametersResult(successful=True)


def main() -> None:
    """Console entry point."""
    run(Go2SimulatorNode)


if __name__ == "__main__":
    main()
