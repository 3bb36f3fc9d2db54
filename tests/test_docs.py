"""The documentation says what is there: links, commands and the tree of files."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from docs import tree
from experiments.cli.main import app
from tests.helpers.pages import shell_commands

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
README = (ROOT / "README.md").read_text()


def anchor(heading: str) -> str:
    """Name of a heading in links, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_page_is_understood(page):
    for typed in shell_commands(page.read_text()):
        # the network that the tutorial adds is not there; test_pages.py adds it
        words = ["paper" if word == "compact" else word for word in typed]
        context: Any = None
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            context = command.context_class(command, info_name="bindgrid", parent=context)
            command = command.commands[words.pop(0)]
        # raises on an option that does not exist or a value of the wrong type
        command.make_context("bindgrid", words, parent=context)


def test_the_pages_that_show_commands_have_some():
    named = {page.name for page in PAGES if shell_commands(page.read_text())}
    assert named >= {"README.md", "labs.md", "study.md", "cluster.md", "results.md", "tutorial.md"}


def test_every_page_is_listed_and_every_command_is_in_the_table():
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {page.name for page in ROOT.glob("docs/*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\((\w+\.md)\)", index))
    command: Any = typer.main.get_command(app)
    for name, of_name in command.commands.items():
        for last in getattr(of_name, "commands", {"": None}):
            whole = f"{name} {last}".strip()
            assert re.search(rf"`(bindgrid )?{whole}[ `]", index), f"bindgrid {whole} is not listed"


def test_the_readme_is_short():
    assert len(README.split()) <= 800


def test_a_link_to_a_section_finds_it():
    for page in PAGES:
        for target, section in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
            text = (page.parent / target if target else page).read_text()
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            assert section in map(anchor, headings), f"{page.name} links to {target}#{section}"


def test_the_readmes_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", README))
    assert {"demo", "test", "setup"} <= named <= targets


def test_the_tree_is_that_of_the_files():
    page = tree.PAGE.read_text()
    assert page == tree.with_tree(page), "run python -m docs.tree"
    assert page.count(".py") > 100


def spelled(name: str) -> str:
    """A package's name in the one spelling of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_locked_by_its_version_alone_and_has_its_licence_listed():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins), "no host, no build, no range"
    locked = {spelled(pin.partition("==")[0]) for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *extras["cluster"], *extras["dev"]]
    assert {spelled(re.split(r"[^\w.-]", one)[0]) for one in named} <= locked
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", (ROOT / "docs/security.md").read_text(), re.M)
    listed = {spelled(name) for row in rows for name in row.split(", ")}
    assert locked <= listed
