"""Options of the publishers' files that a dataset is built from."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import DataError
from experiments.cli.console import ChromAliasOption, ExcludeOption

if TYPE_CHECKING:
    from data.sources.tables import SourceFiles

NEEDED = ("dhs", "peaks", "sites", "genome")
"""The sources that a build cannot do without, by the options that name them."""


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The files of a dataset, as typed; by default those that `--from` finds."""

    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Folder of the publishers' files, which are recognized by their content "
            "(`bindgrid data sources` lists them). The options below take precedence over it. "
            "By default no folder is looked at.",
        ),
    ] = None
    dhs: Annotated[Path | None, typer.Option(help="UCSC DHS clusters, with `bin` or without.")] = (
        None
    )
    dhs_sources: Annotated[
        Path | None,
        typer.Option(help="UCSC's names of the DHS sources; needed where there is no --samples."),
    ] = None
    peaks: Annotated[Path | None, typer.Option(help="ReMap's `all` peaks, BED9 with summits.")] = (
        None
    )
    sites: Annotated[
        Path | None,
        typer.Option(help="UniBind sites: its .tar.gz or a folder of its files, or one BED file."),
    ] = None
    experiments: Annotated[
        Path | None,
        typer.Option(
            help="Table: experiment, tf, biotype. By default the names of the sites tell which TF "
            "was profiled in which biosample."
        ),
    ] = None
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Table: source_id, dhs_sample, biotype. By default the names of the DHS sources "
            "tell their biosamples."
        ),
    ] = None
    biosamples: Annotated[
        Path | None,
        typer.Option(
            help="Table: name, biosample, and treatment where there was one. Its rows take "
            "precedence over the shipped table, which alone is used by default."
        ),
    ] = None
    genome: Annotated[Path | None, typer.Option(help="Indexed FASTA, plain or BGZF.")] = None
    chrom_alias: ChromAliasOption = None
    exclude: ExcludeOption = None

    def files(self) -> "SourceFiles":
        """Give the files that the options name, or that the folder holds.

        Raises
        ------
        DataError
            If one that is needed is lacking, or two of the folder are the same source.
        """
        from data.sources.recognition import find_sources
        from data.sources.tables import SourceFiles

        typed = {
            name: path
            for name in (one.name for one in fields(SourceFiles) if one.name != "exclude")
            if (path := getattr(self, name)) is not None
        }
        found = {} if self.folder is None else find_sources(self.folder, but=set(typed))
        sources = found | typed
        lacking = [f"--{name}" for name in NEEDED if name not in sources]
        if lacking:
            where = "" if self.folder is None else f"{self.folder} does not hold all sources: "
            raise DataError(
                f"{where}{', '.join(lacking)} missing; `bindgrid data sources` tells what to "
                "download, and --from names the folder; your own files go into a --samplesheet"
            )
        return SourceFiles(**sources, exclude=tuple(self.exclude or ()))
