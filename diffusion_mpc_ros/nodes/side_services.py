"""Services whose answers take long, in a node and a thread of their own: whoever owns them goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from diffusion_mpc_ros.core.errors import DiffusionMpcError
from diffusion_mpc_ros.nodes.companion import companion
from diffusion_mpc_ros.nodes.executor import TolerantExecutor
from diffusion_mpc_ros.nodes.managed_node import ManagedNode
from diffusion_mpc_ros.nodes.runtime import SPIN_TIMEOUT
from diffusion_mpc_ros.realtime.scheduling import schedule_thread_ordinarily


class SideServices:
    """Answers requests one after another, for ``owner``; its thread has no real-time priority.

    An error of the thread itself, after which nothing would be answered any more, ends the process of ``owner``.
    """

    def __init__(self, owner: ManagedNode, name: str) -> None:
        self._log, self._fail = owner.get_logger(), owner.fail
        self._node = companion(owner, name, owner.context)
        self._executor = TolerantExecutor(owner.intake.refuse, context=owner.context)
        self._executor.add_node(self._node)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)

    def serve(self, service_type: type, name: str, act: Callable[[Any, Any], str]) -> None:
        """Begin to serve ``name``: ``act(request, response)`` does what is asked, and says what it has done.

        What it raises of the project's own types is the answer, ``success`` false; anything else too, and is logged.
        """

        def answer(request: Any, response: Any) -> Any:
            try:
                response.message, response.success = act(request, response), True
            except DiffusionMpcError as error:
                response.message, response.success = str(error), False
            except Exception as error:  # noqa: BLE001 - a request must not end the thread that answers the next one
                self._log.error(f"{name}: {error!r}")
                response.message, response.success = f"{type(error).__name__}: {error}", False
            self._log.info(f"{name}: {'' if response.success else 'refused: '}{response.message}")
            return response

        self._node.create_service(service_type, name, answer)
        if not self._thread.is_alive():
            self._thread.start()

    def close(self, timeout: float = 2.0) -> None:
        """Stop answering; a request that is being answered is waited for, at most ``timeout`` [s]."""
        self._closed.set()
        self._thread.join(timeout)
        self._executor.shutdown(timeout_sec=timeout)
        self._node.destroy_node()

    def _spin(self) -> None:
        try:
            schedule_thread_ordinarily()
            while not self._closed.is_set():
                self._executor.spin_once(timeout_sec=SPIN_TIMEOUT)
        except Exception as error:
            if not self._closed.is_set():  # else it may come of closing
                self._fail(error)
