"""The README and the pages in `docs/`: their sections, and the code in them."""

from __future__ import annotations

import re

from tests.targets import ROOT

#: The text of each page, by its path.
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
README = PAGES["README.md"]


def commands() -> list[tuple[str, str, str]]:
    """Each block of shell commands: its page, the commands, and the text block after it, if any."""
    return [
        (page, *found)
        for page, text in PAGES.items()
        for found in re.findall(
            r"^```sh\n(.*?)^```$(?:\n\n```\n(.*?)^```$)?", text, re.MULTILINE | re.DOTALL
        )
    ]


def command(content: str) -> str:
    """The one block of shell commands that contains this."""
    (found,) = (text for _, text, _ in commands() if content in text)
    return found


def section(page: str, title: str) -> str:
    """A section of a page, without the next one."""
    text = re.split(rf"^##+ {re.escape(title)}$", PAGES[page], flags=re.MULTILINE)[1]
    # A comment within a block starts with a single `#`
    return re.split(r"^##+ ", text, flags=re.MULTILINE)[0]


def blocks(page: str, title: str, language: str) -> list[str]:
    """The code blocks of a section, in order."""
    text = section(page, title)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block(page: str, title: str, language: str) -> str:
    """The only code block of a section in this language."""
    (only,) = blocks(page, title, language)
    return only


def anchor(title: str) -> str:
    """What GitHub calls a heading in links."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
