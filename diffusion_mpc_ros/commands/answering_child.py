"""A module of this package as a child process that answers on its standard output, one JSON object a line."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from diffusion_mpc_ros.core.errors import DiffusionMpcError

# Of its errors, what is said when it has ended [characters].
LAST_WORDS = 500


class ChildError(DiffusionMpcError):
    """The child has ended by itself."""


class AnsweringChild:
    """``python -m MODULE ARGUMENTS`` while a ``with`` statement lasts; it ends at the end of its standard input.

    ``first``: what it says once it is ready. ``log``: where its standard error goes. ``stop_timeout``: how long it may
    take to end [s] before it is killed. ``name``: of the child, for people. Raises ChildError with its last words.
    """

    def __init__(self, name: str, module: str, arguments: list[str], log: Path, stop_timeout: float) -> None:
        self._name, self._log, self._stop_timeout = name, log, stop_timeout
        self._lock = threading.Lock()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        try:
            self.first = self._answer()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, **question: Any) -> dict[str, Any]:
        """Write ``question`` as one line and return the answer; from any thread."""
        with self._lock:
            try:
                self._process.stdin.write(json.dumps(question) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError) as error:
                raise ChildError(f"the {self._name} has ended ({error}): {self._last_words()}") from None
            return self._answer()

    def close(self) -> None:
        """End it; may be called twice."""
        self._process.stdin.close()
        try:
            self._process.wait(self._stop_timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def finish(self) -> None:
        """End it; raises ChildError unless it ends well."""
        self.close()
        if self._process.returncode != 0:
            status = self._process.returncode
            raise ChildError(f"the {self._name} has ended with status {status}: {self._last_words()}")

    def __enter__(self) -> AnsweringChild:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"the {self._name} has ended: {self._last_words()}")
        return json.loads(line)

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-LAST_WORDS:].strip()
