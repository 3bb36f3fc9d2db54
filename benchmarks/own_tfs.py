"""A lab's TFs end to end: a dataset without some TFs, then `bindgrid tf add` of each.

    python -m benchmarks.own_tfs SOURCES FOLDER [TF ...] [--label-only]

SOURCES has the files of the README. FOLDER gets the sources without the TFs, each TF's peaks, and
the workspace. Each TF is added as `<TF>-LAB` by the motif of its name. Reported per TF: bound
regions, the verdict and the minutes. What is complete is not computed again.
"""

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import quote

from benchmarks.machine import Row, describe, table
from benchmarks.own_tf_labels import split_by_biosample
from data.dataset.store import Dataset
from data.schema import Evidence
from orchestrator.runs.motif_baseline import motif_of

TFS = ("ETV4", "KLF9", "MNT", "GATA1", "SP2")


def _text(path: Path, mode: str) -> IO[str]:
    return gzip.open(path, mode, encoding="utf-8", compresslevel=1)  # type: ignore[return-value]


def _without(path: Path, tfs: tuple[str, ...], place: int) -> Iterator[str]:
    """Lines of a BED that are not of some TFs.

    Names are `experiment.TF.biosample`, or `experiment.biosample.TF` with place 0.
    """
    with _text(path, "rt") as file:
        for line in file:
            rest = line.split("\t")[3].split(".", 1)[1]
            tf = rest.split(".", 1)[0] if place else rest.rsplit(".", 1)[1]
            if tf.strip() not in tfs:
                yield line


def leave_out(sources: Path, tfs: tuple[str, ...], folder: Path) -> None:
    """Write the sources that name TFs, without some of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, place in (("remap_peaks.bed.gz", 1), ("unibind_tfbs.bed.gz", 0)):
        with _text(folder / name, "wt") as file:
            file.writelines(_without(sources / name, tfs, place))
    lines = (sources / "experiments.tsv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.split("\t")[1] not in tfs]
    (folder / "experiments.tsv").write_text("".join(kept))


def _bindgrid(*words: object) -> float:
    """Run a command; gives the minutes that it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "experiments.cli.main", *map(str, words)]
    subprocess.run(command, check=True)
    return (time.monotonic() - began) / 60


def build(sources: Path, genome: Path, folder: Path, tfs: tuple[str, ...]) -> None:
    """Build the dataset without the TFs, and write the peaks of each."""
    fewer, peaks = folder / "sources", folder / "peaks"
    leave_out(sources, tfs, fewer)
    minutes = _bindgrid(
        *("data", "build", "-w", folder / "workspace", "--genome", genome),
        *("--dhs", sources / "dhs.bed.gz", "--samples", sources / "samples.tsv"),
        *("--peaks", fewer / "remap_peaks.bed.gz", "--sites", fewer / "unibind_tfbs.bed.gz"),
        *("--experiments", fewer / "experiments.tsv"),
    )
    print(f"build: {minutes:.1f} minutes", flush=True)
    peaks.mkdir()
    split_by_biosample(sources / "remap_peaks.bed.gz", 1, tfs, peaks)


def add(folder: Path, tf: str, *, label_only: bool) -> Row:
    """Add a TF, unless its card is there; bound regions, conclusion, minutes."""
    workspace, name = folder / "workspace", f"{tf}-LAB"
    card = workspace / "report" / "tf" / f"{quote(name, safe='')}.json"
    minutes = 0.0
    if not card.exists():
        of_files: list[object] = []
        dataset = Dataset.open(workspace / "dataset")
        for file in sorted((folder / "peaks").glob(f"{tf}.*.bed")):
            of_files += ["--peaks", file, "--biosample", file.name[len(tf) + 1 : -4]]
        minutes = _bindgrid(
            *("tf", "add", name, "-w", workspace, "--replace"),
            "--label-only" if label_only else "--yes",
            *("--motif", motif_of(tf, dataset.jaspar).matrix_id, *of_files),
        )
    num_bound = Dataset.open(workspace / "dataset").summary(name).count(Evidence.BOUND)
    said = "" if label_only else json.loads(card.read_text())["conclusion"]["sentence"]
    return [name, f"{num_bound:,}", said, f"{minutes:.1f}"]


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Do all of it, or what is left to do."""
    options = _options(arguments)
    print(describe())
    tfs = tuple(options.tfs)
    if not (options.folder / "workspace").exists():
        genome = options.genome or options.sources / "genome" / "hg38.dhs.fa.gz"
        build(options.sources, genome, options.folder, tfs)
    rows = [add(options.folder, tf, label_only=options.label_only) for tf in tfs]
    print(table(("TF", "bound regions", "verdict", "minutes"), rows))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of the sources")
    parser.add_argument("folder", type=Path, help="folder to work in; made if it is missing")
    parser.add_argument("tfs", nargs="*", default=TFS, help=f"TFs (default: {' '.join(TFS)})")
    parser.add_argument("--genome", type=Path, help="FASTA (default: genome/hg38.dhs.fa.gz there)")
    parser.add_argument("--label-only", action="store_true", help="label the TFs, train nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
