"""A lab's TFs end to end: a dataset without some TFs, then `bindgrid tf add` of each.

Usage: python -m benchmarks.own_tfs SOURCES FOLDER [TF ...]; SOURCES has the README's files, FOLDER
becomes the place of the sources without the TFs, of each TF's peaks, and of the workspace. Each TF
is added as `<TF>-LAB` by the motif of its name. Told per TF: labels beside the paper's, verdict,
minutes. What is complete is not computed again.
"""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

from benchmarks.own_tf_labels import split_by_biosample
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
    """Run a command; minutes that it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "experiments.cli.main", *map(str, words)]
    subprocess.run(command, check=True)
    return (time.monotonic() - began) / 60


def main() -> None:
    """Do all of it, or what of it is left."""
    sources, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tfs = tuple(sys.argv[3:]) or TFS
    fewer, peaks, workspace = folder / "sources", folder / "peaks", folder / "workspace"
    if not workspace.exists():
        leave_out(sources, tfs, fewer)
        minutes = _bindgrid(
            *("data", "build", "-w", workspace),
            *("--genome", sources / "genome" / "hg38.dhs.fa.gz"),
            *("--dhs", sources / "dhs.bed.gz", "--samples", sources / "samples.tsv"),
            *("--peaks", fewer / "remap_peaks.bed.gz", "--sites", fewer / "unibind_tfbs.bed.gz"),
            *("--experiments", fewer / "experiments.tsv"),
        )
        print(f"build: {minutes:.1f} minutes", flush=True)
        peaks.mkdir()
        split_by_biosample(sources / "remap_peaks.bed.gz", 1, tfs, peaks)
    for tf in tfs:
        card = workspace / "report" / "tf" / f"{quote(f'{tf}-LAB', safe='')}.json"
        if not card.exists():
            files = sorted(peaks.glob(f"{tf}.*.bed"))
            of_files: list[object] = []
            for file in files:
                of_files += ["--peaks", file, "--biosample", file.name[len(tf) + 1 : -4]]
            minutes = _bindgrid(
                *("tf", "add", f"{tf}-LAB", "-w", workspace, "--replace", "--yes"),
                *("--motif", motif_of(tf).matrix_id, *of_files),
            )
            print(f"{tf}: {minutes:.1f} minutes", flush=True)
        print(json.loads(card.read_text())["conclusion"]["sentence"], flush=True)


if __name__ == "__main__":
    main()
