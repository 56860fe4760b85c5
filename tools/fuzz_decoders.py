#!/usr/bin/env python3
"""Feeds bytes to everything that decodes what came from outside, guided by coverage.

pip install -r requirements/fuzz.txt
python tools/fuzz_decoders.py -max_total_time=300 [CORPUS_FOLDER]     libFuzzer's options

Every target may raise this project's typed errors and nothing else, and what it decodes must be finite; test/fuzz feeds
the same targets from hypothesis. The first byte of an input chooses the target.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

try:
    import atheris
except ImportError:  # the targets alone need no atheris
    atheris = None

with atheris.instrument_imports(include=["diffusion_mpc_ros"]) if atheris else contextlib.nullcontext():
    from diffusion_mpc_ros.artefacts.card import CARD_FILE
    from diffusion_mpc_ros.artefacts.kinds import WEIGHTS_FILE
    from diffusion_mpc_ros.constraints.registry import CONSTRAINTS
    from diffusion_mpc_ros.control.settings import parse_safety_settings
    from diffusion_mpc_ros.core import config_files
    from diffusion_mpc_ros.core.errors import DiffusionMpcError
    from diffusion_mpc_ros.diffusion import prior
    from diffusion_mpc_ros.go2 import messages, motion_switcher, sdk, wire
    from diffusion_mpc_ros.go2.crc import low_level_crc
    from diffusion_mpc_ros.go2.remote import decode_remote
    from diffusion_mpc_ros.rewards.composition import RewardComposer
    from diffusion_mpc_ros.rewards.presets import parse_presets


def finite(value: Any) -> bool:
    """Whether every number anywhere in ``value`` is finite."""
    if dataclasses.is_dataclass(value):
        return all(finite(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, Mapping):
        return all(map(finite, value.values()))
    if isinstance(value, (list, tuple, frozenset)):
        return all(map(finite, value))
    if isinstance(value, (float, np.ndarray, np.floating)):
        return bool(np.isfinite(value).all())
    return True


def checked(layout: wire.Layout, data: bytes) -> bytes:
    """A sample of ``layout`` out of any bytes, its checksum right where it has one: gets past the first two checks."""
    size = len(layout.pack(layout.zeros()))
    record = layout.unpack((b"\x00\x01\x00\x00" + data).ljust(size, b"\0")[:size])
    if "crc" in layout.dtype.names:
        record["crc"] = low_level_crc(record)
    return layout.pack(record)


def card(data: bytes) -> prior.Prior:
    """A folder with these bytes as its card and empty files beside it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / CARD_FILE).write_bytes(data)
        for name in (prior.MODEL_FILE, WEIGHTS_FILE):
            (Path(folder) / name).touch()
        return prior.load(folder)


def model_part(data: bytes) -> prior.ModelDescription | None:
    """The card's part that sampling depends on, any JSON."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return prior.ModelDescription.from_json(content)


def _yaml(data: bytes, parse: Callable[[Any, str], Any]) -> Any:
    try:
        text = data.decode()
    except ValueError:
        return None
    return parse(config_files.parse(text, "fuzz", config_files.MAX_FILE), "fuzz")


def presets(data: bytes) -> list:
    """Reward presets as the composer takes them at its start."""
    composer = RewardComposer(_yaml(data, parse_presets) or {}, CONSTRAINTS)
    return [composer.preset_settings(name) for name in composer.presets]


def _deserialize(idl_type: type) -> Callable[[bytes], Any]:
    # The SDK's messages may carry any number; only the way they fail is this project's.
    return lambda data: motion_switcher._deserialize(idl_type, data) and None


TARGETS: dict[str, Callable[[bytes], Any]] = {
    "lowstate": lambda data: messages.decode_lowstate(data, 0.0),
    "lowstate_checked": lambda data: messages.decode_lowstate(checked(wire.LOWSTATE, data), 0.0),
    "lowcmd": messages.decode_lowcmd,
    "lowcmd_checked": lambda data: messages.decode_lowcmd(checked(wire.LOWCMD, b"\xfe\xef\xff" + data)),
    "sportmodestate": messages.decode_sportmodestate,
    "sportmodestate_checked": lambda data: messages.decode_sportmodestate(checked(wire.SPORTMODESTATE, data)),
    "remote": decode_remote,
    "request": _deserialize(sdk.Request_),
    "response": _deserialize(sdk.Response_),
    "motion_switcher": lambda data: motion_switcher.parse_mode(data.decode("utf-8", "replace")),
    "card": card,
    "model_part": model_part,
    "safety_settings": lambda data: _yaml(data, parse_safety_settings),
    "reward_presets": presets,
}


def run(name: str, data: bytes) -> bool:
    """Feed ``data`` to a target: whether it was accepted. Raises whatever is no typed error, or is not finite."""
    try:
        value = TARGETS[name](data)
    except DiffusionMpcError:
        return False
    assert finite(value), f"{name} decoded {value!r}"
    return True


def main() -> int:
    """Until libFuzzer's options say to stop, or the first finding."""
    if atheris is None:
        print("this needs atheris: pip install -r requirements/fuzz.txt", file=sys.stderr)
        return 2
    names = sorted(TARGETS)

    def one_input(data: bytes) -> None:
        if data:
            run(names[data[0] % len(names)], data[1:])

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
