"""Diagnostic statuses."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue


def diagnostic_status(name: str, robot: str, level: bytes, text: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """One diagnostic status of ``robot``; ``level`` is one of DiagnosticStatus's."""
    status = DiagnosticStatus(name=name, hardware_id=robot, level=level, message=text)
    status.values = [
        KeyValue(key=key, value=f"{value:.6g}" if isinstance(value, float) else str(value))
        for key, value in values.items()
    ]
    return status
