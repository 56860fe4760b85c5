"""What set-up installs is pinned with hashes, the pins follow the inputs, unfit machines are refused in one line."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
INPUTS = sorted(REQUIREMENTS.glob("*.in"))

PIN = r"([\w.-]+)==([\w.+]+)"
# Both as `name==version`, at times with a marker; in a lock the hashes follow, a line each.
INPUT_LINE = re.compile(PIN + r"(; python_version [<>=]+ \"[\d.]+\")?")
LOCK_ENTRY = re.compile(PIN + r"( ; [\w.()*<>=!' ]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n")


def load(name: str) -> ModuleType:
    """The module ``tools/<name>.py``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lock = load("lock")
setup_env = load("setup_env")


def pins(path: Path) -> set[tuple[str, str]]:
    """Name (normalised, PEP 503) and version of everything that a lock or an input pins."""
    found = re.findall(rf"^{PIN}", path.read_text(), re.MULTILINE)
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found}


def locked_names() -> set[str]:
    return {name for path in LOCKS for name, _ in pins(path)}


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_inputs_are_exact_and_name_no_host(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if not INPUT_LINE.fullmatch(line)] == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_its_hashes_and_nothing_else_is_there(path: Path) -> None:
    header, body = re.fullmatch(r"((?:#[^\n]*\n)+)(.*)", path.read_text(), re.DOTALL).groups()
    assert "://" not in header
    assert LOCK_ENTRY.sub("", body) == ""
    assert len(LOCK_ENTRY.findall(body)) == len(lock.entries(body)) > 0


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locks_were_renewed_after_the_last_change_of_an_input(path: Path) -> None:
    assert f"# inputs: {lock.inputs_digest()}\n" in path.read_text(), "run `make lock`"


def test_every_input_has_its_lock_and_is_in_it() -> None:
    assert {path.stem for path in LOCKS} == {path.stem for path in INPUTS} | {"torch"} == {*lock.LOCKS, "torch"}
    for path in INPUTS:
        written = pins(path.with_suffix(".txt")) | (pins(REQUIREMENTS / "torch.txt") if path.stem == "train" else set())
        assert pins(path) <= written, path.name


def test_a_changed_input_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lock.inputs_digest()
    for path in INPUTS:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(lock, "REQUIREMENTS", tmp_path)
    assert lock.inputs_digest() == before
    (tmp_path / "run.in").write_text((tmp_path / "run.in").read_text() + "six==1.17.0\n")
    assert lock.inputs_digest() != before


def test_setup_installs_by_hash_alone_but_for_itself_and_a_cpu_build_of_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(setup_env, "run", lambda command, **_: commands.append([str(part) for part in command]))
    monkeypatch.setattr(setup_env.Environment, "point_cmake_files_here", lambda _: None)
    monkeypatch.setattr(setup_env.shutil, "which", lambda _: None)
    environment = setup_env.Environment(tmp_path, "wheels")
    environment.install_requirements()
    environment.install_package()
    environment.cmake()
    for name in ("train", "test", "docs", "openvino", "cma", "say", "lock"):
        environment.install_extra(name)
    assert all({"--no-deps", "--no-build-isolation"} <= set(command) for command in commands)
    files = {Path(part).stem for command in commands for part in command if part.endswith(".txt")}
    assert files == {path.stem for path in LOCKS} - {"torch", "fuzz"}
    (version,) = {version for name, version in pins(REQUIREMENTS / "torch.txt") if name == "torch"}
    exceptions = [command[-2:] for command in commands if "--require-hashes" not in command]
    assert exceptions == [["--editable", str(ROOT)], ["--no-index", f"torch=={version}+cpu"]]


def test_without_a_cpu_build_pytorch_comes_from_the_index_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[object], **_: object) -> None:
        commands.append([str(part) for part in command])
        if "--no-index" in command:
            raise setup_env.SetupError("ERROR: No matching distribution found for torch")

    monkeypatch.setattr(setup_env, "run", run)
    setup_env.Environment(tmp_path, "wheels").install_torch()
    assert commands[-1][-3:] == ["--require-hashes", "-r", str(REQUIREMENTS / "torch.txt")]


def test_run_time_installs_no_torch() -> None:
    run_time = {name for locks in setup_env.RUN_LOCKS.values() for name in ("build", *locks)}
    assert not [name for stem in run_time for name, _ in pins(REQUIREMENTS / f"{stem}.txt") if lock.TORCH.match(name)]


def test_pytorch_without_cuda_installs_nothing_of_cuda() -> None:
    for path in LOCKS:
        if path.stem != "torch":
            assert not [entry for entry in lock.entries(path.read_text()) if lock.TORCH.match(entry)], path.name


def test_the_check_for_aarch64_covers_all_that_is_installed_there() -> None:
    assert {"build", *setup_env.RUN_LOCKS["system"]} == set(lock.AARCH64_LOCKS)
    assert set(lock.AARCH64_FROM_SOURCE) <= locked_names()


def refusal(function, *arguments: object) -> str:
    """The message with which ``function`` refuses, which is one line."""
    with pytest.raises(setup_env.SetupError) as refused:
        function(*arguments)
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["it's", *(f"a{character}b" for character in '"$;:()#\\%&*?[]{}<>|!`^\t\n\u00fc')])
def test_setup_refuses_paths_that_ament_does_not_stand(tmp_path: Path, name: str) -> None:
    message = refusal(setup_env.check_folders, tmp_path, tmp_path / name / "x")
    assert "move it" in message


@pytest.mark.parametrize("name", ["with space", "a_b-c.d", "a+b", "a@b", "a~b"])
def test_setup_takes_paths_that_work(tmp_path: Path, name: str) -> None:
    setup_env.check_folders(tmp_path, tmp_path / name / ".venv")


def test_setup_refuses_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in refusal(setup_env.check_folders, tmp_path / "file" / ".venv")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"{tmp_path} is no folder that may be written to" in refusal(setup_env.check_folders, tmp_path / "new")


@pytest.fixture
def aarch64(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An aarch64 Linux with a compiler and without ROS."""
    monkeypatch.setattr(setup_env.platform, "system", lambda: "Linux")
    monkeypatch.setattr(setup_env.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(setup_env.shutil, "which", lambda name: f"/usr/bin/{name}")
    for name in ("ROS_DISTRO", "CYCLONEDDS_HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_setup_on_aarch64_asks_for_a_sourced_ros_and_the_dds_library(
    aarch64: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "make setup ROS=system" in refusal(setup_env.check_machine, "wheels")
    assert "source /opt/ros/jazzy/setup.bash" in refusal(setup_env.check_machine, "system")
    aarch64.setenv("ROS_DISTRO", "foxy")
    assert "humble or jazzy, ROS_DISTRO is 'foxy'" in refusal(setup_env.check_machine, "system")
    aarch64.setenv("ROS_DISTRO", "jazzy")
    assert "CYCLONEDDS_HOME is ''" in refusal(setup_env.check_machine, "system")
    aarch64.setenv("CYCLONEDDS_HOME", str(tmp_path))
    setup_env.check_machine("system")


def test_setup_keeps_to_the_ros_that_it_was_begun_with(tmp_path: Path) -> None:
    environment = setup_env.Environment(tmp_path, "system")
    assert environment.ros == "system"
    environment.stamps.mkdir()
    environment.python.parent.mkdir()
    environment.python.touch()
    (environment.stamps / "ros").write_text("system")
    assert setup_env.Environment(tmp_path, "").ros == "system"
    assert "make clean" in refusal(setup_env.Environment, tmp_path, "wheels")
