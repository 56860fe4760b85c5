"""What every node of this project has in common, beside how its process runs (:mod:`.runtime`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from builtin_interfaces.msg import Time
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from rclpy.service import Service
from rclpy.timer import Timer

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.settings import Declaration, declarations
from diffusion_mpc_ros.nodes.diagnostics_publisher import DiagnosticsPublisher, Status
from diffusion_mpc_ros.nodes.end_requests import EndRequests
from diffusion_mpc_ros.nodes.intake import Intake
from diffusion_mpc_ros.nodes.parameters import Kind, declare, describe_unusable
from diffusion_mpc_ros.realtime.memory import lock_memory

# How long a node may take to end in order [s].
END_TIMEOUT = 8.0
DIAGNOSTICS_PERIOD, LOG_PERIOD = 1.0, 0.1
USE_SIM_TIME = "use_sim_time"


class ManagedNode(Node):
    """A node that ends in order, whose threads can end its process, and that no message ends.

    The end: :meth:`end` once, then callbacks as before until :attr:`ended` or ``end_timeout`` [s], then :meth:`close`.
    Others' messages come through :attr:`intake`. ``/diagnostics`` tells :meth:`status` and what was refused, each
    second. Time is the machine's: the robot and its simulators live in real time, whatever ``use_sim_time`` says.
    """

    end_timeout: ClassVar[float] = END_TIMEOUT
    # Those of this process; also while a node is being made.
    requests: ClassVar[EndRequests | None] = None

    def __init__(self, name: str) -> None:
        try:
            super().__init__(name)
        except InvalidParameterTypeException as error:
            raise ConfigurationError(f"parameter {USE_SIM_TIME!r} of {name}: {error}") from error
        self.intake = Intake(self)
        self._declared: dict[str, Declaration] = {}
        self.failure: BaseException | None = None
        self.memory_locked = lock_memory()
        self._keep_real_time()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.every(DIAGNOSTICS_PERIOD, DiagnosticsPublisher(self, self.intake, self.status).publish)
        self.every(LOG_PERIOD, self.log_lines)

    def declare(self, kind: type[Kind]) -> Kind:
        """Declare the settings ``kind`` as parameters; their values. Raises ConfigurationError in words."""
        self._declared |= declarations(kind)
        return declare(self, kind)

    @property
    def end_requested(self) -> bool:
        """Whether the process is asked to end."""
        return self.requests is not None and self.requests.made

    def fail(self, error: BaseException) -> None:
        """End the process because of ``error``, from any thread; the first error counts."""
        self.failure = self.failure or error

    def end(self) -> None:
        """Begin to end in order; called once, in the executor's thread."""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be done in order."""
        return True

    def hurry(self) -> None:
        """End at once: somebody has asked a second time; called once, between :meth:`end` and :meth:`close`."""

    def close(self) -> None:
        """Stop threads and release what the node holds; called once, also after an error."""

    def status(self) -> Status | None:
        """Return what ``/diagnostics`` says of this node; None for nothing yet."""
        return None

    def stamp(self) -> Time:
        """Return now, for the header of a message."""
        return self.get_clock().now().to_msg()

    def every(self, period: float, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` each ``period`` [s] of a clock that nobody sets, neither ROS time nor the date."""
        return self.create_timer(period, callback, clock=self._steady)

    def log_lines(self) -> None:
        """Log what was refused since the last call."""
        for line in self.intake.take_lines():
            self.get_logger().warning(line)

    def create_service(self, srv_type: type, srv_name: str, callback: Callable[..., Any], **options: Any) -> Service:
        """Do as rclpy, but have its services for parameters refuse values that would end the node or mean nothing."""
        if srv_type in (SetParameters, SetParametersAtomically):
            return super().create_service(srv_type, srv_name, self._refusing_values(callback), **options)
        return super().create_service(srv_type, srv_name, callback, **options)

    def _refusing_values(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        def handle(request: Any, response: Any) -> Any:
            reason = describe_unusable(request.parameters, self._declared)
            if not reason:
                return callback(request, response)
            self.intake.refuse("parameters", reason)
            refusal = SetParametersResult(successful=False, reason=reason)
            if isinstance(response, SetParameters.Response):
                response.results = [refusal] * len(request.parameters)
            else:
                response.result = refusal
            return response

        return handle

    def _keep_real_time(self) -> None:
        if self.get_parameter(USE_SIM_TIME).value:
            self.set_parameters([RosParameter(USE_SIM_TIME, value=False)])
            self.get_logger().warning(f"{USE_SIM_TIME} is ignored: robot and simulator run in real time")

        def refuse(parameters: list[RosParameter]) -> SetParametersResult:
            asked = any(parameter.name == USE_SIM_TIME and parameter.value for parameter in parameters)
            reason = "robot and simulator run in real time" if asked else ""
            return SetParametersResult(successful=not asked, reason=reason)

        self.add_on_set_parameters_callback(refuse)
