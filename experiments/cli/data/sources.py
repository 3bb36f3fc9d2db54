"""`bindgrid data sources` and `check`: what to download for a dataset, and whether it is there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from data.words import counted
from experiments.cli.console import out, steps

if TYPE_CHECKING:
    from data.sources.public_files import PublicFile
    from data.sources.recognition import Recognized


def register(app: typer.Typer) -> None:
    """Add the commands to `bindgrid data`."""
    app.command()(sources)
    app.command()(check)


def sources() -> None:
    """Show what to download for a dataset of human (hg38), and from where.

    Example: bindgrid data sources
    """
    from data.sources.public_files import ROLES, public_files

    for role, what in ROLES.items():
        out.print(str(what), style="bold")
        for file in public_files():
            if file.role == role:
                _print_file(file)
    out.print(
        "\nPut them into one folder and unpack the genome (gunzip hg38.fa.gz). Next:\n"
        "  bindgrid data check FOLDER\n"
        "  bindgrid data build --from FOLDER\n"
        "Other species, and a lab's own collection: see docs/formats.md."
    )


def check(
    folder: Annotated[Path, typer.Argument(help="Folder of the publishers' files.")],
) -> None:
    """Check downloads without building: what each file is, whether it is whole, what is missing.

    Example: bindgrid data check downloads
    """
    from data.release.authors import check_release, is_release
    from data.sources.recognition import fault_of, recognize, size_note

    if is_release(folder):
        num_tfs = counted(len(check_release(folder)), "TF")
        out.print(
            f"{folder}: files of {num_tfs} as the paper's authors released them, which need no "
            f"build: bindgrid data import {folder}",
            soft_wrap=True,
        )
        return
    table = Table("file", "what it is", "size", "state")
    whole = []
    with steps("Checking") as on_step:
        for one in recognize(folder):
            on_step(f"reading {one.path.name}")
            fault = fault_of(one)
            if not fault:
                whole.append(one)
            name = str(one.path.relative_to(folder))
            state = fault or size_note(one) or "whole"
            table.add_row(name, one.kind.value, file_size(one.size), state)
    out.print(table)
    if not _is_complete(whole, folder):
        raise typer.Exit(2)


def file_size(num_bytes: float) -> str:
    """Give a size in words, in kB or MB."""
    if num_bytes < 1e6:
        return f"{max(num_bytes / 1e3, 1):.0f} kB"
    return f"{num_bytes / 1e6:,.0f} MB"


def _is_complete(found: "list[Recognized]", folder: Path) -> bool:
    """Say what is missing for a build, or else how to build; gives whether nothing is missing."""
    from data.sources.public_files import ROLES, public_files
    from data.sources.recognition import FIELD_OF
    from experiments.cli.options.sources import NEEDED

    names = [FIELD_OF[one.kind] for one in found if one.kind in FIELD_OF]
    table_of_sources = "samples" if "samples" in names else "dhs_sources"
    needed = [name for name in (*NEEDED, table_of_sources) if name != "genome"]
    missing = [name for name in needed if name not in names]
    for name in missing:
        out.print(f"Missing: {ROLES[name]}", style="bold")
        for file in public_files():
            if file.role == name:
                _print_file(file)
    for name in sorted({name for name in names if names.count(name) > 1}):
        option = "--" + name.replace("_", "-")
        content = ROLES[name].content if name in ROLES else name
        out.print(f"Several files are {content}: choose by {option}")
    if missing:
        return False
    genome = "" if "genome" in names else " --genome hg38.fa"
    out.print(
        f"All that a build needs is here. Next:\n  bindgrid data build --from {folder}{genome}",
        soft_wrap=True,
    )
    return True


def _print_file(file: "PublicFile") -> None:
    size = "" if file.mb is None else f", {file_size(file.mb * 1e6)}"
    out.print(f"  {file.file} ({file.release}{size}): {file.publisher}, {file.licence}")
    out.print(f"    {file.note}\n    {file.address}", soft_wrap=True)
