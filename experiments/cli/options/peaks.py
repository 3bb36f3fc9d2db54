"""Options of which peaks count: the best ones, or those with a minimum score."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.console import checked_settings

if TYPE_CHECKING:
    from data.dataset.added import PeakChoice


@dataclass(frozen=True, kw_only=True)
class PeakOptions:
    """Which of the peaks in the files count, as typed."""

    top: Annotated[
        int | None,
        typer.Option(
            help="Take the best N peaks of each file: by the column of --min-score, else by the "
            "format's own score (narrowPeak: pValue, else signalValue, else score). By default all "
            "peaks count.",
        ),
    ] = None
    min_score: Annotated[
        tuple[str, float] | None,
        typer.Option(
            help="Take the peaks with at least VALUE in a column, named as the format names it, "
            "such as signalValue, pValue, qValue or score, or by its number. By default all peaks "
            "count.",
            metavar="COLUMN VALUE",
        ),
    ] = None

    def choice(self, replicates: str) -> "PeakChoice":
        """Give which peaks count.

        Parameters
        ----------
        replicates
            How the files of a biosample are taken together, see `PeakChoice.replicates`.

        Raises
        ------
        RunError
            An option is out of its range.
        """
        from data.dataset.added import PeakChoice

        score, least = self.min_score or ("", None)
        with checked_settings():
            return PeakChoice(top=self.top, min_score=least, score=score, replicates=replicates)
