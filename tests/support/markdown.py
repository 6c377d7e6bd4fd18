"""Reads the project's pages: their code blocks, links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code."""

    page: Path
    line: int
    """Of its first line of code, in the page."""
    language: str
    text: str

    @property
    def place(self) -> str:
        """The file that the first line names in a comment (`# shop/jobs.py`), or ""."""
        found = re.match(r"# ([\w./ -]+)\n", self.text)
        return found[1] if found else ""

    def commands(self) -> list[str]:
        """The lines that a person types after the prompt, without comments."""
        typed = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        return [line.partition("  #")[0].strip() for line in typed]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page for readers."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str = "") -> list[Block]:
    """The page's blocks in their order; of one language if it is given."""
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        indent, name, code = match.groups()
        line = text.count("\n", 0, match.start(3)) + 1
        if language in ("", name):
            code = re.sub(f"^{indent}", "", code, flags=re.MULTILINE)
            found.append(Block(page, line, name, code))
    return found


def section(page: Path, heading: str) -> tuple[int, int]:
    """The first and last line of what stands under a heading, up to the next of its rank."""
    lines = page.read_text().splitlines()
    rank, first = next(
        (line.count("#", 0, line.index(" ")), number)
        for number, line in enumerate(lines, 1)
        if line.startswith("#") and line.lstrip("# ") == heading
    )
    for number, line in enumerate(lines[first:], first + 1):
        marks = re.match(r"(#+) ", line)
        if marks and len(marks[1]) <= rank and not _is_code(page, number):
            return first, number - 1
    return first, len(lines)


def links(page: Path) -> list[str]:
    """The targets of the page's links and images."""
    return _LINK.findall(_FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def _is_code(page: Path, line: int) -> bool:
    return any(block.line <= line < block.line + block.text.count("\n") for block in blocks(page))
