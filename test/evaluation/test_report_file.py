"""A report is continued by the run that it is of, and by no other."""

import json

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.report_file import ReportFile

HEAD = {
    "command": "evaluate walk",
    "artefact": "ab12",
    "config": {"robots": 8, "timing": (3, 2)},
    "machine": {"cores": 2},
}


@pytest.fixture
def path(tmp_path):
    file = ReportFile(tmp_path / "report.json", HEAD)
    file.add({"row": 1})
    return tmp_path / "report.json"


def test_the_same_run_goes_on_on_any_machine(path):
    for head in (HEAD, {**HEAD, "machine": {"cores": 16}}):
        assert ReportFile(path, head).rows == [{"row": 1}]


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
        ReportFile(path, head)
    assert path.read_bytes() == before
    assert json.loads(before)["rows"] == [{"row": 1}]


def test_a_report_of_another_command_or_no_report_at_all_is_refused_and_left(path, tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "text.json").write_text("no JSON")
    for other in (path, tmp_path / "list.json", tmp_path / "text.json"):
        before = other.read_bytes()
        with pytest.raises(ConfigurationError, match="is there and no report of `evaluate energy`: .*remove it"):
            ReportFile(other, {**HEAD, "command": "evaluate energy"})
        assert other.read_bytes() == before


def test_what_is_said_of_all_rows_together_is_in_the_file_and_no_part_of_the_head(tmp_path):
    for count in (1, 2):
        file = ReportFile(tmp_path / "report.json", HEAD, lambda rows: {"of": len(rows)})
        file.add({"row": count})
        assert json.loads((tmp_path / "report.json").read_text()) == file.report
        assert file.report["of"] == len(file.report["rows"]) == count


def test_a_number_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        ReportFile(tmp_path / "report.json", HEAD).add({"row": float("nan")})
