"""A node in the ROS graph for whoever is not one: it spins in a thread of its own, calls services and waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.nodes.executor import TolerantExecutor
from diffusion_mpc_ros.nodes.intake import Intake
from diffusion_mpc_ros.nodes.runtime import SPIN_TIMEOUT

if TYPE_CHECKING:
    from typing_extensions import Self

SERVICE_TIMEOUT = 5.0
# A node that was started just now needs time to import, load and be discovered.
DISCOVERY_TIMEOUT = 15.0


class OperatorError(DiffusionMpcError):
    """A node did not answer, or refused what was asked."""


class GraphClient:
    """Owns context, node, executor and the thread in which the node's callbacks run."""

    def __init__(self, name: str, namespace: str = "") -> None:
        self._changed = threading.Condition()
        self._context = rclpy.Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(
            name, namespace=namespace, context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self.intake = Intake(self._node)
        self._executor = TolerantExecutor(self.intake.refuse, context=self._context)
        self._executor.add_node(self._node)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)
        self._thread.start()

    @property
    def node(self) -> Node:
        """The node itself, for whoever subscribes to or publishes more; callbacks run in its thread."""
        return self._node

    def close(self) -> None:
        """Leave the ROS graph."""
        self._closed.set()
        self._thread.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait at most ``timeout`` [s] until ``condition`` holds; looked at whenever :meth:`notify` is called."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def notify(self) -> None:
        """For callbacks: something has come that somebody may wait for."""
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def service(self, service_type: type, name: str) -> Iterator[Callable[[Any], Future]]:
        """Return a function that calls a service and waits for no answer.

        Raises OperatorError when nobody serves it.
        """
        client = self._node.create_client(service_type, name)
        try:
            if not client.wait_for_service(timeout_sec=DISCOVERY_TIMEOUT):
                raise OperatorError(
                    f"no service {client.service_name!r} within {DISCOVERY_TIMEOUT:.0f} s: is robot or simulation "
                    "running, in this ROS_DOMAIN_ID and namespace?"
                )
            yield client.call_async
        finally:
            self._node.destroy_client(client)

    def call(self, service_type: type, name: str, request: Any, timeout: float = SERVICE_TIMEOUT) -> Any:
        """Return the answer of a service; raises OperatorError when none comes within ``timeout`` [s]."""
        with self.service(service_type, name) as call:
            done = threading.Event()
            future = call(request)
            future.add_done_callback(lambda _: done.set())
            if not done.wait(timeout):
                name = self._node.resolve_service_name(name)
                raise OperatorError(f"service {name!r} did not answer within {timeout:.0f} s")
            return future.result()

    def _spin(self) -> None:
        # Not the executor's own loop: ending that from another thread destroys what a running callback still needs.
        while not self._closed.is_set():
            self._executor.spin_once(timeout_sec=SPIN_TIMEOUT)
            for line in self.intake.take_lines():
                self._node.get_logger().warning(line)
