"""A data folder converted to the publishers' own formats, built, and compared cell by cell.

    python -m benchmarks.published SOURCES [--genome FASTA] [--expected PARQUET] [--naming 2018]

SOURCES is a folder laid out as the paper's data (dhs.bed.gz, remap_peaks.bed.gz, ...). Its DHSs
become UCSC's table with `bin` and the table of sources, its peaks ReMap's "all peaks" with float
scores, other spellings, treated samples and biosamples that nothing matches, and its sites
UniBind's archive in either naming. The dataset that `bindgrid data build --from` makes of them is
compared with `expected_evidence.parquet`, or with the build of the plain files where there is none.
It reports the minutes, the peak memory, the cells and how many of them differ.
"""

import argparse
import gzip
import io
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.build import BUILD, measure
from benchmarks.machine import Row, describe, table
from benchmarks.samplesheet import EXPECTED, PLACES
from data.dataset.store import Dataset
from data.rows.header_table import read_records
from data.schema import Evidence
from data.sources.biosamples import SHIPPED

DHS_NAME = "wgEncodeRegDnaseClustered.txt.gz"
DHS_SOURCES_NAME = "wgEncodeRegDnaseClusteredSources.txt.gz"
PEAKS_NAME = "remap2022_all_macs2_hg38_v1_0.bed.gz"
SITES_NAMES = {"2018": "pwm_tfbs.tar.gz", "2022": "damo_hg38_all_TFBS.tar.gz"}
BED_NAME = "hg38_compressed_TFBSs.bed.gz"


def write_ucsc(dhs: Path, samples: Path, folder: Path) -> None:
    """Write UCSC's table of DHSs, with a DHS on an alternate contig, and that of their sources."""

    def rows() -> Iterator[str]:
        for index, line in enumerate(_lines(dhs)):
            chrom, start, end, _, score, count, ids = line.split("\t")[:7]
            scores = f"{score}," * ids.count(",")
            yield f"{585 + index % 100}\t{chrom}\t{start}\t{end}\t{count}\t{score}\t{count}\t{ids}"
            yield f"\t{scores}\n"
        yield f"585\tchr6_GL000250v2_alt\t{start}\t{end}\t1\t9\t1\t{ids}\t{scores}\n"

    _write(folder / DHS_NAME, rows())
    columns = ("source_id", "dhs_sample", "biotype")
    records = [record for _, record in read_records(samples, columns)]
    # where UCSC has a name, and else the table's own
    names = [_name_at("UCSC", record["biotype"]) or record["dhs_sample"] for record in records]
    _write(
        folder / DHS_SOURCES_NAME,
        (f"{record['source_id']}\t{name}\n" for record, name in zip(records, names, strict=True)),
    )


def write_remap(peaks: Path, folder: Path) -> None:
    """Write ReMap's "all peaks", with rows that do not count between those that do."""

    def rows() -> Iterator[str]:
        for index, line in enumerate(_lines(peaks)):
            chrom, start, end, name, score, *rest = line.split("\t")
            experiment, tf, biotype = name.split(".", 2)
            spelled = _name_at("ReMap", biotype) or biotype
            name = f"{experiment}.{tf}.{spelled}"
            name = name if index % 5 else f"{experiment}. {tf}..{spelled} "
            others = [name]
            if index % 7 == 0:
                others += [f"GSE90454.{tf}.BJ1-hTERT_GATA4", f"GSE1.{tf}.{spelled}_DEX"]
                others += [f"GSE2.NOTF.{spelled}"]
            for other in others:
                columns = (chrom, start, end, other, f"{int(score) / 29:.5f}", *rest)
                yield "\t".join(columns) + "\n"

    _write(folder / PEAKS_NAME, rows())


def write_unibind(sites: Path, experiments: Path, folder: Path, naming: str) -> None:
    """Write UniBind's archive, in the naming of a release, `2018` or `2022`.

    Every experiment has a file, if an empty one; in 2022 also a second one, of another matrix.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    columns = ("experiment", "tf", "biotype")
    for _, record in read_records(experiments, columns):
        found[record["experiment"], record["biotype"], record["tf"]] = []
    for line in _lines(sites):
        fields = line.split("\t")
        experiment, rest = fields[3].split(".", 1)
        biotype, tf = rest.rsplit(".", 1)
        fields[3] = "9.5"
        found[experiment, biotype, tf].append("\t".join(fields) + "\n")
    with tarfile.open(folder / SITES_NAMES[naming], "w:gz", compresslevel=1) as archive:
        for (experiment, biotype, tf), rows in found.items():
            if naming == "2018":
                name = f"ENCSR{experiment}.{biotype}.{tf}.MA0000.1.pwm.bed"
                _add(archive, name, rows)
                continue
            stem = f"{experiment}.{_name_at('UniBind', biotype) or biotype}.{tf}"
            where = f"damo_hg38_all_TFBS/{stem}/{stem}"
            _add(archive, f"{where}.MA0000.1.damo.bed", rows[::2])
            _add(archive, f"{where}.MA0001.2.damo.bed", rows[1::2])


def write_unibind_bed(sites: Path, folder: Path) -> None:
    """Write the one BED file of all sites that UniBind offers beside its archives."""

    def rows() -> Iterator[str]:
        for line in _lines(sites):
            chrom, start, end, name, _, strand = line.split("\t")[:6]
            experiment, rest = name.split(".", 1)
            biotype, tf = rest.rsplit(".", 1)
            spelled = _name_at("UniBind", biotype) or biotype
            name = f"{experiment}_{spelled}_{tf}_MA0000.1"
            yield f"{chrom}\t{start}\t{end}\t{name}\t0\t{strand}\t{start}\t{end}\t1,2,3\n"

    _write(folder / BED_NAME, rows())


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe())
    sources: Path = options.sources
    genome = options.genome or sources / "genome" / "hg38.dhs.fa.gz"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        for naming in options.naming.split(","):
            folder, workspace = Path(scratch) / naming, Path(scratch) / f"workspace{naming}"
            folder.mkdir()
            began = time.perf_counter()
            write_ucsc(sources / "dhs.bed.gz", sources / "samples.tsv", folder)
            write_remap(sources / "remap_peaks.bed.gz", folder)
            sites, experiments = sources / "unibind_tfbs.bed.gz", sources / "experiments.tsv"
            write_unibind(sites, experiments, folder, naming)
            written = time.perf_counter() - began
            command = [*BUILD, "--from", str(folder), "--genome", str(genome)]
            command += ["--workspace", str(workspace)]
            # one of the paper's DNase-seq samples, SK-N-SH, exists as a treated one alone
            cost = measure([*command, "--keep-treated", "dhs"])
            cells, different = _compare(workspace, sources, genome, options.expected)
            numbers = [f"{written:.1f}", f"{cost.seconds:.1f}", f"{cost.peak_mib:,.0f}"]
            rows.append([f"UniBind {naming}", *numbers, f"{cells:,}", f"{different:,}"])
    print(table(["sites", "written s", "build s", "peak MiB", "cells", "different"], rows))
    return rows


def _compare(
    workspace: Path, sources: Path, genome: Path, expected: Path | None
) -> tuple[int, int]:
    """Cells of the dataset, and how many are not as expected; unequal regions or TFs stop it."""
    built = Dataset.open(workspace / "dataset")
    regions = built.regions()
    expected = expected or sources / EXPECTED
    if expected.exists():
        rows = pq.read_table(expected)
        same = regions.chrom_names.tolist() == rows["chrom"].to_pylist()
        same &= regions.start.tolist() == rows["start"].to_pylist()
        names: list[str] = [name for name in rows.column_names if name not in PLACES]

        def codes(tf: str) -> np.ndarray:
            return rows[tf].to_numpy()
    else:
        plain = _build_plain(sources, genome, workspace)
        same = regions.fingerprint == plain.regions().fingerprint
        names = list(plain.tfs)

        def codes(tf: str) -> np.ndarray:
            return plain.evidence([tf])[:, 0]

    if not same or sorted(names) != list(built.tfs):
        raise SystemExit("the regions or the TFs are not those expected")
    return _count(built, codes, merge=expected.exists())


def _count(built: Dataset, codes: Callable[[str], np.ndarray], *, merge: bool) -> tuple[int, int]:
    """Count cells and differences; a published matrix does not tell which source is the one."""
    num_cells = num_different = 0
    for tf in built.tfs:
        ours = built.evidence([tf])[:, 0]
        if merge:
            ours[ours == Evidence.SITE] = Evidence.PEAK
        num_cells += len(ours)
        num_different += int((ours != codes(tf)).sum())
    return num_cells, num_different


def _build_plain(sources: Path, genome: Path, workspace: Path) -> Dataset:
    from data.sources.build import build_dataset
    from data.sources.tables import SourceFiles

    files = SourceFiles(
        dhs=sources / "dhs.bed.gz",
        peaks=sources / "remap_peaks.bed.gz",
        sites=sources / "unibind_tfbs.bed.gz",
        experiments=sources / "experiments.tsv",
        samples=sources / "samples.tsv",
        genome=genome,
    )
    return build_dataset(files, workspace / "plain")


@cache
def _name_at(publisher: str, biosample: str) -> str | None:
    """Name of a biosample at a publisher; an untreated sample's where there is one."""
    columns = ("publisher", "name", "biosample", "treatment")
    records = [record for _, record in read_records(SHIPPED, columns)]
    found = [
        (record["treatment"] != "", index, record["name"])
        for index, record in enumerate(records)
        if (record["publisher"], record["biosample"]) == (publisher, biosample)
    ]
    return min(found)[2] if found else None


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as file:
        for line in file:
            yield line.rstrip("\n")


def _write(path: Path, parts: Iterable[str]) -> None:
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(parts)


def _add(archive: tarfile.TarFile, name: str, rows: Sequence[str]) -> None:
    content = "".join(rows).encode()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of the sources")
    parser.add_argument("--genome", type=Path, help="FASTA (default: genome/hg38.dhs.fa.gz there)")
    parser.add_argument("--expected", type=Path, help="Parquet file (default: that of the folder)")
    parser.add_argument("--naming", default="2018,2022", help="releases (default: 2018,2022)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
