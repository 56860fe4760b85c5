"""What docs/results holds and what the pages say of it: measured on which machine, at which commit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diffusion_mpc_ros.artefacts.artefact import identity_of

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
REPORTS = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def said(content: Any, name: str) -> Iterator[Any]:
    """Everything that a report says under ``name``, at any depth."""
    if isinstance(content, dict):
        if name in content:
            yield content[name]
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from said(part, name)


def test_reports_are_of_sources_that_somebody_can_check_out():
    commits = {name: set(said(report, "commit")) for name, report in REPORTS.items()}
    assert commits["soak"] and commits["stops"] and commits["faults"]
    unknown = {name: [c for c in found if not re.fullmatch("[0-9a-f]{40}", c)] for name, found in commits.items()}
    assert {name: found for name, found in unknown.items() if found} == {}


@pytest.mark.parametrize(
    ("name", "pages"), [("soak", ("README.md", "docs/results/README.md", "docs/safety.md")),
                        ("stops", ("docs/results/README.md", "docs/safety.md"))],
)  # fmt: skip
def test_what_was_measured_on_an_earlier_controller_says_at_which_commit(name, pages):
    (commit,) = set(said(REPORTS[name], "commit"))
    for page in pages:
        assert f"`{commit[:7]}`" in (ROOT / page).read_text(), page


def test_the_page_says_which_tables_are_not_of_a_shipped_artefact():
    cards = (json.loads(path.read_text()) for path in (ROOT / "models").glob("*/card.json"))
    shipped = {identity_of(card)[:12] for card in cards}
    named = {
        (name, digits)
        for names, digits in re.findall(r"^\| (`.*`) \| ([0-9a-f]{12}) \|", (RESULTS / "README.md").read_text(), re.M)
        for name in re.findall(r"`(\w+)`", names)
    }
    used = {(name, report["artefact"][:12]) for name, report in REPORTS.items() if "artefact" in report}
    assert len(used) > 10 and {each for each in used if each[1] not in shipped} == named


def test_the_page_names_the_machines():
    of_amd = re.search(r"of an AMD EPYC for ([^.]*)\.", (RESULTS / "README.md").read_text())[1]
    processors = {name: set(said(report, "processor")) for name, report in REPORTS.items()}
    measured = {name for name, found in processors.items() if found == {"AMD EPYC"}}
    assert set(re.findall(r"`(\w+)`", of_amd)) == measured
    assert set.union(*processors.values()) == {"AMD EPYC", "Intel(R) Xeon(R) Processor"}
