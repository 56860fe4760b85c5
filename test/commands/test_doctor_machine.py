"""What doctor says of cores, priority, memory, disk, plan times, Python and packages."""

from __future__ import annotations

import os

import numpy as np
import pytest

from diffusion_mpc_ros import bringup
from diffusion_mpc_ros.commands.doctor import machine, model, software
from diffusion_mpc_ros.commands.doctor.context import Context
from diffusion_mpc_ros.commands.doctor.findings import Status
from diffusion_mpc_ros.core.errors import ArtefactError, ConfigurationError


def test_governors():
    assert machine.judge_governors(["performance"] * 4).status is Status.OK
    slow = machine.judge_governors(["powersave", "performance", "schedutil"])
    assert slow.status is Status.WARNING and "2 of 3 cores follow performance, powersave, schedutil" in slow.text
    assert "scaling_governor" in slow.remedy
    assert machine.judge_governors([]).status is Status.SKIPPED


def test_priority():
    assert machine.judge_priority(True, 60, 0).status is Status.OK
    assert machine.judge_priority(False, 0, 0).status is Status.OK
    refused = machine.judge_priority(False, 60, 20)
    assert refused.status is Status.WARNING and "SCHED_FIFO 60 is not granted (RLIMIT_RTPRIO 20)" in refused.text
    assert "rtprio 98" in refused.remedy and "/etc/security/limits.d" in refused.remedy


def test_memory_lock():
    assert machine.judge_memory_lock(True, 0).status is Status.OK
    refused = machine.judge_memory_lock(False, 8 << 20)
    assert refused.status is Status.WARNING and "RLIMIT_MEMLOCK 8388608" in refused.text
    assert "memlock unlimited" in refused.remedy
    assert machine.check_memory_lock(Context("lo", 1)).status in (Status.OK, Status.WARNING)


def test_the_trial_leaves_no_priority_behind():
    before = os.sched_getscheduler(0)
    assert machine.check_priority(Context("lo", 1)).status in (Status.OK, Status.WARNING)
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize(
    ("runtime", "status", "text"),
    [(950_000, Status.OK, "95 %"), (-1, Status.OK, "all of the time"), (0, Status.WARNING, "no time")],
)
def test_throttling(runtime, status, text):
    found = machine.judge_throttling(runtime, 1_000_000)
    assert found.status is status and text in found.text


@pytest.mark.parametrize(
    ("idle", "status"),
    [
        ([1.0, 0.5, 0.0], Status.OK),
        ([0.5, 0.5], Status.OK),
        ([0.5, 0.4], Status.WARNING),
        ([1.0], Status.WARNING),
    ],
)
def test_cores(idle, status):
    found = machine.judge_cores(idle, 1.5, ["solver (12)"])
    assert found.status is status and bool(found.remedy) == (status is Status.WARNING)
    assert ("solver (12)" in found.text) == (idle == [0.5, 0.4])


def test_the_busiest_processes_come_first_and_idle_ones_not_at_all():
    before = {1: ("init", 50), 2: ("solver", 100), 3: ("browser", 7), 4: ("shell", 3), 5: ("video", 0)}
    after = {1: ("init", 50), 2: ("solver", 140), 3: ("browser", 9), 4: ("shell", 4), 5: ("video", 30), 6: ("new", 99)}
    assert machine.busiest(before, after) == ["solver (2)", "video (5)", "browser (3)"]


def test_this_machines_cores_are_read():
    found = machine.check_cores(Context("lo", 1))
    assert "cores free" in found.text and found.status in (Status.OK, Status.WARNING)


@pytest.mark.parametrize(
    ("judge", "values"),
    [(machine.judge_memory, (2.0, 1.9, 0.4)), (lambda free: machine.judge_disk(free, "/bags"), (2.0, 1.9, 0.05))],
)
def test_memory_and_disk(judge, values):
    assert [judge(value).status for value in values] == [Status.OK, Status.WARNING, Status.BAD]
    assert not judge(values[0]).remedy and judge(values[1]).remedy and judge(values[2]).remedy


@pytest.mark.parametrize(
    ("milliseconds", "status"),
    [
        ([10.0] * 50, Status.OK),
        ([60.0] * 50, Status.OK),
        # The p99 of 50 lies at index 48.51: 10 + 0.51 * 100 = 61 ms.
        ([10.0] * 49 + [110.0], Status.WARNING),
        ([61.0] * 50, Status.BAD),
    ],
)
def test_plan_times(milliseconds, status):
    found = model.judge_plan_times(np.array(milliseconds) * 1e-3, limit=0.06)
    assert found.status is status and bool(found.remedy) == (status is not Status.OK)


def test_the_shipped_artefact_is_loaded_and_planned_with():
    context = Context("lo", 1)
    assert "go2, sha256 " in model.check_artefact(context).text
    assert "60 ms are allowed" in model.check_plan_time(context).text


def test_an_unknown_or_broken_artefact_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="no model artefact 'go3'.*'go2'"):
        model.check_artefact(Context("lo", 1, artefact="go3"))
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ArtefactError):
        model.check_artefact(Context("lo", 1, artefact=str(tmp_path)))


def test_python():
    assert software.judge_python((3, 10), "3.10.1").status is Status.OK
    assert software.judge_python((4, 0), "4.0.0").status is Status.OK
    old = software.judge_python((3, 9), "3.9.2")
    assert old.status is Status.BAD and "3.10 or newer" in old.text


def test_packages_are_imported_for_real(monkeypatch):
    assert software.check_packages(Context("lo", 1)).status is Status.OK
    monkeypatch.setitem(software.PACKAGES, "no_such_package", ("no_such_package", "no-such-package"))
    found = software.check_packages(Context("lo", 1))
    assert found.status is Status.BAD and "No module named 'no_such_package'" in found.text
    assert "make setup" in found.remedy


def test_a_package_that_ends_the_process_is_tried_in_another(monkeypatch):
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_none_cpp")
    found = software.check_packages(Context("lo", 1))
    assert found.status is Status.BAD and "rclpy (" in found.text and "rmw_none_cpp" in found.text
    assert software.try_import_apart("no_such_package") == "ModuleNotFoundError: No module named 'no_such_package'"


def test_configuration_keeps_the_thresholds_and_names_a_wrong_one(monkeypatch, tmp_path):
    context = Context("lo", 1)
    assert software.check_configuration(context).status is Status.OK
    assert context.settings.battery_min == 10.0
    shipped = software.config_file("safety.yaml").read_text()
    (tmp_path / "safety.yaml").write_text(shipped.replace("value: 0.9", "value: 2.9"))
    monkeypatch.setattr(software, "config_file", lambda name: tmp_path / name)
    with pytest.raises(ConfigurationError, match="tilt_max = 2.9: needed is a number in 0.2 .. 1.4 rad"):
        software.check_configuration(Context("lo", 1))


def test_a_node_parameter_that_ros_would_ignore_or_refuse_is_named(monkeypatch, tmp_path):
    assert software.check_parameters(Context("lo", 1)).status is Status.OK
    wrong = {"planner": "steps: 0", "command_publisher": "autostart: 1", "state_estimator": "odom: a"}
    shipped = bringup.config_file

    def config_file(name):
        node = name.removesuffix(".yaml")
        if node not in wrong:
            return shipped(name)
        (tmp_path / name).write_text(f"/**:\n  ros__parameters:\n    {wrong[node]}\n")
        return tmp_path / name

    monkeypatch.setattr(bringup, "config_file", config_file)
    with pytest.raises(ConfigurationError) as raised:
        software.check_parameters(Context("lo", 1))
    text = str(raised.value)
    assert "planner.yaml: steps = 0: needed is a whole number in 1 .. 100" in text
    assert "autostart = '1': needed is true or false" in text
    assert "state_estimator has no setting 'odom'" in text and "reward_composer" not in text
