"""Options of which motifs are taken from JASPAR, and of the sites that motifs predict."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.console import checked_settings

if TYPE_CHECKING:
    from data.motifs.database import Jaspar


SitePOption = Annotated[
    float,
    typer.Option(
        help="Largest p-value at which a hit of the motif counts as a site, where sites are "
        "predicted."
    ),
]


@dataclass(frozen=True, kw_only=True)
class JasparOptions:
    """A release of JASPAR and a taxon, as typed."""

    jaspar: Annotated[
        str | None,
        typer.Option(
            help="Release of JASPAR (CORE) that motifs are taken from: 2020, 2022, 2024 or 2026. "
            "By default the one that the dataset was built with, else 2020: later ones lack a "
            "human SPI1, ERG, YY1 and GATA3."
        ),
    ] = None
    taxon: Annotated[
        str | None,
        typer.Option(
            help="Taxon of JASPAR: vertebrates, plants, insects, nematodes, fungi or urochordates. "
            "By default that which the dataset was built with, else vertebrates."
        ),
    ] = None

    def part(self, of_dataset: "Jaspar | None" = None) -> "Jaspar":
        """Give the part of JASPAR that the options name.

        Parameters
        ----------
        of_dataset
            The part to use where an option is not given; by default the paper's.

        Raises
        ------
        RunError
            There is no such release or taxon.
        """
        from data.motifs.database import DEFAULT, Jaspar

        default = of_dataset or DEFAULT
        with checked_settings():
            return Jaspar(year=self.jaspar or default.year, taxon=self.taxon or default.taxon)
