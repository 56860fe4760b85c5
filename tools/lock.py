#!/usr/bin/env python3
"""Write requirements/*.txt, every package with its version and hashes, from requirements/*.in; or check them.

`make lock` renews after an input has changed and keeps what still fits; `make lock ARGS=--upgrade` takes the newest of
what the inputs leave open. `make check-aarch64` asks the package index whether what the robot's own computer installs
resolves there, from wheels but for two. Both need the package index and uv (requirements/lock.txt).
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
OPTIONAL = ("openvino", "cma", "say")
# In the order of resolving: each lock is held to the versions of all before it.
LOCKS = ("build", "run", "run-no-deps", "rosidl", "ros", "train", "test", "docs", *OPTIONAL, "cmake", "fuzz", "lock")
# Only the named packages are wanted; the inputs say why.
WITHOUT_DEPENDENCIES = ("run-no-deps", *OPTIONAL)
# PyTorch and what only its CUDA build needs go from train.in into torch.txt: tools/setup_env.py leaves them out where
# it is given a CPU build.
TORCH = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")

OLDEST_PYTHON = "3.10"
# The Pythons of ROS 2 Humble and Jazzy on the Go2's own computer, and the oldest C library that it ships with.
AARCH64_PYTHONS = ("3.10", "3.12")
AARCH64_PLATFORM = "aarch64-manylinux_2_31"
AARCH64_LOCKS = ("build", "run", "run-no-deps", "rosidl")
# Without a wheel for aarch64: cyclonedds is built against the C library (docs/onboard.md), empy is Python alone.
AARCH64_FROM_SOURCE = ("cyclonedds", "empy")


def uv(*arguments):
    """Run uv, quietly; exits with what it says when it fails."""
    command = [sys.executable, "-m", "uv", "pip", *map(str, arguments)]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        sys.exit(f"this failed with status {result.returncode}: {' '.join(command)}\n{result.stdout}")


def inputs_digest():
    """A hash over the names and contents of all inputs; every lock carries the one it was made from."""
    value = hashlib.sha256()
    for file in sorted(REQUIREMENTS.glob("*.in")):
        value.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return value.hexdigest()


def entries(text):
    """The pinned packages of a lock: each its line and the lines of its hashes."""
    return re.findall(r"^[a-z].*(?:\n +.*)*\n", text, re.MULTILINE)


def write_lock(name, source, pinned):
    header = f"# Written by `make lock` from {source}.in. Do not edit.\n# inputs: {inputs_digest()}\n"
    (REQUIREMENTS / f"{name}.txt").write_text(header + "".join(pinned))


def locked(name):
    """The entries of a lock as it stands; none where it is not there yet."""
    file = REQUIREMENTS / f"{name}.txt"
    return entries(file.read_text()) if file.is_file() else []


def resolve(name, earlier, upgrade):
    """The entries that ``requirements/<name>.in`` comes to, within what the ``earlier`` locks hold."""
    options = ["--upgrade"] if upgrade else []
    options += ["--no-deps"] if name in WITHOUT_DEPENDENCIES else []
    for lock in earlier:
        options += ["--constraints", REQUIREMENTS / f"{lock}.txt"]
    with tempfile.TemporaryDirectory() as folder:
        # uv keeps the versions that it finds in the file it writes.
        output = Path(folder) / "lock.txt"
        output.write_text("".join(locked(name) + (locked("torch") if name == "train" else [])))
        uv(
            "compile", REQUIREMENTS / f"{name}.in", "--output-file", output, "--universal",
            "--python-version", OLDEST_PYTHON, "--generate-hashes", "--no-header", "--no-annotate",
            "--no-emit-index-url", "--no-emit-find-links", "--allow-unsafe", *options,
        )  # fmt: skip
        return entries(output.read_text())


def renew(upgrade):
    for index, name in enumerate(LOCKS):
        pinned = resolve(name, LOCKS[:index], upgrade)
        if name == "train":
            write_lock("torch", name, [entry for entry in pinned if TORCH.match(entry)])
            pinned = [entry for entry in pinned if not TORCH.match(entry)]
        write_lock(name, name, pinned)
        print(f"requirements/{name}.txt: {len(pinned)} packages", flush=True)


def check_aarch64():
    """Resolve what `make setup ROS=system` installs for the Go2's own computer, hashes included, installing nothing."""
    arguments = [part for lock in AARCH64_LOCKS for part in ("--requirements", REQUIREMENTS / f"{lock}.txt")]
    arguments += ["--only-binary", ":all:"]
    arguments += [part for name in AARCH64_FROM_SOURCE for part in ("--no-binary", name)]
    for python in AARCH64_PYTHONS:
        with tempfile.TemporaryDirectory() as folder:
            uv("install", "--dry-run", "--target", folder, "--python-version", python,
               "--python-platform", AARCH64_PLATFORM, "--require-hashes", "--no-deps", *arguments)  # fmt: skip
        print(f"resolves for Python {python} on {AARCH64_PLATFORM}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest of what the inputs leave open")
    parser.add_argument("--check-aarch64", action="store_true", help="write nothing; resolve for the Go2's computer")
    options = parser.parse_args()
    if options.check_aarch64:
        check_aarch64()
    else:
        renew(options.upgrade)


if __name__ == "__main__":
    main()
