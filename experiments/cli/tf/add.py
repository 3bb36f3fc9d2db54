"""`bindgrid tf add`: a lab's own TF, in a dataset or in a dataset of the lab's own regions."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.dataset.lock import sole_writer
from data.dataset.store import Dataset
from data.left_out import LeftOut
from data.schema import Evidence
from data.words import counted
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    err,
    left_out_kept,
    out,
    steps,
    tell_left_out,
)
from experiments.cli.options.spread import spread
from experiments.cli.tf.checks import check_training
from experiments.cli.tf.files import FileOptions
from experiments.cli.tf.labels import check_number, print_labels
from experiments.cli.tf.train import TrainOptions, train_and_judge
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.region_table import RegionTable
    from data.own_tf.files import ReadFiles
    from data.own_tf.own_dataset import OwnAddition
    from data.sources.genome import Genome


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `bindgrid tf`."""
    app.command()(spread(add))


@dataclass(frozen=True, kw_only=True)
class AddOptions:
    """Options of `bindgrid tf add`, as typed: the TF, and what to do with it."""

    files: FileOptions
    label_only: Annotated[
        bool, typer.Option("--label-only", help="Stop after labelling; train nothing.")
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="Continue even with fewer than 20 bound regions.")
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
    """Add your own TF: label regions by its peaks, train its model, judge it.

    Without a dataset in the workspace, --genome and your peaks are enough: a dataset of your own
    regions is made, and the model starts from the base that comes with bindgrid. The training is
    that of `bindgrid tf train`, which resumes it where it was interrupted.

    Example: bindgrid tf add ETV4 --peaks etv4.narrowPeak --genome hg38.fa --accessible atac.bed
    """
    from data.own_tf.labels import name_fault

    if fault := name_fault(name):
        raise RunError(fault)
    place = Workspace(workspace)
    if not options.label_only:
        options = replace(options, training=options.training.placed())
    with sole_writer(place.dataset):
        if not (place.dataset / "manifest.json").is_file():
            _label_own(place, None, name, options)
        else:
            dataset = Dataset.open(place.dataset)
            is_own = dataset.manifest.own_regions is not None
            (_label_own if is_own else _label)(place, dataset, name, options)
    if options.label_only:
        from orchestrator.verdict.commands import command_line

        next_one = command_line(place, "tf", "train", name)
        err.print(f"nothing is trained yet; next: {next_one}", soft_wrap=True)
        return
    train_and_judge(place, name, options.training)


def _label(workspace: Workspace, dataset: Dataset, name: str, options: AddOptions) -> None:
    """Label the dataset's regions, and those that are added, by the TF's peaks."""
    from data.dataset.same_genome import check_genome
    from data.dataset.store import add_regions
    from data.own_tf.edit import add_labels, check_name, source_genome
    from data.own_tf.files import read_files
    from data.own_tf.labels import label_own_tf
    from data.own_tf.record import asks_for_sites
    from orchestrator.interpretation.workspace_jaspar import workspace_jaspar

    own = options.files
    check_name(dataset, name, replace=options.replace)
    regions = dataset.regions()
    check_training(workspace, dataset, name, options.training, regions.built.chromosomes())
    choice = own.counted.choice(options.training.peak_replicates)
    files = own.paired(dataset.biosamples, choice)
    odd_rows = LeftOut()
    jaspar = own.jaspar.part(workspace_jaspar(workspace))
    tf = own.own_tf(name, files, choice, jaspar, asks_for_sites=asks_for_sites(dataset))
    with left_out_kept(odd_rows, own.left_out, options), steps("Labelling") as on_step:
        genome_path = own.genome or source_genome(dataset)
        on_step(f"{counted(len(files), 'file')} of peaks, {dataset.num_regions:,} regions")
        opened = _opened(genome_path, own.chrom_alias)
        if opened is not None:
            check_genome(dataset, regions, opened)
        read = read_files(files, regions.chroms, opened, odd_rows, choice, tf.exclude)
        more = _more_regions(regions, read, opened) if own.extend_regions else None
        extended = regions if more is None else regions.extended(more)
        labels = label_own_tf(dataset, tf, opened, extended, read)
    tell_left_out(odd_rows)
    print_labels(labels, tf)
    check_number(labels, force=options.force)
    if more is not None:
        dataset = add_regions(dataset, more)
        out.print(f"{counted(len(more), 'region')} added to {dataset.path}")
    add_labels(dataset, labels, replace=options.replace)
    out.print(f"{name} is in {dataset.path}")


def _label_own(
    workspace: Workspace, before: Dataset | None, name: str, options: AddOptions
) -> None:
    """Label regions of the TF's own peaks, and others; the first TF makes the dataset."""
    from data.own_tf.edit import check_name, source_genome
    from data.own_tf.own_dataset import OWN_BIOSAMPLE, label_own, own_files, write_own
    from orchestrator.interpretation.workspace_jaspar import workspace_jaspar

    own = options.files
    if own.extend_regions:
        raise RunError("--extend-regions adds to regions of a dataset that was built; leave it out")
    if before is not None:
        check_name(before, name, replace=options.replace)
    there = None if before is None else source_genome(before)
    genome = _opened(own.genome or there, own.chrom_alias)
    if genome is None:
        raise RunError(
            f"{workspace.dataset}: no dataset here; make regions of your own peaks by --genome "
            "FASTA, or name another --workspace"
            if before is None
            else f"{workspace.dataset}: the genome that it was made from is gone; give --genome"
        )
    sizes = genome.lengths_bp if before is None else before.regions().built.chromosomes()
    check_training(workspace, before, name, options.training, sizes)
    choice = own.counted.choice(options.training.peak_replicates)
    known = (OWN_BIOSAMPLE,) if before is None else before.biosamples
    paired = own.paired(known, choice, is_own=True)
    jaspar = own.jaspar.part(workspace_jaspar(workspace))
    odd_rows = LeftOut()
    with left_out_kept(odd_rows, own.left_out, options), steps("Labelling") as on_step:
        files, unbound = own_files(before, paired)
        tf = own.own_tf(name, files, choice, jaspar, asks_for_sites=False)
        on_step(f"{counted(len(files), 'file')} of peaks; making regions of them")
        addition = label_own(before, replace(tf, files=files), genome, unbound, odd_rows)
    tell_left_out(odd_rows)
    print_labels(addition.labels, tf)
    _tell_own(addition)
    check_number(addition.labels, force=options.force)
    replace_tf = options.replace
    dataset = write_own(workspace.dataset, before, addition, replace=replace_tf, jaspar=jaspar)
    out.print(f"{name} is in {dataset.path}")


def _tell_own(addition: "OwnAddition") -> None:
    """Say what the unbound regions are."""
    labels, record = addition.labels, addition.record
    num = 0 if addition.more is None else len(addition.more)
    unbound = f"{labels.num(Evidence.UNBOUND):,} unbound ones"
    if record.unbound == "accessible":
        out.print(f"{num:,} regions are new; {unbound} are accessible and without a peak")
    else:
        out.print(
            f"{num:,} regions are new; {unbound} are windows of the genome of similar GC, 1 kb "
            "or more from each peak, mostly closed chromatin: the model will also learn what open "
            "chromatin looks like. Give DNase or ATAC peaks by --accessible to avoid that"
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
