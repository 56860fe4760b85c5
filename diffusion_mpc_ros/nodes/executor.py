"""An executor that a request or an answer which cannot be read does not end.

rclpy decodes services in the executor itself: whatever the middleware raises there leaves ``spin_once``. Topics come as
bytes and are decoded in :mod:`intake`, so that this is what is left. And rclpy raises where another thread destroys a
publisher or a subscription just when the executor looks at it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rclpy.executors import InvalidHandle, SingleThreadedExecutor


class TolerantExecutor(SingleThreadedExecutor):
    """Takes services as rclpy does, but hands what cannot be read to ``refuse(service, reason)`` and goes on."""

    def __init__(self, refuse: Callable[[str, str], object], **options: Any) -> None:
        super().__init__(**options)
        self._refuse = refuse

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Do what is ready, as rclpy does; an entity that another thread destroys meanwhile ends only this turn."""
        with suppress(InvalidHandle):
            super().spin_once(timeout_sec=timeout_sec)

    def _take_service(self, srv: Any) -> Any:
        return self._take(super()._take_service, srv)

    def _take_client(self, client: Any) -> Any:
        return self._take(super()._take_client, client)

    def _take(self, take: Callable[[Any], Any], entity: Any) -> Any:
        try:
            return take(entity)
        except Exception as error:  # noqa: BLE001 - what the middleware raises for foreign bytes has no type of its own
            self._refuse(entity.srv_name, f"what came is no {entity.srv_type.__name__}: {error}")
            return None
