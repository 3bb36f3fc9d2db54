"""Write the tree in `docs/architecture.md` again: each file and what it says of itself.

::

    python -m docs.tree
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "architecture.md"
PARTS: Final = ("experiments", "orchestrator", "model", "data")
_BLOCK: Final = re.compile(r"(<!-- tree -->\n```\n).*?(```\n<!-- end of tree -->)", re.DOTALL)


def first_sentence(path: Path) -> str:
    """Give the first sentence of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _lines(folder: Path, depth: int) -> Iterator[str]:
    inside = sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name))
    for path in inside:
        indent = "  " * depth
        if path.suffix == ".py" and path.name != "__init__.py":
            yield f"{indent}{path.name:{26 - len(indent)}}{first_sentence(path)}\n"
        elif (path / "__init__.py").exists():
            said = first_sentence(path / "__init__.py")
            yield f"{indent}{path.name + '/':{26 - len(indent)}}{said}\n"
            yield from _lines(path, depth + 1)


def tree() -> str:
    """Give the tree of the four parts, a line for each folder and file."""
    rows = []
    for part in PARTS:
        rows.append(f"{part + '/':26}{first_sentence(ROOT / part / '__init__.py')}\n")
        rows += _lines(ROOT / part, 1)
    return "".join(rows)


def with_tree(page: str) -> str:
    """Give the page with the tree as it is now."""
    return _BLOCK.sub(lambda match: match[1] + tree() + match[2], page)


if __name__ == "__main__":
    PAGE.write_text(with_tree(PAGE.read_text()))
