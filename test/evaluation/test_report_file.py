"""A report is continued by the run that it is of, and by no other."""

import json

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.report_file import ReportFile

HEAD = {"artefact": "ab12", "config": {"robots": 8, "timing": (3, 2)}, "machine": {"cores": 2}}


@pytest.fixture
def path(tmp_path):
    file = ReportFile(tmp_path / "report.json", "evaluate walk", HEAD)
    file.add({"row": 1})
    return tmp_path / "report.json"


def test_the_same_run_goes_on_on_any_machine(path):
    for head in (HEAD, {**HEAD, "machine": {"cores": 16}}):
        assert ReportFile(path, "evaluate walk", head).rows == [{"row": 1}]


@pytest.mark.parametrize(
    ("head", "difference"),
    [
        ({**HEAD, "artefact": "cd34"}, "artefact 'ab12' there, 'cd34' now"),
        ({**HEAD, "config": {"robots": 9, "timing": (3, 2)}}, "config.robots 8 there, 9 now"),
        ({**HEAD, "config": {"robots": 8}}, r"config.timing \[3, 2\] there, nothing now"),
        ({**HEAD, "plans": 5}, "plans nothing there, 5 now"),
    ],
)
def test_a_report_of_another_run_is_refused_in_words_and_left(path, head, difference):
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=rf"report.json is a report of another run \({difference}\): .*remove"):
        ReportFile(path, "evaluate walk", head)
    assert path.read_bytes() == before
    assert json.loads(before)["rows"] == [{"row": 1}]
