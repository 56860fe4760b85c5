"""The messages of a bag in their order, as far as they can be read: what is damaged is left out and told."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import zstandard
from mcap.records import Channel, Chunk, Footer, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap_ros2.decoder import DecoderFactory

from diffusion_mpc_ros.core.errors import BagError, brief

# The first bytes of what else is taken for a bag.
MAGIC = b"\x89MCAP0\r\n"
OTHER_FORMATS = {
    b"SQLite format 3": "an SQLite bag; convert it with `ros2 bag convert` to storage mcap",
    b"#ROSBAG V": "a bag of ROS 1; convert it with `rosbags-convert`",
}
# No chunk that a recorder writes is larger [bytes]; one that says so would only fill the memory.
MAX_CHUNK = 256 * 2**20


@dataclass(frozen=True)
class Source:
    """A topic of one type; ``decode`` makes an object with the type's fields of a message's bytes, and may raise."""

    topic: str
    type_name: str
    decode: Callable[[bytes], Any]


@dataclass(frozen=True)
class Record:
    """A message with the time of its receipt [ns since 1970]."""

    source: Source
    log_time: int
    data: bytes


class BagReader:
    """Iterates once over the :class:`Record` of the MCAP file ``path``, or of the files of such a folder.

    Afterwards ``damage`` says what could not be read, a line each, and ``metadata`` holds what the recorders say of
    themselves: name and content. Raises BagError for what is no such bag.
    """

    def __init__(self, path: Path) -> None:
        self.damage: list[str] = []
        self.metadata: list[tuple[str, dict[str, Any]]] = []
        self._files = _files(path)

    def __iter__(self) -> Iterator[Record]:
        for file in self._files:
            yield from _FileReader(file, self).records()


class _FileReader:
    """One file of a bag; schemas and channels have a meaning only within it."""

    def __init__(self, path: Path, bag: BagReader) -> None:
        self._path, self._bag = path, bag
        self._schemas: dict[int, Schema] = {}
        self._sources: dict[int, Source] = {}
        self._decoders = DecoderFactory()
        self._unreadable = 0  # chunks

    def records(self) -> Iterator[Record]:
        with open(self._path, "rb") as file:
            for record in self._container(file):
                found = self._take(record)
                if found is not None:
                    yield found
        if self._unreadable:
            self._bag.damage.append(f"{self._path.name}: {self._unreadable} chunks are corrupt and left out")

    def _container(self, file: BinaryIO) -> Iterator[McapRecord]:
        """Yield the records of the file, those of a chunk one by one, until its end or what is not readable."""
        size, whole = self._path.stat().st_size, False
        stream = StreamReader(file, emit_chunks=True, record_size_limit=size)
        records = iter(stream.records)
        while True:
            try:
                record = next(records)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - what damaged bytes make the library raise has no type of its own
                at, cause = file.tell(), "its recorder was killed, the disk was full, or the copy is not complete"
                text = (
                    f"cut off at byte {size}: {cause}" if at >= size else f"not readable from byte {at} on: {error!r}"
                )
                self._bag.damage.append(f"{self._path.name}: {'its end is damaged' if whole else text}")
                break
            whole = whole or isinstance(record, Footer)
            if isinstance(record, Chunk):
                yield from self._unpack(record)
            else:
                yield record

    def _unpack(self, chunk: Chunk) -> list[McapRecord]:
        try:
            stated = zstandard.frame_content_size(chunk.data) if chunk.compression == "zstd" else len(chunk.data)
            if max(stated, chunk.uncompressed_size) > MAX_CHUNK:
                raise BagError(f"a chunk of {max(stated, chunk.uncompressed_size)} bytes")
            return breakup_chunk(chunk, validate_crc=True)
        except Exception:  # noqa: BLE001 - as above
            self._unreadable += 1
            return []

    def _take(self, record: McapRecord) -> Record | None:
        if isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            # Told again in the index at the end.
            if record.id not in self._sources:
                self._sources[record.id] = self._source(record)
        elif isinstance(record, Metadata):
            self._note(record)
        elif isinstance(record, Message) and record.channel_id in self._sources:
            return Record(self._sources[record.channel_id], record.log_time, record.data)
        return None

    def _source(self, channel: Channel) -> Source:
        schema = self._schemas.get(channel.schema_id)
        name = schema.name if schema is not None else ""
        try:
            # The parser prints what it cannot read; the reason is told with the messages.
            with contextlib.redirect_stderr(io.StringIO()):
                decode = self._decoders.decoder_for(channel.message_encoding, schema)
            reason = f"encoding {channel.message_encoding!r} of schema {schema.encoding if schema else 'none'!r}"
        except Exception as error:  # noqa: BLE001 - a definition is foreign text
            decode, reason = None, f"its definition is not readable: {error!r}"
        return Source(channel.topic, name, decode or _refuse(reason))

    def _note(self, metadata: Metadata) -> None:
        try:
            content = json.loads(metadata.metadata.get("json", "{}"))
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            self._bag.metadata.append((metadata.name, content))
        else:
            self._bag.damage.append(f"{self._path.name}: its record {brief(metadata.name)} is no JSON object")


def _refuse(reason: str) -> Callable[[bytes], Any]:
    def decode(_: bytes) -> Any:
        raise BagError(reason)

    return decode


def _files(path: Path) -> list[Path]:
    """The MCAP files of a bag: ``path`` itself, or those of the folder ``path`` in their order."""
    if not path.exists():
        raise BagError(f"there is no {path}")
    if not path.is_dir():
        _check_format(path)
        return [path]
    # ros2 bag numbers the files of a bag: bag_0, bag_1, ... bag_10.
    files = sorted(path.glob("*.mcap"), key=lambda file: (len(file.name), file.name))
    if not files:
        others = sorted(file.name for file in path.iterdir())
        raise BagError(f"the folder {path} holds no MCAP file (*.mcap), only {brief(others)}")
    for file in files:
        _check_format(file)
    return files


def _check_format(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(16)
    if start.startswith(MAGIC):
        return
    if not start:
        raise BagError(f"{path} is empty: nothing was recorded, or its disk was full")
    known = next((text for magic, text in OTHER_FORMATS.items() if start.startswith(magic)), None)
    raise BagError(f"{path} is {known or f'no MCAP file: it begins with {start[:8]!r}'}")
