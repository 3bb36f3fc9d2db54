"""The files that `bindgrid tf add` takes: peaks, sites, accessible peaks, and a genome."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import DataError
from data.words import counted, listed
from experiments.cli.console import (
    ChromAliasOption,
    ExcludeOption,
    LeftOutOption,
    checked_settings,
    err,
)
from experiments.cli.options.jaspar import JasparOptions, SitePOption
from experiments.cli.options.peaks import PeakOptions
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from data.dataset.added import PeakChoice
    from data.motifs.database import Jaspar
    from data.own_tf.files import PeakFile
    from data.own_tf.labels import OwnTF


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The files of a user's own TF, and where its sites come from, as typed."""

    peaks: Annotated[
        list[Path],
        typer.Option(
            help="File of peaks in one biosample: BED, narrowPeak, MACS, HOMER, SEACR or ReMap. "
            "Repeat it for further files."
        ),
    ]
    biosample: Annotated[
        list[str] | None,
        typer.Option(
            help="Biosample of each --peaks, as the dataset names it; repeat it. Not needed where "
            "there is one cell type."
        ),
    ] = None
    counted: PeakOptions
    sites: Annotated[
        list[Path] | None,
        typer.Option(
            help="BED file of the TF's binding sites: one for all --peaks, or one for each. A "
            "region is then bound where it has a site beside the peak."
        ),
    ] = None
    predict_sites: Annotated[
        bool | None,
        typer.Option(
            "--predict-sites/--no-sites",
            help="Call a region bound only where its peak has a site too, predicted by the TF's "
            "motif; or by its peak alone. By default peaks alone count without a dataset; in a "
            "dataset, sites are asked for where its own TFs have them.",
        ),
    ] = None
    motif: Annotated[
        str | None,
        typer.Option(
            help="JASPAR matrix, motif file, or FILE#NAME for one motif of a file. It is a term of "
            "the model, or of the TF's own motifs one that the peaks choose from "
            "(--chosen-motifs), and predicts sites where they are predicted. By default JASPAR's "
            "matrix of the TF's name."
        ),
    ] = None
    site_p: SitePOption = 1e-3
    jaspar: JasparOptions
    accessible: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of DNase or ATAC peaks for each biosample that the dataset lacks; repeat "
            "it. Without a dataset, accessible peaks without a peak of the TF are its unbound "
            "regions; by default windows of the genome are."
        ),
    ] = None
    extend_regions: Annotated[
        bool,
        typer.Option(
            "--extend-regions",
            help="Add regions to the dataset where --accessible peaks lie in none of its regions.",
        ),
    ] = False
    genome: Annotated[
        Path | None,
        typer.Option(
            help="FASTA of the genome, of any assembly; its index is made if it is missing. By "
            "default the one that the dataset was built from."
        ),
    ] = None
    chrom_alias: ChromAliasOption = None
    exclude: ExcludeOption = None
    left_out: LeftOutOption = None

    def paired(
        self, known: Sequence[str], choice: "PeakChoice", *, is_own: bool = False
    ) -> "tuple[PeakFile, ...]":
        """Pair the options that are repeated; one biosample is enough for replicates.

        Parameters
        ----------
        known
            Biosamples of the dataset; if there is only one, it need not be named.
        is_own
            Whether the dataset is of the lab's own regions, so that --accessible may be given for
            any biosample. By default it is not.

        Raises
        ------
        RunError
            The numbers of files differ, or no biosample is named and there is not exactly
            one.
        """
        given = self.biosample or list(known)
        if not self.biosample and len(known) != 1:
            there = listed(known, 5) or "none"
            raise RunError(
                f"--biosample is missing: name that of each --peaks; the dataset has: {there}"
            )
        is_shared = len(given) == 1 and (choice.replicates or not self.biosample)
        biosamples = given * (len(self.peaks) if is_shared else 1)
        lacking = [one for one in dict.fromkeys(biosamples) if is_own or one not in known]
        return self._files(biosamples, lacking)

    def own_tf(
        self,
        name: str,
        files: "tuple[PeakFile, ...]",
        choice: "PeakChoice",
        jaspar: "Jaspar",
        *,
        asks_for_sites: bool,
    ) -> "OwnTF":
        """Decide where the sites of the TF come from.

        Parameters
        ----------
        jaspar
            Part of JASPAR that the TF's motif is taken from.
        asks_for_sites
            Whether sites are predicted where the options do not say.

        Raises
        ------
        RunError
            The options exclude each other.
        """
        from data.own_tf.labels import OwnTF
        from data.own_tf.predicted_sites import SiteRule, find_motif, without_motif

        given = any(file.sites is not None for file in files)
        if given and self.predict_sites is not None:
            option = "--predict-sites" if self.predict_sites else "--no-sites"
            raise RunError(f"{option} and --sites exclude each other; leave one out")
        predicts = not given and (
            asks_for_sites if self.predict_sites is None else self.predict_sites
        )
        found = None
        try:
            if not given or self.motif is not None:
                found = find_motif(name, self.motif, err.print, jaspar)
        except DataError:
            if self.motif is not None or predicts:
                raise
            err.print(f"{without_motif(name, jaspar)} to make it a term of the model")
        with checked_settings():
            rule = SiteRule(p_value=self.site_p)
            return OwnTF(
                name=name,
                files=files,
                motif=found,
                predicts_sites=predicts,
                rule=rule,
                choice=choice,
                exclude=tuple(self.exclude or ()),
            )

    def _files(self, biosamples: list[str], lacking: list[str]) -> "tuple[PeakFile, ...]":
        """Pair the options; each biosample that lacks accessible peaks may come with them."""
        from data.own_tf.files import PeakFile

        peaks, sites, accessible = self.peaks, self.sites, self.accessible
        if len(peaks) != len(biosamples):
            raise RunError(
                f"{len(peaks)} --peaks and {len(biosamples)} --biosample; give one for each, in "
                "order"
            )
        if sites and len(sites) not in (1, len(peaks)):
            raise RunError(
                f"{len(sites)} --sites for {len(peaks)} --peaks; give one, or one for each"
            )
        of_peaks: list[Path | None] = [*sites] if sites else [None]
        if len(of_peaks) == 1:
            of_peaks *= len(peaks)
        if accessible and len(accessible) != len(lacking):
            raise RunError(
                f"{len(accessible)} --accessible for {counted(len(lacking), 'biosample')} that the "
                f"dataset lacks{': ' + ', '.join(lacking) if lacking else ''}; give one for each, "
                "in order"
            )
        opened = dict(zip(lacking, accessible or (), strict=False))
        return tuple(
            PeakFile(peaks=file, biosample=name, sites=own, accessible=opened.get(name))
            for file, name, own in zip(peaks, biosamples, of_peaks, strict=True)
        )
