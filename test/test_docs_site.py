"""The documentation builds without a warning, loads nothing from elsewhere, and is written to be read."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from documented_commands import ROOT, tokens

DOCS = ROOT / "docs"
DRAWINGS = sorted((DOCS / "drawings").glob("*.svg"))
# One page a job, in the order of the home page; written for who comes first.
JOBS = ("first_walk", "robot", "steer", "finetune", "figures", "how_it_works")
PLAIN = [DOCS / f"{name}.md" for name in ("index", *JOBS, "results/tuning", "api/index")]
LONGEST_SENTENCE, LONGEST_README = 25, 900
# What fetches: everything else waits for a click.
FETCHING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
READABLE = 4.5  # contrast of WCAG 2, level AA


class Fetched(HTMLParser):
    """What a browser loads with a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in FETCHING:
            self.found.append(dict(attrs).get(FETCHING[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a broken link or anchor, or a page that nothing leads to, fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "true"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    fetched = {address for page in pages for address in Fetched(page).found}
    assert len(pages) > 30 and "view.png" in fetched
    assert [address for address in fetched if "//" in address] == []
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert styles and not [text for text in styles if re.search(r"url\(.?(https?:)?//|@import", text)]


def test_the_api_has_the_public_names_and_no_markup_of_another_language(site: Path) -> None:
    text = (site / "api" / "planners.html").read_text(encoding="utf-8")
    assert 'id="diffusion_mpc_ros.planners.base.Planner.plan"' in text
    for page in (site / "api").glob("*.html"):
        assert not re.search(r":(attr|class|data|func|meth|mod):", page.read_text(encoding="utf-8")), page.name


def test_files_outside_the_docs_are_shown(site: Path) -> None:
    assert "class Trot" in re.sub(r"<[^>]+>", "", (site / "source/examples/new_planner.py.html").read_text())
    assert 'href="source/examples/new_planner.py.html"' in (site / "planners.html").read_text()


def load_hooks():
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "tools" / "docs_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_link_that_leaves_the_docs_is_told_from_one_that_stays() -> None:
    hooks = load_hooks()
    assert hooks.outside("planners.md", "../examples/x.py") == "examples/x.py"
    assert hooks.outside("api/index.md", "../../examples/x.py") == "examples/x.py"
    assert hooks.outside("results/README.md", "../rewards.md") == ""
    with pytest.raises(FileNotFoundError):
        hooks.source_page("examples/nothing.py")


def sentences(page: Path) -> list[str]:
    """The sentences of paragraphs, lists and cells, code as one word."""
    found = []
    for token in tokens(page):
        if token.type == "inline":
            text = re.sub(r"`[^`]*`", "code", re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", token.content))
            found += re.split(r"(?<=[.!?:;])\s", text)
    return found


@pytest.mark.parametrize("page", PLAIN, ids=lambda page: str(page.relative_to(DOCS)))
def test_sentences_are_short(page: Path) -> None:
    assert [text for text in sentences(page) if len(text.split()) > LONGEST_SENTENCE] == []


def test_the_home_page_leads_to_every_job() -> None:
    home = (DOCS / "index.md").read_text(encoding="utf-8")
    pages = re.findall(r"\]\((\w+)\.md\) \|", home)
    assert [page for page in pages if page in JOBS] == list(JOBS)
    assert all((DOCS / f"{page}.md").is_file() for page in pages) and len(pages) == 10


def test_the_readme_is_read_to_its_end() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= LONGEST_README


def luminance(colour: str) -> float:
    """The relative luminance of ``#rrggbb`` (WCAG 2)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.name)
def test_drawings_are_described_and_legible_in_light_and_dark(drawing: Path) -> None:
    text = drawing.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    names = [element.tag.rpartition("}")[2] for element in root]
    assert names[:2] == ["title", "desc"] and all(element.text for element in root[:2])
    light, dark = re.search(
        r"<style>(.*?)@media \(prefers-color-scheme: dark\) \{(.*)\}\s*</style>", text, re.DOTALL
    ).groups()
    for scheme in (light, dark):
        fills = dict(re.findall(r"([.\w]+) \{ fill: (#\w{6});", scheme))
        for paper in (".paper", ".box", ".ours", ".last"):
            assert contrast(fills["text"], fills[paper]) >= READABLE, paper
