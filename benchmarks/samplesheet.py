"""A dataset built from a sample sheet of single files, beside the one of the whole files.

    python -m benchmarks.samplesheet SOURCES [--genome FASTA] [--ways given,predicted,own-regions]

SOURCES is a folder laid out as the paper's data (dhs.bed.gz, remap_peaks.bed.gz, ...). Its peaks
become a narrowPeak file for each TF and biosample, its sites a BED file for each, its DHSs a BED
file for each biosample, and a sheet names them. The dataset that `bindgrid data build
--samplesheet` makes is compared in every cell with expected_evidence.parquet there, or with the
build of the whole files where there is none; without sites, with those that are predicted.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.build import BUILD, build_command, measure
from benchmarks.machine import Row, describe, table
from data.dataset.store import Dataset
from data.schema import Evidence

EXPECTED: Final = "expected_evidence.parquet"
"""Name of the published matrix in a folder of sources."""
PLACES: Final = ("region_id", "chrom", "start", "end")
"""Its columns that are no TFs."""
NOWHERE: Final = (0, 1)
"""Place of a row that stands for none: no region begins there."""


def write_sheet(sources: Path, folder: Path, *, sites: bool = True) -> Path:
    """Convert source files to single files of TFs and biosamples, and write a sheet of them.

    A pair of the table of experiments without sites, or without peaks, gets a file with one row
    where no region is.

    Returns
    -------
    Path
        The sheet.
    """
    peaks = _read(sources / "remap_peaks.bed.gz", 8)
    peaks[["tf", "biosample"]] = peaks[3].str.split(".", n=2, expand=True)[[1, 2]]
    places = _read(sources / "unibind_tfbs.bed.gz", 4)
    named = places[3].str.split(".", n=1).str[1].str.rsplit(".", n=1, expand=True)
    places["biosample"], places["tf"] = named[0], named[1]
    opened = _write_accessible(sources, folder)
    by_peaks = dict(iter(peaks.groupby(["tf", "biosample"])))
    by_sites = dict(iter(places.groupby(["tf", "biosample"])))
    nowhere = pd.DataFrame([[peaks[0].iat[0], *NOWHERE, "none", 0, ".", *NOWHERE]])
    rows = []
    experiments = pd.read_csv(sources / "experiments.tsv", sep="\t")
    pairs = experiments[["tf", "biotype"]].drop_duplicates().itertuples(index=False)
    for number, (tf, biosample) in enumerate(pairs):
        files = folder / f"{number}.narrowPeak", folder / f"{number}.bed"
        own = by_peaks.get((tf, biosample), nowhere)
        rest = pd.DataFrame({"signal": 1, "p": -1, "q": -1, "summit": own[6] - own[1]})
        _write(pd.concat([own[[0, 1, 2, 3, 4, 5]], rest], axis=1), files[0])
        if sites:
            _write(by_sites.get((tf, biosample), nowhere)[[0, 1, 2]], files[1])
        site_file = files[1].name if sites else ""
        rows.append((tf, biosample, files[0].name, site_file, opened[biosample]))
    sheet = folder / "sheet.csv"
    columns = ["tf", "biosample", "peaks", "sites", "accessible"]
    pd.DataFrame(rows, columns=columns).to_csv(sheet, index=False)
    return sheet


def _write_accessible(sources: Path, folder: Path) -> dict[str, str]:
    """Write where each biosample is accessible; names of the files."""
    dhs = _read(sources / "dhs.bed.gz", 7)
    dhs["ids"] = "," + dhs[6].astype(str)
    samples = pd.read_csv(sources / "samples.tsv", sep="\t", keep_default_na=False)
    names = {}
    for number, (biosample, own) in enumerate(samples.groupby("biotype")):
        if not biosample:
            continue
        is_open = np.zeros(len(dhs), dtype=bool)
        for source_id in own["source_id"]:
            is_open |= dhs["ids"].str.contains(f",{source_id},", regex=False).to_numpy()
        names[str(biosample)] = f"open{number}.bed"
        _write(dhs.loc[is_open, [0, 1, 2]], folder / names[str(biosample)])
    return names


def _read(path: Path, num_columns: int) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", header=None, usecols=range(num_columns), comment="#")


def _write(rows: pd.DataFrame, path: Path) -> None:
    rows.to_csv(path, sep="\t", header=False, index=False)


def expected(sources: Path, genome: Path, scratch: Path) -> tuple[pd.DataFrame, list[str]]:
    """Give the evidence that is expected, a column per TF, with chrom and start; and the TFs."""
    path = sources / EXPECTED
    if not path.is_file():
        peaks = sources / "remap_peaks.bed.gz"
        measure(build_command(sources, genome, peaks, scratch / "plain"))
        found = evidence(Dataset.open(scratch / "plain" / "dataset"))
    else:
        found = pq.read_table(path).to_pandas()
    return found, [str(name) for name in found if name not in PLACES]


def evidence(dataset: Dataset) -> pd.DataFrame:
    """Evidence of a dataset, a column per TF, with chrom and start."""
    regions = dataset.regions()
    codes = dataset.evidence(dataset.tfs)
    columns = {name: codes[:, column] for column, name in enumerate(dataset.tfs)}
    places = {"chrom": regions.chrom_names, "start": regions.start}
    return pd.DataFrame(places | columns)


def agreement(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> Row:
    """Cells, those that differ, bound ones of both, and how many of the bound are found."""
    bound, found = theirs == Evidence.BOUND, ours == Evidence.BOUND
    num_same = int((bound & found).sum())
    return [
        f"{ours.size:,}",
        f"{int((ours != theirs).sum()):,}",
        f"{int(bound.sum()):,}",
        f"{int(found.sum()):,}",
        f"{num_same:,}",
    ]


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe())
    sources: Path = options.sources
    genome = options.genome or sources / "genome" / "hg38.dhs.fa.gz"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        theirs, tfs = expected(sources, genome, Path(scratch))
        for way in options.ways.split(","):
            folder = Path(scratch, way)
            folder.mkdir()
            sheet = write_sheet(sources, folder, sites=way == "given")
            command = [*BUILD, "--samplesheet", str(sheet), "--genome", str(genome)]
            command += ["--workspace", str(folder / "ws")]
            if way != "own-regions":
                command += ["--regions", str(sources / "dhs.bed.gz")]
            cost = measure(command)
            ours = evidence(Dataset.open(folder / "ws" / "dataset"))
            both = theirs.merge(ours, on=["chrom", "start"], suffixes=("", "~ours"))
            cells = both[[f"{tf}~ours" for tf in tfs]].to_numpy(), both[tfs].to_numpy()
            rows.append(
                [
                    f"sites {way}",
                    f"{len(theirs):,}",
                    f"{len(ours):,}",
                    f"{len(both):,}",
                    *agreement(*cells),
                    f"{cost.seconds:.1f}",
                    f"{cost.peak_mib:,.0f}",
                ]
            )
    header = ["sheet", "regions", "ours", "of both", "cells", "that differ", "bound", "ours"]
    print(table([*header, "of both", "s", "peak MiB"], rows))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of the sources")
    parser.add_argument("--genome", type=Path, help="FASTA (default: genome/hg38.dhs.fa.gz there)")
    parser.add_argument(
        "--ways",
        default="given,predicted,own-regions",
        help="what the sheet names: sites and regions (given), regions alone (predicted), or "
        "neither (own-regions)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
