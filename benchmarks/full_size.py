"""Time and peak memory of `bindgrid data build` on simulated files of the publishers' full size.

    python -m benchmarks.full_size [--peaks 80e6] [--sites 56e6] [--regions 1.8e6] [--tfs 163]

Simulated are UCSC's table of DHSs with its Sources table, ReMap's "all peaks" and UniBind's archive
in 30 biosamples, as each publisher has them, and a genome of hg38's lengths. Positions and bases
are drawn at random, two thirds of the peaks and sites in DHSs; three in ten peaks are of biosamples
without DHSs. Reported are the seconds that it takes to unpack each file and nothing else, and
seconds and peak memory of `bindgrid data build --from` with all of them. The files take 6 GB and
are removed at the end; with --folder they are kept there and used again.
"""

import argparse
import io
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from isal import igzip_threaded
from numpy.typing import NDArray

from benchmarks.build import BUILD, measure
from benchmarks.machine import Row, describe, table
from benchmarks.published import DHS_NAME, DHS_SOURCES_NAME, PEAKS_NAME, SITES_NAMES
from data.rows.header_table import read_records
from data.sources.biosamples import SHIPPED
from data.text import BLOCK_BYTES, open_binary

NUM_SOURCES = 95
MBP = (248, 242, 198, 190, 182, 171, 159, 145, 138, 134, 135, 133, 114, 107, 102, 90, 83, 80, 58)
"""Lengths of chr1 to chr19 of hg38, in million base pairs."""
MBP_REST = {"chr20": 64, "chr21": 47, "chr22": 51, "chrX": 156, "chrY": 57}
LINE_BP = 50
IN_DHS = 2 / 3
UNMATCHED = 0.3
PAIRS_PER_TF = 3
GENOME_NAME = "genome.fa"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is simulated."""

    num_peaks: int
    num_sites: int
    num_regions: int
    num_tfs: int
    length: float
    """Lengths of the chromosomes, by those of hg38."""

    def lengths_bp(self) -> dict[str, int]:
        """Give the length of every chromosome."""
        mbp = {f"chr{number}": length for number, length in enumerate(MBP, start=1)} | MBP_REST
        return {chrom: int(length * 1e6 * self.length) for chrom, length in mbp.items()}

    def spread(self, num: int) -> dict[str, int]:
        """Share a number of rows out over the chromosomes, by their lengths."""
        lengths = self.lengths_bp()
        total = sum(lengths.values())
        return {chrom: round(num * length / total) for chrom, length in lengths.items()}


class Places:
    """The middles of the DHSs, and places drawn in and around them."""

    def __init__(self, sizes: Sizes, rng: np.random.Generator) -> None:
        self._lengths, self._rng = sizes.lengths_bp(), rng
        self.middles: dict[str, NDArray[np.int64]] = {}
        """Middles of the DHSs by chromosome, rising."""
        for chrom, num in sizes.spread(sizes.num_regions).items():
            middles = rng.integers(500, self._lengths[chrom] - 500, num)
            self.middles[chrom] = np.unique(middles)

    def draw(self, chrom: str, num: int) -> NDArray[np.int64]:
        """Draw places on a chromosome, rising, two thirds of them within 150 bp of a DHS."""
        num_in_dhs = round(num * IN_DHS)
        near = self._rng.choice(self.middles[chrom], num_in_dhs)
        near = near + self._rng.integers(-150, 151, num_in_dhs)
        far = self._rng.integers(500, self._lengths[chrom] - 500, num - num_in_dhs)
        return np.sort(np.concatenate([near, far]))


def write_all(folder: Path, sizes: Sizes, seed: int = 0) -> None:
    """Write every file, in the publishers' formats."""
    rng = np.random.default_rng(seed)
    places = Places(sizes, rng)
    biosamples = _biosamples()
    write_genome(folder / GENOME_NAME, sizes, rng)
    write_dhs(folder, places, biosamples, rng)
    tfs = [f"TF{number}" for number in range(sizes.num_tfs)]
    pairs = [(tf, one) for tf in tfs for one in rng.choice(len(biosamples), PAIRS_PER_TF, False)]
    write_peaks(folder / PEAKS_NAME, sizes, places, [(tf, biosamples[i][1]) for tf, i in pairs])
    named = [(tf, biosamples[i][2]) for tf, i in pairs]
    write_sites(folder / SITES_NAMES["2022"], sizes, places, named)


def write_genome(path: Path, sizes: Sizes, rng: np.random.Generator) -> None:
    """Write random bases as a plain FASTA file, and its index."""
    index = []
    with path.open("wb") as file:
        for chrom, length in sizes.lengths_bp().items():
            num_lines = length // LINE_BP
            file.write(f">{chrom}\n".encode())
            index.append(f"{chrom}\t{num_lines * LINE_BP}\t{file.tell()}\t{LINE_BP}\t{LINE_BP + 1}")
            lines = np.full((num_lines, LINE_BP + 1), ord("\n"), dtype=np.uint8)
            lines[:, :-1] = np.frombuffer(b"ACGT", dtype=np.uint8)[
                rng.integers(0, 4, (num_lines, LINE_BP), dtype=np.uint8)
            ]
            file.write(lines.data)
    path.with_name(f"{path.name}.fai").write_text("\n".join(index) + "\n")


def write_dhs(
    folder: Path,
    places: Places,
    biosamples: Sequence[tuple[str, str, str]],
    rng: np.random.Generator,
) -> None:
    """Write UCSC's tables: DHSs, open in few sources or in many, and the names of the sources."""
    ids = np.array([str(number) for number in range(NUM_SOURCES)], dtype=object)
    with igzip_threaded.open(folder / DHS_NAME, "wb", compresslevel=1, threads=1) as file:
        for chrom, middles in places.middles.items():
            share = rng.beta(0.3, 1.7, (len(middles), 1))
            is_open = rng.random((len(middles), NUM_SOURCES)) < share
            is_open[np.arange(len(middles)), rng.integers(0, NUM_SOURCES, len(middles))] = True
            rows = []
            for middle, row in zip(middles.tolist(), is_open, strict=True):
                own = ids[row]
                place = f"{585 + middle // 131072}\t{chrom}\t{middle - 120}\t{middle + 120}"
                counts = f"{len(own)}\t500\t{len(own)}"
                rows.append(f"{place}\t{counts}\t{','.join(own)},\t{'9,' * len(own)}\n")
            file.write("".join(rows).encode())
    names = [ucsc for ucsc, _, _ in biosamples]
    names += [f"Other line {number}" for number in range(NUM_SOURCES - len(names))]
    with igzip_threaded.open(folder / DHS_SOURCES_NAME, "wb", threads=1) as file:
        file.write("".join(f"{number}\t{name}\n" for number, name in enumerate(names)).encode())


def write_peaks(path: Path, sizes: Sizes, places: Places, pairs: Sequence[tuple[str, str]]) -> None:
    """Write ReMap's "all peaks", sorted, with float scores."""
    rng = np.random.default_rng(1)
    others = [(tf, f"line{number}") for number, (tf, _) in enumerate(pairs)]
    names = pa.array(
        [f"GSE{4000 + i}.{tf}.{biosample}" for i, (tf, biosample) in enumerate([*pairs, *others])]
    )
    with igzip_threaded.open(path, "wb", compresslevel=1, threads=1) as file:
        for chrom, num in sizes.spread(sizes.num_peaks).items():
            summit = places.draw(chrom, num)
            start = summit - rng.integers(40, 300, num)
            order = np.argsort(start, kind="stable")
            summit, start = summit[order], start[order]
            end = summit + rng.integers(40, 300, num)
            code = rng.integers(0, len(pairs), num) + len(pairs) * (rng.random(num) < UNMATCHED)
            columns = {
                "start": start,
                "end": end,
                "name": names.take(pa.array(code)),
                "score": np.round(rng.gamma(2.0, 12.0, num), 5),
                "strand": pa.repeat(".", num),
                "summit": summit,
                "summit_end": summit + 1,
                "rgb": pa.array(["51,160,44", "227,26,28", "106,61,154"]).take(code % 3),
            }
            _write_rows(file, chrom, columns)


def write_sites(path: Path, sizes: Sizes, places: Places, pairs: Sequence[tuple[str, str]]) -> None:
    """Write UniBind's archive, a file for each TF, biosample and matrix; some TFs have two."""
    rng = np.random.default_rng(2)
    files = [
        f"EXP{number:06}.{biosample}.{tf}.MA{number:04}.{matrix}.damo.bed"
        for number, (tf, biosample) in enumerate(pairs)
        for matrix in range(1, 2 + number % 2)
    ]
    with (
        igzip_threaded.open(path, "wb", compresslevel=1, threads=1) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for name in files:
            content = io.BytesIO()
            for chrom, num in sizes.spread(sizes.num_sites // len(files)).items():
                start = places.draw(chrom, num)
                columns = {
                    "start": start,
                    "end": start + 12,
                    "name": pa.repeat(name.removesuffix(".bed"), num),
                    "score": np.round(rng.uniform(0.8, 1, num), 4),
                    "strand": pa.array(["+", "-"]).take(pa.array(rng.integers(0, 2, num))),
                }
                _write_rows(content, chrom, columns)
            member = tarfile.TarInfo(f"damo_hg38_all_TFBS/{name}")
            member.size = content.tell()
            content.seek(0)
            archive.addfile(member, content)


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe())
    sizes = Sizes(
        num_peaks=int(options.peaks),
        num_sites=int(options.sites),
        num_regions=int(options.regions),
        num_tfs=options.tfs,
        length=options.length,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch, "sources")
        if not folder.is_dir():
            folder.mkdir(parents=True)
            began = time.perf_counter()
            write_all(folder, sizes)
            print(f"written in {time.perf_counter() - began:.0f} s")
        rows = [_unpack(folder / name) for name in (DHS_NAME, PEAKS_NAME, SITES_NAMES["2022"])]
        command = [*BUILD, "--from", str(folder), "--workspace", scratch, "--replace"]
        cost = measure(command)
        seconds = f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}"
        rows.append(["bindgrid data build", *seconds, f"{cost.peak_mib / 1024:.2f}"])
    print(table(["step", "s", "CPU s", "peak GiB"], rows))
    return rows


def _unpack(path: Path) -> Row:
    """Unpack a file and do nothing else; gives the seconds."""
    began, began_cpu = time.perf_counter(), time.process_time()
    with open_binary(path, archive=True) as file:
        while file.read(BLOCK_BYTES):
            pass
    taken = time.perf_counter() - began, time.process_time() - began_cpu
    return [f"unpacking {path.name}", *(f"{seconds:.1f}" for seconds in taken), ""]


def _biosamples() -> list[tuple[str, str, str]]:
    """Give biosamples that UCSC and ReMap have, by their names there and at UniBind."""
    columns = ("publisher", "name", "biosample", "treatment")
    records = [record for _, record in read_records(SHIPPED, columns)]
    found = {
        publisher: {
            record["biosample"]: record["name"]
            for record in reversed(records)
            if record["publisher"] == publisher and not record["treatment"]
        }
        for publisher in ("UCSC", "ReMap", "UniBind")
    }
    both = sorted(found["UCSC"].keys() & found["ReMap"].keys())
    return [
        (found["UCSC"][one], found["ReMap"][one], found["UniBind"].get(one, found["ReMap"][one]))
        for one in both
    ]


def _write_rows(file: io.IOBase, chrom: str, columns: dict[str, object]) -> None:
    """Write rows of one chromosome, separated by tabs."""
    num = len(columns["start"])  # type: ignore[arg-type]
    rows = pa.table({"chrom": pa.repeat(chrom, num)} | columns)
    options = pacsv.WriteOptions(
        include_header=False, delimiter="\t", quoting_style="none", batch_size=1 << 16
    )
    pacsv.write_csv(rows, file, options)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peaks", type=float, default=80e6, help="peaks (default: 80e6)")
    parser.add_argument("--sites", type=float, default=56e6, help="sites (default: 56e6)")
    parser.add_argument("--regions", type=float, default=1.8e6, help="DHSs (default: 1.8e6)")
    parser.add_argument("--tfs", type=int, default=163, help="TFs (default: 163)")
    parser.add_argument("--length", type=float, default=1.0, help="lengths by hg38's (default: 1)")
    parser.add_argument("--folder", type=Path, help="folder of the files, kept (default: none)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
