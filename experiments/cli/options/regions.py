"""Options of how regions are split, and of what relates TFs to each other."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options.choices import Split, names_in
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from data.dataset.sampling import Sampling
    from orchestrator.runs.loaded_dataset import LoadedDataset

StringOption = Annotated[
    Path | None,
    typer.Option(
        "--string",
        help="File of STRING's links, which groups of STRING partners need: its web export, its "
        "protein.links, or a table `TF partner`. Without it these groups are left out.",
    ),
]
StringInfoOption = Annotated[
    Path | None,
    typer.Option(
        "--string-info",
        help="STRING's protein.info, if it does not lie beside protein.links.",
    ),
]
ModesOption = Annotated[
    Path | None,
    typer.Option(
        "--modes",
        help="Your own binding modes, a table `tf mode`. By default those of JASPAR 2020's motifs.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How regions are split, as typed."""

    split: Annotated[
        Split,
        typer.Option(
            help="How regions are split to train, to validate and to test on: at random (the "
            "paper), or by chromosome, so that no test region is near a training region."
        ),
    ] = Split.RANDOM
    val_chroms: Annotated[
        str,
        typer.Option(
            help="Chromosomes to validate on with --split chromosome, separated by commas. By "
            "default one with about a tenth of the regions that is not tested on."
        ),
    ] = ""
    test_chroms: Annotated[
        str,
        typer.Option(
            help="Chromosomes to test on with --split chromosome, separated by commas. By default "
            "one with about a tenth of the regions that is not validated on."
        ),
    ] = ""

    def sampling(self, loaded: "LoadedDataset", avoid: Collection[str] = ()) -> "Sampling":
        """Give how regions are split; chromosomes that are not named are chosen.

        Parameters
        ----------
        avoid
            Chromosomes that are chosen only where there are no others, such as those that a base
            was trained on. By default there are none.

        Raises
        ------
        DataError
            If no chromosome is left to choose from or to train on.
        RunError
            If a chromosome has no regions, or is named beside a random split.
        ValueError
            If a chromosome is named both to validate and to test on.
        """
        return self._sampling(loaded.regions.built.chromosomes(), avoid)

    def check(self, sizes: Mapping[str, int]) -> None:
        """Check the chromosomes that are named, before the regions to split are known.

        Parameters
        ----------
        sizes
            Numbers of regions by chromosome, or lengths.

        Raises
        ------
        DataError, RunError, ValueError
            As :meth:`sampling`.
        """
        if self.val_chroms or self.test_chroms:
            self._sampling(sizes, ())

    def _sampling(self, counts: Mapping[str, int], avoid: Collection[str]) -> "Sampling":
        from data.dataset.sampling import Sampling, default_chromosomes

        val_chroms, test_chroms = names_in(self.val_chroms), names_in(self.test_chroms)
        for chrom in (*val_chroms, *test_chroms):
            if chrom not in counts:
                there = ", ".join(counts)
                raise RunError(f"no regions on chromosome {chrom!r}; there are: {there}")
        if self.split is Split.RANDOM:
            if val_chroms or test_chroms:
                raise RunError("--val-chroms and --test-chroms go with --split chromosome")
            return Sampling()
        if not (val_chroms and test_chroms):
            val, test = default_chromosomes(counts, val_chroms or test_chroms, avoid)
            val_chroms, test_chroms = val_chroms or (val,), test_chroms or (test,)
        return Sampling(split="chromosome", val_chroms=val_chroms, test_chroms=test_chroms)
