"""Options of what `bindgrid predict` predicts: regions, sequences, or tiles of the genome."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.console import ChromAliasOption, ExcludeOption, checked_settings
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from data.left_out import LeftOut
    from data.queries.windows import Windows
    from data.sources.genome import Genome


@dataclass(frozen=True, kw_only=True)
class QueryOptions:
    """What is predicted, as typed."""

    bed: Annotated[
        Path | None,
        typer.Option(
            help="Regions: the sequence around the middle of each is read, and around the summit "
            "where the file is narrowPeak or another format of peaks with summits."
        ),
    ] = None
    genome: Annotated[Path | None, typer.Option(help="Indexed FASTA, plain or BGZF.")] = None
    fasta: Annotated[
        Path | None, typer.Option(help="Sequences, in place of --bed and --genome.")
    ] = None
    flank5: Annotated[
        str,
        typer.Option(
            metavar="SEQUENCE",
            help="Bases before each sequence of --fasta that is shorter than the network reads, "
            "such as those of a reporter plasmid. By default shorter ones are left out.",
        ),
    ] = ""
    flank3: Annotated[
        str,
        typer.Option(metavar="SEQUENCE", help="Bases after each such sequence. By default none."),
    ] = ""
    stride: Annotated[
        int | None,
        typer.Option(help="Tile --bed, or the whole genome, with one value for this many bases."),
    ] = None
    chrom_alias: ChromAliasOption = None
    exclude: ExcludeOption = None

    def check(self, *, tiles: bool) -> None:
        """Refuse options that do not go together.

        Parameters
        ----------
        tiles
            Whether the output has a value for each tile.

        Raises
        ------
        RunError
            If so.
        """
        places = (self.bed, self.genome, self.stride, self.chrom_alias, self.exclude)
        if self.fasta is not None and any(place is not None for place in places):
            raise RunError(
                "--fasta stands alone; leave out --bed, --genome, --stride, --chrom-alias and "
                "--exclude"
            )
        if self.fasta is None and (self.flank5 or self.flank3):
            raise RunError("--flank5 and --flank3 extend the sequences of --fasta; give it")
        if self.fasta is None and self.genome is None:
            raise RunError("nothing to predict; give --bed with --genome, or --fasta")
        if self.fasta is None and self.bed is None and self.stride is None:
            raise RunError(
                "the whole genome is predicted in tiles; give --stride, or regions by --bed"
            )
        if tiles and self.fasta is not None:
            raise RunError(
                "a bigWig or bedGraph has values of places in a genome, which sequences of --fasta "
                "have none of; give --out another ending, such as .tsv"
            )
        if tiles and self.stride is None:
            raise RunError(
                "a bigWig or bedGraph has a value for each tile of bases; give --stride, such as 50"
            )

    def opened_genome(self) -> "Genome | None":
        """Open the genome; None where sequences are given."""
        from data.sources.genome import Genome

        return None if self.genome is None else Genome(self.genome, self.chrom_alias)

    def windows(
        self, genome: "Genome | None", length_bp: int, left_out: "LeftOut"
    ) -> "Iterator[Windows]":
        """Yield the sequences that the options ask for, as long as the network reads.

        Raises
        ------
        DataError
            A file cannot be used.
        RunError
            An option is out of its range.
        """
        from data.queries.windows import Flanks, bed_windows, fasta_windows, tiled_windows
        from data.sources.blacklist import Blacklist

        if self.fasta is not None:
            with checked_settings():
                flanks = Flanks(before=self.flank5.upper(), behind=self.flank3.upper())
            return fasta_windows(self.fasta, length_bp, left_out, flanks)
        if genome is None:
            raise RunError("regions need --genome")
        exclude = Blacklist(self.exclude or (), genome.chromosomes, left_out)
        if self.stride is None and self.bed is not None:
            return bed_windows(self.bed, genome, length_bp, left_out, exclude)
        if self.stride is None or not 0 < self.stride <= length_bp:
            raise RunError(f"--stride is {self.stride}; give 1 to {length_bp}, the network's input")
        return tiled_windows(genome, length_bp, self.stride, self.bed, left_out, exclude)
