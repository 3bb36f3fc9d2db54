"""Options of a dataset that is built from a sample sheet, and how its faults are reported."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.console import checked_settings, err, steps, tell_few_accessible
from experiments.cli.options.jaspar import JasparOptions, SitePOption
from experiments.cli.options.sources import SourceOptions
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from data.dataset.store import Dataset
    from data.left_out import LeftOut
    from data.samplesheet.build import SheetFiles, SheetSites

_SHARED = ("genome", "chrom_alias", "exclude")
"""Options of the publishers' files that also go with a sheet."""


@dataclass(frozen=True, kw_only=True)
class SheetOptions:
    """A sample sheet, its regions, and where its sites come from, as typed."""

    samplesheet: Annotated[
        Path | None,
        typer.Option(
            help="Sample sheet of your own files, in any assembly: CSV or TSV with columns tf, "
            "biosample, peaks and, if need be, sites, accessible and replicate; or ENCODE's "
            "metadata.tsv beside its files. It takes the place of the publishers' files."
        ),
    ] = None
    regions: Annotated[
        Path | None,
        typer.Option(
            help="Peaks or BED whose summits or middles are the regions of --samplesheet. By "
            "default they are made of all its accessible peaks."
        ),
    ] = None
    no_sites: Annotated[
        bool,
        typer.Option(
            "--no-sites",
            help="Call a region of --samplesheet bound by peaks alone, which is weaker evidence. "
            "By default sites that it does not name are predicted by the TF's motif in JASPAR.",
        ),
    ] = False
    site_p: SitePOption = 1e-3
    jaspar: JasparOptions

    def files(self, sources: SourceOptions) -> "SheetFiles":
        """Give the files of the sheet's dataset.

        Parameters
        ----------
        sources
            The genome and what goes with it, among the sources as typed.

        Raises
        ------
        RunError
            There is no genome.
        """
        from data.samplesheet.build import SheetFiles

        if self.samplesheet is None or sources.genome is None:
            raise RunError("--samplesheet needs the genome that its files are of: --genome")
        return SheetFiles(
            sheet=self.samplesheet,
            genome=sources.genome,
            chrom_alias=sources.chrom_alias,
            regions=self.regions,
            exclude=tuple(sources.exclude or ()),
        )

    def sites(self) -> "SheetSites":
        """Say how sites are found.

        Raises
        ------
        RunError
            An option is out of its range.
        """
        from data.own_tf.predicted_sites import SiteRule
        from data.samplesheet.build import SheetSites

        with checked_settings():
            rule = SiteRule(p_value=self.site_p)
        return SheetSites(are_used=not self.no_sites, rule=rule, jaspar=self.jaspar.part())

    def check(self, sources: SourceOptions) -> None:
        """Refuse options that belong to the other kind of sources.

        Parameters
        ----------
        sources
            The publishers' files, as typed.

        Raises
        ------
        RunError
            If files of publishers are named beside a sheet, or a sheet's options without one.
        """
        others = [
            "--from" if one.name == "folder" else f"--{one.name.replace('_', '-')}"
            for one in fields(sources)
            if one.name not in _SHARED and getattr(sources, one.name) is not None
        ]
        own = ["--regions"] if self.regions is not None else []
        own += ["--no-sites"] if self.no_sites else []
        if self.samplesheet is not None and others:
            raise RunError(f"--samplesheet and {', '.join(others)} exclude each other")
        if self.samplesheet is None and own:
            raise RunError(f"{', '.join(own)} without --samplesheet; name the sheet")


def build_sheet(
    options: SheetOptions,
    files: "SheetFiles",
    path: Path,
    odd_rows: "LeftOut",
    *,
    replace: bool,
) -> "Dataset":
    """Build a dataset from a sample sheet, and tell what is odd in its files.

    Raises
    ------
    RunError
        The sheet has faults, which were told.
    """
    from data.samplesheet.build import build_from_sheet
    from data.samplesheet.faults import SheetError

    try:
        with steps("Building the dataset") as on_step:
            dataset = build_from_sheet(
                files,
                path,
                sites=options.sites(),
                replace=replace,
                left_out=odd_rows,
                on_step=on_step,
            )
    except SheetError as error:
        for fault in error.faults:
            err.print(fault)
        raise RunError(str(error).partition("\n")[0]) from None
    _tell_few(dataset)
    return dataset


def _tell_few(dataset: "Dataset") -> None:
    """Warn of files with hardly any summit in an accessible region."""
    for summary in dataset.summaries():
        for file in () if summary.made_from is None else summary.made_from.files:
            what = f"{file.peaks.file} ({summary.tf} in {file.biosample})"
            tell_few_accessible(what, file.num_in_accessible, file.num_peaks)
