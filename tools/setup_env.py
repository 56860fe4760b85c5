#!/usr/bin/env python3
"""Set up .venv: ROS 2 from wheels, the run-time requirements, the own interfaces, and this package (editable).

Run by `make`; standard library only, so that any Python 3.8 or newer can start it. Every step leaves a stamp holding a
hash of what went into it, written only after the step succeeded: a second run does what has changed and nothing else.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
INTERFACES = ROOT / "interfaces" / "diffusion_mpc_msgs"
VALID_PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
# What is tried when `python3` itself does not fit.
PYTHON_NAMES = ("python3", "python3.12", "python3.11", "python3.13", "python3.10")
VALID_MACHINE = ("Linux", "x86_64")
# Variables of a sourced ROS or an outer environment that would leak foreign packages into this one.
FOREIGN_VARIABLES = (
    "PYTHONPATH", "PYTHONHOME", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH", "LD_LIBRARY_PATH",
    "ROS_DISTRO", "VIRTUAL_ENV", "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
)  # fmt: skip

# Extras of which nothing but the named packages is wanted; the file says why.
WITHOUT_DEPENDENCIES = ("openvino",)

PROBE = """
import importlib.util, json, os, sys, sysconfig
print(json.dumps({
    "version": sys.version_info[:2],
    "venv": importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None,
    "headers": os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")),
}))
"""


class SetupError(Exception):
    """A step that cannot be done, with what to do about it."""


def say(text):
    print(f"[setup] {text}", flush=True)


def run(command, cwd=ROOT, env=None, log=None):
    """Run ``command``; raises SetupError with the end of its output when it fails."""
    command = [str(part) for part in command]
    result = subprocess.run(command, cwd=str(cwd), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if log is not None:
        log.write_text(result.stdout)
    if result.returncode:
        tail = "\n".join(result.stdout.splitlines()[-30:])
        where = f"\n(all of it in {log})" if log is not None else ""
        raise SetupError(f"this failed with status {result.returncode}: {' '.join(command)}\n{tail}{where}")
    return result.stdout


def clean_environment(**extra):
    return {**{name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}, **extra}


def probe_python(name):
    """(path, None) of a Python that fits, or (None, why it does not)."""
    path = shutil.which(name)
    if path is None:
        return None, f"{name}: not on PATH"
    try:
        found = json.loads(run([path, "-c", PROBE], env=clean_environment()))
    except (SetupError, ValueError):
        return None, f"{path}: does not run"
    version = tuple(found["version"])
    shown = "{}.{}".format(*version)
    if version not in VALID_PYTHONS:
        return None, f"{path}: Python {shown}"
    if not found["venv"]:
        return None, f"{path}: Python {shown} without venv (on Debian and Ubuntu: apt install python{shown}-venv)"
    if not found["headers"]:
        return None, f"{path}: Python {shown} without Python.h (on Debian and Ubuntu: apt install python{shown}-dev)"
    return path, None


def choose_python(asked):
    valid = ", ".join("{}.{}".format(*version) for version in VALID_PYTHONS)
    reasons = []
    for name in (asked,) if asked else PYTHON_NAMES:
        path, reason = probe_python(name)
        if path is not None:
            return path
        reasons.append(reason)
    found = "\n  ".join(reasons)
    raise SetupError(f"no fitting Python; the ROS 2 wheels exist for {valid}. Found:\n  {found}")


def check_machine():
    machine = (platform.system(), platform.machine())
    if machine != VALID_MACHINE:
        raise SetupError(
            f"the ROS 2 wheels exist for {' '.join(VALID_MACHINE)}, this is {' '.join(machine)}: install ROS 2 "
            "(Jazzy or Humble) here and build with `colcon build --base-paths . interfaces`"
        )
    if all(shutil.which(name) is None for name in (os.environ.get("CXX") or "c++", "g++", "clang++")):
        raise SetupError("no C++ compiler (g++ or clang++) on PATH; on Debian and Ubuntu: apt install build-essential")


def digest(*paths):
    """A hash over the names and contents of files and folders."""
    value = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                value.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return value.hexdigest()


class Environment:
    """The virtual environment and the steps that fill it."""

    def __init__(self, folder):
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamps = folder / "setup"

    def step(self, name, state, text, action):
        """Run ``action`` unless the stamp ``name`` already holds ``state``."""
        stamp = self.stamps / name
        if stamp.is_file() and stamp.read_text() == state:
            return
        say(f"{text} ...")
        started = time.monotonic()
        stamp.unlink(missing_ok=True)
        action()
        stamp.write_text(state)
        say(f"{text}: done in {time.monotonic() - started:.0f} s")

    def create(self, python):
        if self.python.exists() and self.stamps.is_dir():
            return
        say(f"virtual environment {self.folder} with {python} ...")
        if self.folder.exists():
            shutil.rmtree(str(self.folder))
        run([python, "-m", "venv", self.folder], env=clean_environment())
        # colcon must not take what lies in here for packages.
        (self.folder / "COLCON_IGNORE").touch()
        self.stamps.mkdir()

    def pip_install(self, *arguments):
        run(
            [self.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments],
            env=clean_environment(), log=self.stamps / "pip.log",
        )  # fmt: skip

    def install_requirements(self):
        self.pip_install("-r", REQUIREMENTS / "build.txt")
        self.pip_install("--no-build-isolation", "-r", REQUIREMENTS / "ros.txt", "-r", REQUIREMENTS / "run.txt")
        self.pip_install("--no-deps", "-r", REQUIREMENTS / "run-no-deps.txt")
        self.point_cmake_files_here()

    def point_cmake_files_here(self):
        """The wheels' exported CMake files name their build machine's Python; CMake refuses paths that do not exist."""
        query = "import numpy, sysconfig; print(sysconfig.get_path('include')); print(numpy.get_include())"
        include, numpy_include = run([self.python, "-c", query], env=clean_environment()).split("\n")[:2]
        for file in (self.folder / "share").glob("*/cmake/*.cmake"):
            text = file.read_text()
            fixed = re.sub(r"/opt/python/[^/;\"]+/lib/python[\d.]+/site-packages/numpy/_?core/include",
                           lambda _: numpy_include, text)  # fmt: skip
            fixed = re.sub(r"/opt/python/[^/;\"]+/include/python[\d.]+", lambda _: include, fixed)
            if fixed != text:
                file.write_text(fixed)

    def cmake(self):
        """A CMake: the system's, else the one that pip has."""
        system = shutil.which("cmake")
        if system is not None:
            return Path(system)
        own = self.folder / "bin" / "cmake"
        if not own.exists():
            say("no CMake on this system: taking it by pip ...")
            self.pip_install("-r", REQUIREMENTS / "cmake.txt")
        return own

    def build_interfaces(self):
        """Generate and install diffusion_mpc_msgs into the environment, which is an ament prefix itself."""
        cmake, build, log = self.cmake(), self.stamps / "interfaces", self.stamps / "interfaces.log"
        if build.exists():
            shutil.rmtree(str(build))
        env = clean_environment(
            PATH=f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            AMENT_PREFIX_PATH=str(self.folder),
            CMAKE_PREFIX_PATH=str(self.folder),
        )
        run(
            [cmake, "-S", INTERFACES, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF",
             f"-DCMAKE_INSTALL_PREFIX={self.folder}", f"-DPython3_EXECUTABLE={self.python}",
             "-DPython3_FIND_VIRTUALENV=ONLY"],
            env=env, log=log,
        )  # fmt: skip
        run([cmake, "--build", build, "--target", "install", "--parallel", os.cpu_count() or 1], env=env, log=log)
        shutil.rmtree(str(build))

    def install_package(self):
        self.pip_install("--no-deps", "--no-build-isolation", "--editable", ROOT)


def setup(options):
    environment = Environment(options.venv.resolve())
    if not (environment.python.exists() and environment.stamps.is_dir()):
        check_machine()
        environment.create(choose_python(options.python))
    run_files = [REQUIREMENTS / name for name in ("build.txt", "ros.txt", "run.txt", "run-no-deps.txt")]
    run_state = digest(*run_files)
    environment.step("run", run_state, "ROS 2 wheels and run-time requirements", environment.install_requirements)
    interfaces_state = digest(INTERFACES, REQUIREMENTS / "ros.txt")
    environment.step("msgs", interfaces_state, "building diffusion_mpc_msgs", environment.build_interfaces)
    package_state = digest(ROOT / "setup.py", ROOT / "setup.cfg", ROOT / "pyproject.toml") + str(ROOT)
    environment.step("package", package_state, "installing diffusion_mpc_ros (editable)", environment.install_package)
    for name in options.extras:
        arguments = ["-r", REQUIREMENTS / f"{name}.txt"]
        # What is pinned for the run time stays as it is.
        alone = ["--no-deps"] if name in WITHOUT_DEPENDENCIES else []
        arguments += alone or ["-c", REQUIREMENTS / "run.txt", "-c", REQUIREMENTS / "ros.txt"]
        state = digest(REQUIREMENTS / f"{name}.txt") + run_state
        environment.step(
            name, state, f"requirements of {name}", lambda given=arguments: environment.pip_install(*given)
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--with", nargs="+", dest="extras", choices=["train", "test", *WITHOUT_DEPENDENCIES], default=[],
        help="further requirements",
    )  # fmt: skip
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the environment goes")
    parser.add_argument("--python", default="", help="the Python to use; default: the first on PATH that fits")
    options = parser.parse_args()
    try:
        setup(options)
    except (SetupError, OSError) as error:
        sys.exit(f"[setup] error: {error}")


if __name__ == "__main__":
    main()
