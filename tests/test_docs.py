"""The documentation says what is there: links, commands and the tree of files."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from docs import tree
from experiments.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
README = (ROOT / "README.md").read_text()


def shell_commands(text: str) -> list[list[str]]:
    """Words of the `bindgrid` commands in a page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in commands if words[:1] == ["bindgrid"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", ["README.md", "docs/labs.md"])
def test_every_command_in_a_page_is_understood(page):
    commands = shell_commands((ROOT / page).read_text())
    assert len(commands) >= 5
    for words in commands:
        context: Any = None
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            context = command.context_class(command, info_name="bindgrid", parent=context)
            command = command.commands[words.pop(0)]
        # raises on an option that does not exist or a value of the wrong type
        command.make_context("bindgrid", words, parent=context)


def test_the_readmes_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", README))
    assert {"demo", "test", "setup"} <= named <= targets


def test_the_tree_is_that_of_the_files():
    page = tree.PAGE.read_text()
    assert page == tree.with_tree(page), "run python -m docs.tree"
    assert page.count(".py") > 100
