#!/usr/bin/env python3
"""Set up .venv: ROS 2 from wheels, the run-time requirements, the own interfaces, and this package (editable).

What is installed stands in requirements/*.txt with its hashes, and nothing else is: no dependency is looked for and no
build environment filled on the way. The one exception is a CPU build of PyTorch in a folder that pip was told of.
With `--ros system` ROS 2 is the sourced one.

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
# Where each kind of ROS 2 can be had; the machine as platform.machine() names it.
VALID_MACHINES = {"wheels": ("x86_64",), "system": ("x86_64", "aarch64")}
VALID_DISTRIBUTIONS = ("humble", "jazzy")
RUN_LOCKS = {"wheels": ("rosidl", "ros", "run", "run-no-deps"), "system": ("rosidl", "run", "run-no-deps")}
# CMake, make and ament pass paths on unquoted; with these characters in them everything was seen to work.
VALID_PATH = re.compile(r"[A-Za-z0-9/ ._+@~-]+")
# Variables of a sourced ROS or an outer environment that would leak foreign packages into this one.
FOREIGN_VARIABLES = (
    "PYTHONPATH", "PYTHONHOME", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH", "LD_LIBRARY_PATH",
    "ROS_DISTRO", "VIRTUAL_ENV", "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
)  # fmt: skip

PROBE = """
import importlib.util, json, os, sys, sysconfig
try:
    import rclpy
    missing = ""
except ImportError as error:
    missing = str(error).splitlines()[0]
print(json.dumps({
    "version": sys.version_info[:2],
    "venv": importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None,
    "rclpy_fails": missing,
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


def ros_environment(ros):
    """The environment in which Python finds ROS 2: the sourced one, or none but the wheels."""
    return dict(os.environ) if ros == "system" else clean_environment()


def probe_python(name, ros):
    """(path, None) of a Python that fits, or (None, why it does not)."""
    path = shutil.which(name)
    if path is None:
        return None, f"{name}: not on PATH"
    try:
        found = json.loads(run([path, "-c", PROBE], env=ros_environment(ros)))
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
    if ros == "system" and found["rclpy_fails"]:
        return None, f"{path}: Python {shown} cannot import rclpy of the sourced ROS 2: {found['rclpy_fails']}"
    return path, None


def choose_python(asked, ros):
    valid = ", ".join("{}.{}".format(*version) for version in VALID_PYTHONS)
    reasons = []
    for name in (asked,) if asked else PYTHON_NAMES:
        path, reason = probe_python(name, ros)
        if path is not None:
            return path
        reasons.append(reason)
    found = "\n  ".join(reasons)
    raise SetupError(f"no fitting Python; valid are {valid}. Found:\n  {found}")


def check_folders(*folders):
    """Refuse paths that a later step would fail on, before anything is installed."""
    for folder in folders:
        wrong = VALID_PATH.sub("", str(folder))
        if wrong:
            raise SetupError(
                f"the path {str(folder)!r} contains {wrong!r}, which CMake and ament do not stand: move it to a path "
                "of ASCII letters, digits, spaces and / . _ + @ ~ -"
            )
        present = next(path for path in (folder, *folder.parents) if path.exists())
        if not present.is_dir() or not os.access(str(present), os.W_OK | os.X_OK):
            raise SetupError(f"{present} is no folder that may be written to: change its owner, or take another place")


def check_machine(ros):
    system, machine = platform.system(), platform.machine()
    valid = VALID_MACHINES[ros]
    if system != "Linux" or machine not in valid:
        other = "" if ros == "system" else "; with a ROS 2 installed here: make setup ROS=system (docs/onboard.md)"
        raise SetupError(f"ROS={ros} exists for Linux on {' and '.join(valid)}, this is {system} on {machine}{other}")
    if all(shutil.which(name) is None for name in (os.environ.get("CXX") or "c++", "g++", "clang++")):
        raise SetupError("no C++ compiler (g++ or clang++) on PATH; on Debian and Ubuntu: apt install build-essential")
    if ros == "system":
        check_sourced_ros(machine)


def check_sourced_ros(machine):
    distribution = os.environ.get("ROS_DISTRO", "")
    if distribution not in VALID_DISTRIBUTIONS:
        raise SetupError(
            f"ROS=system needs a sourced ROS 2 {' or '.join(VALID_DISTRIBUTIONS)}, ROS_DISTRO is {distribution!r}: "
            "source /opt/ros/jazzy/setup.bash first"
        )
    library = os.environ.get("CYCLONEDDS_HOME", "")
    if machine == "aarch64" and not (library and Path(library).is_dir()):
        raise SetupError(
            f"cyclonedds has no wheel for {machine}, and CYCLONEDDS_HOME is {library!r}: build its C library and name "
            "the folder that it is installed in (docs/onboard.md)"
        )


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

    def __init__(self, folder, ros):
        """Take the environment in ``folder`` as it was set up; ``ros`` may be empty: as before, else the wheels."""
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamps = folder / "setup"
        stamp = self.stamps / "ros"
        before = stamp.read_text() if self.exists() and stamp.is_file() else ""
        if ros and before and ros != before:
            raise SetupError(f"{folder} was set up with ROS={before}, not with ROS={ros}: `make clean` first")
        self.ros = ros or before or "wheels"

    def exists(self):
        return self.python.exists() and self.stamps.is_dir()

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
        say(f"virtual environment {self.folder} with {python} ...")
        if self.folder.exists():
            shutil.rmtree(str(self.folder))
        run([python, "-m", "venv", self.folder], env=clean_environment())
        # colcon must not take what lies in here for packages.
        (self.folder / "COLCON_IGNORE").touch()
        self.stamps.mkdir()
        (self.stamps / "ros").write_text(self.ros)

    def pip_install(self, *arguments):
        run(
            [self.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps",
             "--no-build-isolation", *arguments],
            env=clean_environment(), log=self.stamps / "pip.log",
        )  # fmt: skip

    def install_locked(self, *names):
        """Install exactly what stands in ``requirements/<name>.txt``; pip refuses files of another hash."""
        files = [part for name in names for part in ("-r", REQUIREMENTS / f"{name}.txt")]
        self.pip_install("--require-hashes", *files)

    def install_requirements(self):
        self.install_locked("build")
        self.install_locked(*RUN_LOCKS[self.ros])
        if self.ros == "wheels":
            self.point_cmake_files_here()

    def install_extra(self, name):
        if name == "train":
            self.install_torch()
        self.install_locked(name)

    def install_torch(self):
        """Install the CPU build from a folder that pip was given (PIP_FIND_LINKS), else what the index holds."""
        version = re.search(r"^torch==([\w.]+)", (REQUIREMENTS / "torch.txt").read_text(), re.MULTILINE).group(1)
        try:
            self.pip_install("--no-index", f"torch=={version}+cpu")
        except SetupError as error:
            if "No matching distribution found" not in str(error):
                raise
            say("no CPU build of PyTorch in PIP_FIND_LINKS: taking the CUDA build, several GB ...")
            self.install_locked("torch")

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
            self.install_locked("cmake")
        return own

    def build_interfaces(self):
        """Generate and install diffusion_mpc_msgs into the environment, which is an ament prefix itself."""
        cmake, build, log = self.cmake(), self.stamps / "interfaces", self.stamps / "interfaces.log"
        if build.exists():
            shutil.rmtree(str(build))
        env = ros_environment(self.ros)
        env["PATH"] = os.pathsep.join([str(self.folder / "bin"), env.get("PATH", os.defpath)])
        for name in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
            env[name] = os.pathsep.join(filter(None, [str(self.folder), env.get(name)]))
        run(
            [cmake, "-S", INTERFACES, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF",
             f"-DCMAKE_INSTALL_PREFIX={self.folder}", f"-DPython3_EXECUTABLE={self.python}",
             "-DPython3_FIND_VIRTUALENV=ONLY"],
            env=env, log=log,
        )  # fmt: skip
        run([cmake, "--build", build, "--target", "install", "--parallel", os.cpu_count() or 1], env=env, log=log)
        shutil.rmtree(str(build))

    def install_package(self):
        self.pip_install("--editable", ROOT)


def lock_digest(*names):
    return digest(*(REQUIREMENTS / f"{name}.txt" for name in names))


def setup(options):
    folder = options.venv.resolve()
    check_folders(ROOT, folder)
    environment = Environment(folder, options.ros)
    if not environment.exists():
        check_machine(environment.ros)
        environment.create(choose_python(options.python, environment.ros))
    run_state = lock_digest("build", *RUN_LOCKS[environment.ros])
    environment.step("run", run_state, "run-time requirements", environment.install_requirements)
    msgs_state = digest(INTERFACES) + run_state
    environment.step("msgs", msgs_state, "building diffusion_mpc_msgs", environment.build_interfaces)
    package_state = digest(ROOT / "setup.py", ROOT / "setup.cfg", ROOT / "pyproject.toml") + str(ROOT)
    environment.step("package", package_state, "installing diffusion_mpc_ros (editable)", environment.install_package)
    for name in options.extras:
        state = lock_digest(*(("torch", name) if name == "train" else (name,))) + run_state
        environment.step(name, state, f"requirements of {name}", lambda given=name: environment.install_extra(given))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--with", nargs="+", dest="extras", default=[], help="further requirements",
        choices=["train", "test", "docs", "openvino", "cma", "say", "lock"],
    )  # fmt: skip
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the environment goes")
    parser.add_argument(
        "--ros", choices=sorted(VALID_MACHINES), default="",
        help="where ROS 2 comes from: system is what is sourced; default: as before, at first from wheels",
    )  # fmt: skip
    parser.add_argument("--python", default="", help="the Python to use; default: the first on PATH that fits")
    options = parser.parse_args()
    try:
        setup(options)
    except (SetupError, OSError) as error:
        sys.exit(f"[setup] error: {error}")


if __name__ == "__main__":
    main()
