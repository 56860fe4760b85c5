"""What the documentation tells people to type: the blocks and the words in backticks of its pages, as commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markdown_it import MarkdownIt

from diffusion_mpc_ros import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PROGRAM = "diffusion-mpc"
SHELL_LANGUAGES = {"", "sh", "bash", "console"}
# What is typed beside our own: of the machine, of ROS, of other projects.
FOREIGN = {
    "[", "apt", "cd", "cmake", "colcon", "export", "for", "git", "ip", "nft", "pip", "pre-commit", "python", "python3",
    "set", "shift", "source", "ssh", "taskset", "tensorboard",
}  # fmt: skip
PROGRAMS = {PROGRAM, "make", "ros2", *FOREIGN}
KEYWORDS = {"do", "done", "while"}
# Put before a command: how many words that takes.
PREFIXES = {"sudo": 1, "taskset": 3, ".venv/bin/torchrun": 5}
SEPARATORS = {"&&", "||", ";", "|", "&"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


@dataclass(frozen=True)
class Documented:
    """A command as it is documented: where, and its words, the program first, without its folder."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


@lru_cache
def tokens(page: Path) -> list:
    """The page's Markdown tokens, those within a line among them."""
    found = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    return [inner for token in found for inner in (token, *(token.children or ()))]


def blocks(page: Path) -> Iterator[str]:
    """The blocks of the page that may hold commands."""
    for token in tokens(page):
        if token.type == "code_block" or (token.type == "fence" and token.info.strip() in SHELL_LANGUAGES):
            yield token.content


def inline(page: Path) -> list[str]:
    """What stands in backticks within a line."""
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def is_shell(block: str) -> bool:
    """Whether the block is typed into a shell: its first command is a program that we know of."""
    first = next(commands_of(block), ())
    return bool(first) and first[0] in PROGRAMS


def commands_of(block: str) -> Iterator[tuple[str, ...]]:
    """The commands of a block: lines joined, comments, assignments and prefixes off, ``$1`` and ``$2`` filled in."""
    arguments: list[str] = []
    for line in block.replace("\\\n", " ").splitlines():
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
            lexer.whitespace_split = True
            words = list(lexer)
        except ValueError:  # an open quote: prose, a drawing
            return
        for command in _split(words):
            if command[:2] == ["set", "--"]:
                arguments = command[2:]
            for number, value in enumerate(arguments, 1):
                command = [word.replace(f"${number}", value) for word in command]
            if command:
                yield (command[0].rpartition("/")[2], *command[1:])


def _split(words: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in [*words, ";"]:
        if word in SEPARATORS:
            while command and (command[0] in KEYWORDS or command[0] in PREFIXES or ASSIGNMENT.fullmatch(command[0])):
                del command[: PREFIXES.get(command[0], 1)]
            yield command
            command = []
        else:
            command.append(word)


def documented() -> list[Documented]:
    """Every command of every page, once."""
    found = {}
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        typed = [words for block in blocks(page) if is_shell(block) for words in commands_of(block)]
        for text in inline(page):
            words = next(commands_of(text.replace("\n", " ")), ("",))
            if len(words) > 1 and (words[0] in {PROGRAM, "make"} or words[:2] == ("ros2", "launch")):
                typed.append(words)
            elif len(words) > 1 and words[0] in cli.COMMANDS.commands:
                typed.append((PROGRAM, *words))
        found |= dict.fromkeys(Documented(name, words) for words in typed)
    return list(found)
