"""`bindgrid tf add`, `list` and `remove`: a lab's own TF in a dataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from data.dataset.store import Dataset
from data.left_out import LeftOut
from data.schema import Evidence
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    ChromAliasOption,
    ExcludeOption,
    LeftOutOption,
    WorkspaceOption,
    checked_settings,
    err,
    left_out_kept,
    out,
    steps,
    tell_few_accessible,
    tell_left_out,
)
from experiments.cli.jaspar_options import JasparOptions, SitePOption
from experiments.cli.options import spread
from experiments.cli.peak_options import PeakOptions
from experiments.cli.tf_train import TrainOptions, train_and_judge
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.added import AddedTF, PeakChoice
    from data.dataset.region_table import RegionTable
    from data.motifs.database import Jaspar
    from data.own_tf.files import PeakFile, ReadFiles
    from data.own_tf.labels import Labels, OwnTF
    from data.sources.genome import Genome


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `bindgrid tf`."""
    app.command()(spread(add))
    app.command("list")(list_tfs)
    app.command()(remove)


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
        list[str],
        typer.Option(help="Biosample of each --peaks, as the dataset names it; repeat it."),
    ]
    counted: PeakOptions
    sites: Annotated[
        list[Path] | None,
        typer.Option(
            help="BED file of the TF's binding sites: one for all --peaks, or one for each. By "
            "default sites are predicted by the TF's motif."
        ),
    ] = None
    no_sites: Annotated[
        bool,
        typer.Option(
            "--no-sites", help="Call a region bound by peaks alone, which is weaker evidence."
        ),
    ] = False
    motif: Annotated[
        str | None,
        typer.Option(
            help="JASPAR matrix, motif file, or FILE#NAME for one motif of a file. It predicts "
            "sites and is a term of the model; with --sites it is the term alone. By default "
            "JASPAR's matrix of the TF's name where sites are predicted."
        ),
    ] = None
    site_p: SitePOption = 1e-3
    jaspar: JasparOptions
    accessible: Annotated[
        list[Path] | None,
        typer.Option(
            help="BED file of DNase or ATAC peaks for each biosample that the dataset lacks; "
            "repeat it."
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
            help="Indexed FASTA of the genome. By default the one that the dataset was built from."
        ),
    ] = None
    chrom_alias: ChromAliasOption = None
    exclude: ExcludeOption = None
    left_out: LeftOutOption = None

    def paired(self, dataset: Dataset, choice: "PeakChoice") -> "tuple[PeakFile, ...]":
        """Pair the options that are repeated; one biosample is enough for replicates.

        Raises
        ------
        RunError
            There are not as many of one as of another.
        """
        is_shared = choice.replicates and len(self.biosample) == 1
        biosamples = self.biosample * (len(self.peaks) if is_shared else 1)
        return _files(dataset, self.peaks, biosamples, self.sites, self.accessible)

    def own_tf(
        self,
        name: str,
        files: "tuple[PeakFile, ...]",
        choice: "PeakChoice",
        of_dataset: "Jaspar",
    ) -> "OwnTF":
        """Decide where the sites of the TF come from.

        Parameters
        ----------
        of_dataset
            Part of JASPAR that the dataset was built with; the options stand before it.

        Raises
        ------
        RunError
            The options exclude each other.
        """
        from data.own_tf.labels import OwnTF
        from data.own_tf.predicted_sites import SiteRule, find_motif

        given = any(file.sites is not None for file in files)
        if self.no_sites and (given or self.motif is not None):
            raise RunError("--no-sites and --sites or --motif exclude each other; leave one out")
        is_wanted = self.motif is not None or not (given or self.no_sites)
        jaspar = self.jaspar.part(of_dataset)
        found = find_motif(name, self.motif, err.print, jaspar) if is_wanted else None
        with checked_settings():
            rule = SiteRule(p_value=self.site_p)
            return OwnTF(
                name=name,
                files=files,
                motif=found,
                rule=rule,
                choice=choice,
                exclude=tuple(self.exclude or ()),
            )


@dataclass(frozen=True, kw_only=True)
class AddOptions:
    """What `bindgrid tf add` is told of a TF and of what to do with it, as typed."""

    files: FileOptions
    label_only: Annotated[
        bool, typer.Option("--label-only", help="Stop after labelling; train nothing.")
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="Go on even with fewer than 20 bound regions.")
    ] = False
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the TF that was added by this name.")
    ] = False
    training: TrainOptions


def add(
    name: Annotated[
        str, typer.Argument(help="Name of the TF. JASPAR's name for it finds its motif.")
    ],
    *,
    options: AddOptions,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Add your own TF: label the dataset's regions by your peaks, train its model, judge it.

    The training is that of `bindgrid tf train`, which resumes it where it was interrupted.

    Example: bindgrid tf add ETV4 --peaks etv4_peaks.narrowPeak --biosample K562
    """
    place = Workspace(workspace)
    _label(place, name, options)
    if options.label_only:
        err.print(f"nothing is trained yet; next: bindgrid tf train {name}")
        return
    train_and_judge(place, name, options.training)


def _label(workspace: Workspace, name: str, options: AddOptions) -> None:
    """Label the dataset's regions, and those that are added, by the TF's peaks."""
    from data.dataset.store import add_regions
    from data.own_tf.edit import add_labels, check_name, source_genome
    from data.own_tf.files import read_files
    from data.own_tf.labels import label_own_tf
    from orchestrator.interpretation.workspace_jaspar import workspace_jaspar

    dataset, own = Dataset.open(workspace.dataset), options.files
    check_name(dataset, name, replace=options.replace)
    choice = own.counted.choice(options.training.peak_replicates)
    files = own.paired(dataset, choice)
    odd_rows = LeftOut()
    tf = own.own_tf(name, files, choice, workspace_jaspar(workspace))
    with left_out_kept(odd_rows, own.left_out), steps("Labelling") as on_step:
        genome_path = own.genome or source_genome(dataset)
        on_step(f"{len(files)} files of peaks, {dataset.num_regions:,} regions")
        opened = _opened(genome_path, own.chrom_alias)
        regions = dataset.regions()
        read = read_files(files, regions.chroms, opened, odd_rows, choice, tf.exclude)
        more = _more_regions(regions, read, opened) if own.extend_regions else None
        extended = regions if more is None else regions.extended(more)
        labels = label_own_tf(dataset, tf, opened, extended, read)
    tell_left_out(odd_rows)
    _print_labels(labels, tf)
    _check_number(labels, force=options.force)
    if more is not None:
        dataset = add_regions(dataset, more)
        out.print(f"{len(more):,} regions were added to {dataset.path}")
    add_labels(dataset, labels, replace=options.replace)
    out.print(f"{name} is in {dataset.path}")


def list_tfs(workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Show every TF: where it is from, and its regions.

    Example: bindgrid tf list
    """
    dataset = Dataset.open(Workspace(workspace).dataset)
    table = Table("TF", "from", "biosamples", "sites")
    for title in ("bound", "unbound", "one source"):
        table.add_column(title, justify="right")
    # what was added stands last, where it is seen
    for summary in sorted(dataset.summaries(), key=lambda one: (one.added is not None, one.tf)):
        added, made_from = summary.added, summary.made_from
        one_source = summary.count(Evidence.PEAK) + summary.count(Evidence.SITE)
        table.add_row(
            summary.tf,
            f"added {added.at[:10]}" if added else "dataset",
            ", ".join(made_from.biosamples) if made_from else "",
            _sites_words(made_from),
            f"{summary.count(Evidence.BOUND):,}",
            f"{summary.count(Evidence.UNBOUND):,}",
            f"{one_source:,}",
        )
    out.print(table)


def _sites_words(record: "AddedTF | None") -> str:
    """Say where the sites of a TF are from, with its motif."""
    if record is None:
        return ""
    # a motif beside given sites is the model's term, and predicted none of them
    link = ", motif " if record.sites == "given" else " by "
    return link.join(filter(None, (record.sites, record.matrix_id)))


def remove(
    name: Annotated[str, typer.Argument(help="A TF that was added.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Remove a TF that was added; its finished runs stay.

    Example: bindgrid tf remove ETV4
    """
    from data.own_tf.edit import remove_tf

    dataset = Dataset.open(Workspace(workspace).dataset)
    remove_tf(dataset, name)
    out.print(f"{name} is no longer in {dataset.path}")


def _files(
    dataset: Dataset,
    peaks: list[Path],
    biosamples: list[str],
    sites: list[Path] | None,
    accessible: list[Path] | None,
) -> "tuple[PeakFile, ...]":
    """Pair the options that are repeated."""
    from data.own_tf.files import PeakFile

    if len(peaks) != len(biosamples):
        raise RunError(
            f"{len(peaks)} --peaks and {len(biosamples)} --biosample; give one for each, in order"
        )
    if sites and len(sites) not in (1, len(peaks)):
        raise RunError(f"{len(sites)} --sites for {len(peaks)} --peaks; give one, or one for each")
    of_peaks: list[Path | None] = [*sites] if sites else [None]
    if len(of_peaks) == 1:
        of_peaks *= len(peaks)
    lacking = [name for name in dict.fromkeys(biosamples) if name not in dataset.biosamples]
    if accessible and len(accessible) != len(lacking):
        raise RunError(
            f"{len(accessible)} --accessible for {len(lacking)} biosamples that the dataset lacks"
            f"{': ' + ', '.join(lacking) if lacking else ''}; give one for each of these, in order"
        )
    opened = dict(zip(lacking, accessible or (), strict=False))
    return tuple(
        PeakFile(peaks=file, biosample=name, sites=own, accessible=opened.get(name))
        for file, name, own in zip(peaks, biosamples, of_peaks, strict=True)
    )


def _more_regions(
    regions: "RegionTable", read: "ReadFiles", genome: "Genome | None"
) -> "RegionTable | None":
    from data.own_tf.new_regions import new_regions

    if genome is None:
        raise RunError("--extend-regions reads new regions from the genome; give it by --genome")
    return new_regions(regions, read, genome)


def _opened(path: Path | None, alias: Path | None) -> "Genome | None":
    from data.sources.genome import Genome

    if path is None and alias is not None:
        raise RunError("--chrom-alias is read against the genome, which is gone; give --genome")
    return None if path is None else Genome(path, alias)


def _print_labels(labels: "Labels", tf: "OwnTF") -> None:
    table = Table("peaks", "format", "biosample")
    for title in ("peaks", "summits in regions", "in accessible ones", "sites"):
        table.add_column(title, justify="right")
    for file, count in zip(tf.files, labels.counts, strict=True):
        numbers = (
            count.num_peaks,
            count.num_in_regions,
            count.num_in_accessible,
            count.num_sites,
        )
        cells = (f"{number:,}" for number in numbers)
        table.add_row(file.peaks.name, count.format, file.biosample, *cells)
    out.print(table)
    if words := labels.added.peaks_that_count:
        out.print(f"peaks that count: {words}")
    bound, unbound = labels.num(Evidence.BOUND), labels.num(Evidence.UNBOUND)
    one_source = labels.num(Evidence.PEAK) + labels.num(Evidence.SITE)
    predicted = tf.motif is not None and any(file.sites is None for file in tf.files)
    how = f", sites predicted by {tf.motif.matrix_id}" if tf.motif and predicted else ""
    out.print(
        f"{tf.name}: {bound:,} bound regions, {unbound:,} unbound, {one_source:,} of one source"
        f"{how}",
    )
    if labels.num_excluded:
        err.print(
            f"{labels.num_excluded:,} regions that overlap a region of --exclude are unresolved "
            f"for {tf.name}"
        )
    for count in labels.counts:
        if count.remark:
            err.print(f"{count.file}: {count.remark}")
        if count.num_without_summit:
            err.print(
                f"{count.file}: {count.num_without_summit:,} of {count.num_peaks:,} peaks lack a "
                "summit and count by their middle",
            )
        if count.num_elsewhere:
            err.print(
                f"{count.file}: {count.num_elsewhere:,} peaks on chromosomes without regions",
            )
        tell_few_accessible(str(count.file), count.num_in_accessible, count.num_peaks)


def _check_number(labels: "Labels", *, force: bool) -> None:
    from data.dataset.added import PeakChoice
    from data.own_tf.labels import MIN_BOUND

    num_bound = labels.num(Evidence.BOUND)
    if num_bound < MIN_BOUND and not force:
        chosen = labels.added.choice != PeakChoice()
        more = "let more of the peaks count" if chosen else "give more peaks"
        raise RunError(
            f"{labels.name} has {num_bound} bound regions, {MIN_BOUND} are needed to learn from; "
            f"{more}, or pass --force"
        )
