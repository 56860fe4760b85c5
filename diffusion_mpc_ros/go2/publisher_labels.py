"""Who publishes on a topic, by the labels that publishers of this project carry."""

from __future__ import annotations

import threading
from typing import Any

from diffusion_mpc_ros.go2 import participants, sdk

# The DDS library converts the QoS of a writer through buffers that all threads share.
_lock = threading.Lock()


class PublisherLabels:
    """The labels of the publishers that ``reader`` is matched with."""

    def __init__(self, reader: sdk.DataReader[Any]) -> None:
        self._reader = reader
        self._known: dict[int, str] = {}  # by handle of the writer

    def now(self) -> list[str]:
        """Return the label of every publisher, this process's own included; ``""`` for one without a label.

        Cheap enough for every control tick: a publisher's label is looked up once, when it appears.
        """
        known = self._known
        labels = {
            handle: known[handle] if handle in known else _label(self._reader, handle)
            for handle in participants.matched(self._reader.get_matched_publications)
        }
        self._known = labels
        return list(labels.values())


def _label(reader: sdk.DataReader[Any], handle: int) -> str:
    """Return the label of one matched writer; ``""`` also where it cannot be told: such a writer is nobody's own.

    What discovery delivers is foreign: names, partitions and user data may be any bytes, and the DDS library raises
    whatever it raises while it turns them into Python objects.
    """
    try:
        with _lock:
            endpoint = reader.get_matched_publication_data(handle)
        user_data = endpoint.qos[sdk.Policy.Userdata] if endpoint is not None else None
        return user_data.data.decode() if user_data is not None else ""
    except Exception:  # noqa: BLE001
        return ""
