"""A folder is replaced as a whole: whoever stops when, and whoever reads meanwhile."""

import subprocess
import sys
import threading

import pytest

from diffusion_mpc_ros.core import files
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.files import read_folder, replaced_folder

NAMES = ("first", "second")


def write(folder, text):
    for name in NAMES:
        (folder / name).write_text(text)


def read(folder):
    """The text that both files hold."""
    texts = [(folder / name).read_text() for name in NAMES]
    assert texts[0] == texts[1], "files of two folders"
    return texts[0]


def test_a_new_folder_and_one_in_the_place_of_another(tmp_path):
    target = tmp_path / "models" / "go2"
    for text in ("old", "new"):
        with replaced_folder(target) as folder:
            assert folder.parent == target.parent and not any(folder.iterdir())
            write(folder, text)
        assert read(target) == text
    assert [path.name for path in target.parent.iterdir()] == ["go2"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_link_stays_one_and_its_folder_is_replaced(tmp_path):
    link = tmp_path / "go2"
    link.symlink_to("models/go2")
    for text in ("old", "new"):
        with replaced_folder(link) as folder:
            write(folder, text)
    assert link.is_symlink() and read(tmp_path / "models" / "go2") == "new"


def test_an_exception_leaves_the_folder_of_before(tmp_path):
    target = tmp_path / "go2"
    with replaced_folder(target) as folder:
        write(folder, "old")

    def fail():
        with replaced_folder(target) as folder:
            (folder / "first").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert read(target) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["go2"]


# Where the process ends: while it writes, as it stores, before and after the exchange, as it removes what was before.
STOPS = {
    "writing": "",
    "storing": "files._sync = stop",
    "before": "files._exchange = stop",
    "after": "exchange = files._exchange; files._exchange = lambda *names: (exchange(*names), stop())",
    "removing": "files.shutil.rmtree = lambda folder, **_: (os.remove(folder / 'first'), stop())",
}


@pytest.mark.parametrize("place", STOPS)
def test_a_process_that_ends_at_any_place_leaves_a_whole_folder(tmp_path, place):
    target = tmp_path / "go2"
    with replaced_folder(target) as folder:
        write(folder, "old")
    code = f"""
import os, pathlib
from diffusion_mpc_ros.core import files
def stop(*_): os._exit(7)
{STOPS[place]}
with files.replaced_folder(pathlib.Path({str(target)!r})) as folder:
    (folder / "first").write_text("new")
    {"stop()" if place == "writing" else ""}
    (folder / "second").write_text("new")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7
    assert read(target) == ("new" if place in ("after", "removing") else "old")


def test_who_reads_meanwhile_sees_one_whole_folder(tmp_path):
    target, ended = tmp_path / "go2", threading.Event()

    def replace():
        for count in range(200):
            with replaced_folder(target) as folder:
                write(folder, str(count))
        ended.set()

    with replaced_folder(target) as folder:
        write(folder, "0")
    writer = threading.Thread(target=replace)
    writer.start()
    seen = []
    while not ended.is_set():
        seen.append(int(read_folder(target, read)))
    writer.join()
    assert seen == sorted(seen) and len(set(seen)) > 1


def test_what_is_wrong_with_a_folder_that_stays_is_said_at_once(tmp_path):
    attempts = []

    def fail(folder):
        attempts.append(folder)
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        read_folder(tmp_path, fail)
    with pytest.raises(ValueError, match="bad"):
        read_folder(tmp_path / "nothing", fail)
    assert len(attempts) == 2


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "go2").write_text("mine")
    with (
        pytest.raises(ConfigurationError, match="go2 is a file: name another folder"),
        replaced_folder(tmp_path / "go2"),
    ):
        pass
    assert (tmp_path / "go2").read_text() == "mine"


def test_a_file_system_that_cannot_exchange_is_named(tmp_path, monkeypatch):
    (tmp_path / "go2").mkdir()
    write(tmp_path / "go2", "old")
    monkeypatch.setattr(files, "RENAME_EXCHANGE", 1 << 30)  # refused by every kernel
    with (
        pytest.raises(ConfigurationError, match="file system of .*go2 cannot replace a folder"),
        replaced_folder(tmp_path / "go2") as folder,
    ):
        write(folder, "new")
    assert read(tmp_path / "go2") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["go2"]
