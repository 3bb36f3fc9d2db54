"""A dataset of a lab's own regions: made with the first TF, extended with each later one.

Nothing is written before everything about a TF is computed. The first TF writes a whole dataset in
one rename; a later one adds its regions (`data.own_tf.own_regions`) as a new version of the table,
with what is accessible, and then its evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.added import Background, OwnRegions
from data.dataset.manifest import Origin, source_record
from data.dataset.region_table import RegionTable, chrom_sort_key
from data.dataset.same_genome import check_genome
from data.dataset.store import DROPPED_WITH_N, Dataset, add_regions, write_dataset
from data.errors import DataError
from data.left_out import LeftOut
from data.motifs.database import DEFAULT, Jaspar
from data.own_tf.edit import add_labels
from data.own_tf.files import PeakFile, ReadFiles, read_files
from data.own_tf.labels import Labels, OwnTF, labels_of, overlapped
from data.own_tf.own_regions import MARGIN_BP, own_regions
from data.sources.assemblies import assembly_of
from data.sources.genome import Genome

OWN_BIOSAMPLE: Final = "own"
"""Name of the only cell type of the peaks, where the user does not name it."""
_MAX_CHROMS: Final = int(np.iinfo(np.int16).max)


@dataclass(frozen=True, kw_only=True)
class OwnAddition:
    """A TF that is labelled, with the regions that it brings; nothing is written so far."""

    labels: Labels
    more: RegionTable | None
    """Regions that are not there yet; None where all are."""
    accessible: Mapping[str, NDArray[np.bool_]]
    """Whether each region is accessible, by biosample, each of shape (N,)."""
    record: OwnRegions
    genome: Path
    files: tuple[PeakFile, ...]


def own_files(
    before: Dataset | None, files: Sequence[PeakFile]
) -> tuple[tuple[PeakFile, ...], Background]:
    """Give each file its accessible peaks, and say where unbound regions come from.

    Parameters
    ----------
    before
        The dataset of the lab's own regions that is there; None where there is none.

    Raises
    ------
    DataError
        If some files come with accessible peaks and others do not, or the dataset was made in
        another way.
    """
    made = None if before is None else before.manifest.own_regions
    known = {} if made is None else made.accessible
    given = tuple(
        one
        if one.accessible is not None or one.biosample not in known
        else replace(one, accessible=Path(known[one.biosample]))
        for one in files
    )
    lacking = [one.biosample for one in given if one.accessible is None]
    unbound: Background = "genome" if len(lacking) == len(given) else "accessible"
    if made is not None and unbound != made.unbound:
        way = "with" if made.unbound == "accessible" else "without"
        raise DataError(
            f"{'' if before is None else before.path}: its regions were made {way} --accessible; "
            "add this TF in the same way, or name another --workspace"
        )
    if lacking and unbound == "accessible":
        raise DataError(
            f"{lacking[0]}: has no accessible peaks where other biosamples have; give them all by "
            "--accessible, or none"
        )
    for one in given:
        if one.accessible is not None and not one.accessible.is_file():
            raise DataError(f"{one.accessible}: is gone; give the accessible peaks by --accessible")
    return given, unbound


def label_own(
    before: Dataset | None, tf: OwnTF, genome: Genome, unbound: Background, left_out: LeftOut
) -> OwnAddition:
    """Compute a TF's regions and labels.

    Parameters
    ----------
    before
        The dataset of the lab's own regions that is there; None where there is none.
    tf
        Its files are those of :func:`own_files`.
    left_out
        Where rows of the files that are not used are noted.

    Raises
    ------
    DataError
        If a file cannot be used, no summit lies in an accessible peak, or the genome is not the
        one that the dataset was made from.
    """
    there = RegionTable.empty() if before is None else before.regions()
    if before is not None:
        check_genome(before, there, genome)
        _check_names(before, there, genome)
    table = there.for_chroms(_chroms(genome))
    read = read_files(tf.files, table.chroms, genome, left_out, tf.choice, tf.exclude)
    more = own_regions(table, read, genome, unbound)
    regions = there if more is None else there.extended(more) if len(there) else more
    accessible = np.stack(
        [_accessible(regions, read, biosample) for biosample in read.biosamples], axis=1
    )
    labels = labels_of(tf, read, genome, regions, accessible, margin_bp=MARGIN_BP[unbound])
    found = dict(zip(read.biosamples, accessible.T, strict=True))
    made = None if before is None else before.manifest.own_regions
    known = {} if made is None else made.accessible
    assembly = assembly_of(genome.lengths_bp)
    record = OwnRegions(
        unbound=unbound,
        genome=str(genome.path.resolve()),
        assembly="" if assembly is None else assembly.name,
        accessible={
            **known,
            **{one.biosample: str(one.accessible.resolve()) for one in tf.files if one.accessible},
        },
    )
    return OwnAddition(
        labels=labels,
        more=more,
        accessible=_of_all(before, len(regions)) | found,
        record=record,
        genome=genome.path,
        files=tf.files,
    )


def write_own(
    path: Path,
    before: Dataset | None,
    addition: OwnAddition,
    *,
    replace: bool = False,
    jaspar: Jaspar = DEFAULT,
) -> Dataset:
    """Write what :func:`label_own` computed into the dataset at `path`, made if there is none.

    Parameters
    ----------
    jaspar
        Part of JASPAR that goes with the TFs of a new dataset; by default the paper's.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    labels, more = addition.labels, addition.more
    if before is not None:
        if more is not None:
            before = add_regions(before, more, addition.accessible, addition.record)
        return add_labels(before, labels, replace=replace)
    if more is None:
        raise DataError(f"{path}: {labels.name} has no region; give more peaks")
    opened = dict.fromkeys(one.accessible for one in addition.files if one.accessible)
    return write_dataset(
        path,
        regions=more,
        evidence={labels.name: labels.codes},
        accessibility=addition.accessible,
        origin=Origin(
            sources=[source_record(file) for file in (addition.genome, *opened)],
            dropped={DROPPED_WITH_N: more.num_with_n},
            added={labels.name: labels.added},
            own_regions=addition.record,
            jaspar=jaspar.recorded,
        ),
    )


def _check_names(before: Dataset, regions: RegionTable, genome: Genome) -> None:
    """Refuse a genome with other names: its regions would lie on those that are there.

    Chromosomes that it lacks are no fault: no new region lies on them.
    """
    for name in regions.chromosomes():
        other = genome.chromosomes.named(name, before.path, LeftOut())
        if other != name:
            made = before.manifest.own_regions
            raise DataError(
                f"{genome.path}: has {other!r} for what {before.path} calls {name!r}; give a FASTA "
                f"with the dataset's names{'' if made is None else f', such as {made.genome}'}"
            )


def _chroms(genome: Genome) -> list[str]:
    """Chromosomes of a genome in natural order; of very many, only the longest."""
    lengths = genome.lengths_bp
    longest = sorted(lengths, key=lambda name: -lengths[name])[:_MAX_CHROMS]
    return sorted(longest, key=chrom_sort_key)


def _accessible(regions: RegionTable, read: ReadFiles, biosample: str) -> NDArray[np.bool_]:
    """Whether each region is accessible in a biosample; all are where nothing is known of it."""
    paths = read.accessible_of(biosample)
    if not paths:
        return np.ones(len(regions), dtype=bool)
    return overlapped(regions, (read.accessible[path].places for path in paths))


def _of_all(before: Dataset | None, num: int) -> dict[str, NDArray[np.bool_]]:
    """Give what is known of the biosamples that are there, padded for new regions."""
    if before is None:
        return {}
    known = {biosample: before.accessibility(biosample) for biosample in before.biosamples}
    return {name: np.pad(one, (0, num - len(one))) for name, one in known.items()}
