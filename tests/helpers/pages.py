"""What the pages of the documentation tell a reader to type: commands and changes of files."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


def blocks(page: str, language: str) -> list[str]:
    """Content of the code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def shell_commands(page: str) -> list[list[str]]:
    """Words of the `bindgrid` commands in a page's shell blocks."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in commands if words[:1] == ["bindgrid"]]


class Hunk(NamedTuple):
    """A change of a file: lines that stand there, and those to put in their place."""

    path: str
    before: str
    after: str


def hunks(page: str) -> Iterator[Hunk]:
    """Yield the changes in a page's diff blocks."""
    for block in blocks(page, "diff"):
        for of_file in re.split(r"^--- .*\n", block, flags=re.MULTILINE)[1:]:
            header, *changes = re.split(r"^@@.*\n", of_file, flags=re.MULTILINE)
            path = header.strip().removeprefix("+++ b/")
            for change in changes:
                lines = change.splitlines(keepends=True)
                before = "".join(line[1:] for line in lines if line[0] in " -")
                after = "".join(line[1:] for line in lines if line[0] in " +")
                yield Hunk(path, before, after)


def apply(hunk: Hunk, root: Path) -> None:
    """Change a file; what is to be replaced must stand in it once."""
    path = root / hunk.path
    text = path.read_text()
    assert text.count(hunk.before) == 1, f"{hunk.path} has not once:\n{hunk.before}"
    path.write_text(text.replace(hunk.before, hunk.after))
