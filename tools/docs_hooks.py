"""Links of the documentation to files outside docs/ lead to pages that show them; mkdocs calls this (mkdocs.yml)."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "source"
LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]+)(?=[)#])")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".rviz": "yaml", ".json": "json", ".xml": "xml", ".md": "markdown"}


def outside(page: str, link: str) -> str:
    """The path below the repository's root of what the ``page`` of docs/ links to; "" where that lies in docs/."""
    target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return "" if target.startswith("docs/") else target


def source_page(path: str) -> str:
    """The file's text as a page; FileNotFoundError where there is none."""
    file = ROOT / path
    return f"# {path}\n\n`````{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text(encoding='utf-8')}`````\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every file that a page links to outside docs/."""
    for page in files.documentation_pages():
        for link in LINK.findall(page.content_string):
            path = outside(page.src_uri, link)
            if path and files.get_file_from_path(f"{FOLDER}/{path}.md") is None:
                files.append(File.generated(config, f"{FOLDER}/{path}.md", content=source_page(path)))
    return files


def on_page_markdown(markdown: str, page, **_: object) -> str:
    """Send links that leave docs/ to these pages."""

    def inside(match: re.Match) -> str:
        path = outside(page.file.src_uri, match[0])
        up = "../" * page.file.src_uri.count("/")
        return f"{up}{FOLDER}/{path}.md" if path else match[0]

    return LINK.sub(inside, markdown)
