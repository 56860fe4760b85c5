"""A bag that is written: chunk by chunk, each of which can be read whatever happens after it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from mcap.well_known import MessageEncoding, Profile, SchemaEncoding
from mcap.writer import CompressionType, Writer

from diffusion_mpc_ros.bags.definitions import full_definition
from diffusion_mpc_ros.core.errors import ConfigurationError

# A chunk ends at this size at the latest [bytes]; :meth:`BagWriter.flush` ends one before.
CHUNK_SIZE = 256 * 1024


class BagWriter:
    """Writes the new file ``path``; an error of the system (OSError) ends it, whole up to the last chunk.

    Raises ConfigurationError where ``path`` exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _File(path)
        self._good = 0  # [bytes], of the file with its last whole chunk
        # The writer only writes, flushes and asks where it is.
        self._writer = Writer(cast(IO[Any], self._file), chunk_size=CHUNK_SIZE, compression=CompressionType.ZSTD)
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}
        self._writer.start(profile=Profile.ROS2, library="diffusion_mpc_ros")

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def add(self, topic: str, type_name: str, log_time: int, publish_time: int, data: bytes, sequence: int = 0) -> None:
        """Add the CDR message ``data`` of ``type_name``; times in ns since 1970. Raises OSError."""
        channel = self._channels.get((topic, type_name)) or self._register(topic, type_name)
        self._writer.add_message(channel, log_time, data, publish_time, sequence)

    def add_metadata(self, name: str, content: Mapping[str, Any]) -> None:
        """Add ``content`` as JSON, at once in the file. Raises OSError."""
        self.flush()
        self._writer.add_metadata(name, {"json": json.dumps(content, allow_nan=False)})
        self._good = self._file.tell()

    def flush(self) -> None:
        """End the chunk: what was added is in the file, whatever becomes of this process. Raises OSError."""
        self._writer.flush()
        self._good = self._file.tell()

    def sync(self) -> None:
        """Wait until the disk has what was flushed, for the case that the machine stops. Raises OSError."""
        self._file.sync()

    def close(self) -> None:
        """Write the index and close the file; raises OSError when there is no room for it."""
        self._writer.finish()
        self._file.sync()
        self._file.close()

    def abandon(self) -> bool:
        """Close after an error; what was not yet whole is cut off. Whether there was room for the index."""
        with contextlib.suppress(OSError):
            self._file.truncate(self._good)
        with contextlib.suppress(OSError):
            self.close()
            return True
        with contextlib.suppress(OSError):
            self._file.truncate(self._good)
        with contextlib.suppress(OSError):
            self._file.close()
        return False

    def _register(self, topic: str, type_name: str) -> int:
        if type_name not in self._schemas:
            text = full_definition(type_name).encode()
            self._schemas[type_name] = self._writer.register_schema(type_name, SchemaEncoding.ROS2, text)
        channel = self._writer.register_channel(topic, MessageEncoding.CDR, self._schemas[type_name])
        self._channels[topic, type_name] = channel
        return channel


class _File:
    """A file without a buffer of its own: after an error nothing is left to be written later."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise ConfigurationError(f"{path} exists and is not overwritten: name another file") from None
        self._position = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            self._position += written
            view = view[written:]
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing is kept back."""

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        self._position = os.lseek(self._descriptor, size, os.SEEK_SET)

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)
