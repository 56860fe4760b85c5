"""Files and folders that are replaced as a whole, and read as a whole meanwhile; what identifies them."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from diffusion_mpc_ros.core.errors import ConfigurationError

Content = TypeVar("Content")

# Of renameat2(2): relative to the working directory; both names stay and change places.
AT_FDCWD, RENAME_EXCHANGE = -100, 2
# How often a folder is read in all while others replace it.
READ_ATTEMPTS = 10


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; after the block it takes the place of the folder ``path`` in one step.

    At every moment ``path`` is the whole folder of before or the whole new one, also when the process or the machine
    stops. After an exception it is that of before. Raises :class:`ConfigurationError` where ``path`` is no folder, or
    the file system cannot exchange two.
    """
    target = path.resolve()
    if target.exists() and not target.is_dir():
        raise ConfigurationError(f"{path} is a file: name another folder, or remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        staging.chmod(0o755)
        yield staging
        for file in staging.iterdir():
            _sync(file)
        _sync(staging)
        if target.exists():
            _exchange(staging, target)
        else:
            staging.rename(target)
        _sync(target.parent)
    finally:
        # What is not wanted: the folder of before, or a new one that was not finished.
        shutil.rmtree(staging, ignore_errors=True)


def read_folder(path: Path, read: Callable[[Path], Content]) -> Content:
    """Return ``read(path)``; what it raises counts only if the folder was not replaced (:func:`replaced_folder`) then.

    ``read`` has to notice when it sees files of two folders, as it does by their hashes.
    """
    for _ in range(READ_ATTEMPTS - 1):
        before = _identity(path)
        try:
            return read(path)
        except Exception:
            if _identity(path) == before:
                raise
    return read(path)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(data: Any) -> str:
    """One text per value: sorted keys, no spaces, exact floats; refuses NaN and infinity with ValueError."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_text_atomically(path: Path, text: str) -> None:
    """Replace ``path`` with ``text`` in one step."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells one folder from the next; a file system gives the number of a removed one away again."""
    try:
        status = os.stat(path)
        return status.st_ino, status.st_mtime_ns
    except (OSError, ValueError):  # ValueError: a name with a null byte
        return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(first: Path, second: Path) -> None:
    """Let two folders change places in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
        raise ConfigurationError(
            f"the file system of {second} cannot replace a folder in one step ({os.strerror(code)}), and it is not "
            "removed before the new one is there: name a folder that does not exist, or one on another file system"
        )
    raise OSError(code, os.strerror(code), str(second))
