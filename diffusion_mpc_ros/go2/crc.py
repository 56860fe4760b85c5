"""The checksum of Unitree's low-level messages."""

from __future__ import annotations

import numpy as np
from fastcrc import crc32


def low_level_crc(record: np.ndarray | bytearray) -> int:
    """CRC of a LowCmd or LowState, or of its C structure (:mod:`.wire`), its last word (the CRC itself) left out.

    Unitree feeds 32-bit words, most significant bit first, into CRC-32/MPEG-2 (initial value 0xFFFFFFFF, polynomial
    0x04C11DB7, no reflection, no final xor); on bytes that is the CRC of every little-endian word turned round.
    """
    raw = record if isinstance(record, bytearray) else record.tobytes()
    words = np.frombuffer(raw, dtype="<u4")[:-1]
    return crc32.mpeg_2(words.byteswap().tobytes())
