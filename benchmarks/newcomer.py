"""What a newcomer gets: `bindgrid tf add` of a few peaks of TFs that the base does not know.

    python -m benchmarks.newcomer SOURCES FOLDER [TF=BIOSAMPLE ...] [--base BASE]
        [--sizes 50,100,500,2000] [--dataset DATASET] [--background CHROM]

SOURCES has `dhs.bed.gz`, `remap_peaks.bed.gz`, `samples.tsv` and a genome. For each TF and size, so
many of its peaks in the biosample are added by the command line in a fresh workspace in FOLDER, the
biosample's DHSs being the accessible peaks. A peak is taken to the middle of the DHS that its
summit lies in, and the others are left out: the genome of the sources has bases in DHSs alone. The
base must not know the TFs: make one by `python -m experiments.base --leave-out`. With --dataset
they are also added to a copy of a dataset of the sources, as TF-LAB, by peaks alone too. Told are
MCC and average precision on the card, of transfer, scratch, the motif alone and rivals, and CPU
and wall seconds of the command, of all its processes. Cards that are there are not made again: the
same command goes on where it was interrupted.

With --background they are also added without accessible peaks, so that unbound regions are windows
of the genome. CHROM is then tested on in all ways, and the last column has the AUROC and average
precision of the model on all accessible regions of CHROM, few of which are bound.
"""

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.machine import Row, describe, table
from benchmarks.own_tf_labels import split_by_biosample
from data.atomic import whole_file
from data.dataset.store import Dataset
from data.own_tf.predicted_sites import find_motif
from data.schema import Evidence
from model.metrics import evaluate
from orchestrator.prediction.base import BASE_VARIABLE, find_base
from orchestrator.role_names import RIVAL_WORDS
from orchestrator.verdict.arms import MOTIF, SCRATCH, TRANSFER
from orchestrator.workspace import Workspace

TFS = ("GATA3=MCF-7", "NFYA=K562", "EBF1=GM12878", "TEAD4=K562", "TFAP2C=MCF-7")
"""TFs of five binding modes, each in a biosample with thousands of peaks."""
WAYS = {
    "accessible": "own regions",
    "dataset": "dataset",
    "background": "own regions, genome as background",
}
ARMS = (TRANSFER, SCRATCH, MOTIF, RIVAL_WORDS["all-motifs"], RIVAL_WORDS["gkm-svm"])


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One TF, of which some peaks are added in one way."""

    tf: str
    biosample: str
    num_peaks: int
    way: str

    @property
    def name(self) -> str:
        """Name that the TF is added by; another one where the dataset has the TF."""
        return f"{self.tf}-LAB" if self.way == "dataset" else self.tf

    def workspace(self, folder: Path) -> Workspace:
        """Give its own workspace."""
        return Workspace(folder / "workspaces" / f"{self.tf}-{self.num_peaks}-{self.way}")


@dataclass(frozen=True, kw_only=True)
class Files:
    """What the trials read."""

    sources: Path
    genome: Path
    folder: Path
    dataset: Path | None
    test_chrom: str
    """Chromosome to test on; empty where the command decides."""
    more: tuple[str, ...]
    """Further options of `bindgrid tf add` and `tf train`."""

    def peaks(self, tf: str, biosample: str) -> Path:
        """Peaks of a TF in a biosample, the best one of each DHS, written if they are not there."""
        path = self.folder / "peaks" / f"{tf}.{biosample}.bed"
        if path.exists():
            return path
        columns = ["chrom", "start", "end", "name", "score", "strand", "summit"]
        with tempfile.TemporaryDirectory() as folder:
            split_by_biosample(self.sources / "remap_peaks.bed.gz", 1, (tf,), Path(folder))
            rows = pd.read_csv(Path(folder, path.name), sep="\t", header=None, usecols=range(7))
        rows = rows.set_axis(columns, axis=1).sort_values("summit")[["chrom", *columns[3:]]]
        opened = pd.read_csv(self.accessible(biosample), sep="\t", header=None)
        opened = opened.set_axis(columns[:3], axis=1).sort_values("start")
        found = pd.merge_asof(rows, opened, by="chrom", left_on="summit", right_on="start")
        found = found[found["summit"] < found["end"]].astype({"start": int, "end": int})
        best = found.sort_values("score", ascending=False, kind="stable")
        best = best.drop_duplicates(["chrom", "start"])
        best["summit"] = (best["start"] + best["end"]) // 2
        best["next"] = best["summit"] + 1
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            best[[*columns, "next"]].to_csv(partial, sep="\t", header=False, index=False)
        return path

    def accessible(self, biosample: str) -> Path:
        """DHSs of a biosample, written if they are not there."""
        path = self.folder / "accessible" / f"{biosample}.bed"
        if path.exists():
            return path
        rows = (self.sources / "samples.tsv").read_text().splitlines()[1:]
        ids = {cells[0] for cells in (row.split("\t") for row in rows) if cells[2] == biosample}
        if not ids:
            raise SystemExit(f"{self.sources / 'samples.tsv'}: no biosample {biosample}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(self.sources / "dhs.bed.gz", "rt") as file, path.open("w") as written:
            for line in file:
                cells = line.rstrip("\n").split("\t")
                if ids & set(cells[6].split(",")):
                    written.write("\t".join(cells[:3]) + "\n")
        return path


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Do all trials, or those that are left."""
    options = _options(arguments)
    print(describe(), flush=True)
    if options.base is not None:
        os.environ[BASE_VARIABLE] = str(options.base)
    sources = options.sources
    files = Files(
        sources=sources,
        genome=options.genome or sources / "genome" / "hg38.dhs.fa.gz",
        folder=options.folder,
        dataset=options.dataset,
        test_chrom=options.background,
        more=tuple(options.more.split()),
    )
    pairs = [tuple(word.split("=", 1)) for word in options.tfs]
    _check_unknown([tf for tf, _ in pairs])
    ways = ["accessible"] + (["dataset"] if files.dataset else [])
    ways += ["background"] if options.background else []
    rows: list[Row] = []
    for size in (int(word) for word in options.sizes.split(",")):
        for tf, biosample in pairs:
            for way in ways:
                trial = Trial(tf=tf, biosample=biosample, num_peaks=size, way=way)
                rows.append(_row(trial, files))
                print(" | ".join(rows[-1]), flush=True)
    print(table(_header(), rows))
    return rows


def _header() -> Row:
    scores = [f"{arm}, MCC / AP" for arm in ARMS]
    open_regions = "on open regions, AUROC / AP"
    return ("TF, peaks", "regions", "bound", *scores, "CPU s", "wall s", "verdict", open_regions)


def _row(trial: Trial, files: Files) -> Row:
    """Add the TF, unless its card is there, and tell what the card says."""
    place = trial.workspace(files.folder)
    card = place.cards / f"{trial.name}.json"
    cost = place.root / "cost.json"
    head = [f"{trial.tf} in {trial.biosample}, {trial.num_peaks:,}", WAYS[trial.way]]
    if not (card.exists() and cost.exists()):
        try:
            _add(trial, files, place)
        except subprocess.CalledProcessError as error:
            last = (error.stderr or "").strip().splitlines()[-1:]
            return [*head, *[""] * (len(ARMS) + 3), f"failed: {''.join(last)}", ""]
    told = json.loads(card.read_text())
    spent = json.loads(cost.read_text())
    numbers = told["numbers"]
    scores = [_scores(numbers["arms"].get(arm)) for arm in ARMS]
    seconds = [f"{spent['cpu']:.0f}", f"{spent['wall']:.0f}"]
    level = told["conclusion"]["level"]
    on_open = _on_open(trial, files) if files.test_chrom and trial.way != "dataset" else ""
    return [*head, f"{numbers['num_bound']:,}", *scores, *seconds, level, on_open]


def _scores(arm: dict[str, dict[str, float]] | None) -> str:
    if arm is None:
        return ""
    return f"{arm['mcc']['value']:.2f} / {arm['average_precision']['value']:.2f}"


def _add(trial: Trial, files: Files, place: Workspace) -> None:
    """Run `bindgrid tf add`, and keep what it cost; an interrupted one is resumed."""
    place.root.mkdir(parents=True, exist_ok=True)
    words: list[object] = []
    if trial.way == "dataset" and files.dataset is not None:
        if not place.dataset.exists():
            shutil.copytree(files.dataset, place.dataset)
        words += [
            "--biosample",
            trial.biosample,
            "--no-sites",
            "--motif",
            find_motif(trial.tf).matrix_id,
        ]
        words += ["--pretrain-set", "base", "--genome", files.genome]
    else:
        words += ["--genome", files.genome]
        if trial.way == "accessible":
            words += ["--accessible", files.accessible(trial.biosample)]
    peaks = files.peaks(trial.tf, trial.biosample)
    command: list[object] = ["tf", "add", trial.name, "--peaks", peaks, "--top", trial.num_peaks]
    if _is_added(place, trial.name):
        command, words = ["tf", "train", trial.name], []
    if files.test_chrom:
        words += ["--test-chroms", files.test_chrom]
    began, before = time.monotonic(), _cpu()
    _bindgrid(*command, *words, *files.more, "-w", place.root)
    cost = {"cpu": _cpu() - before, "wall": time.monotonic() - began}
    (place.root / "cost.json").write_text(json.dumps(cost))


def _bindgrid(*words: object) -> None:
    """Run a command, whose output is kept for when it fails."""
    command = [sys.executable, "-m", "experiments.cli.main", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _cpu() -> float:
    """CPU seconds of this process and of those that it waited for."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _is_added(place: Workspace, name: str) -> bool:
    there = (place.dataset / "manifest.json").is_file()
    return there and name in Dataset.open(place.dataset).tfs


def _on_open(trial: Trial, files: Files) -> str:
    """Predict all accessible regions of the chromosome to test on, and compare with the peaks."""
    with_open = replace(trial, way="accessible").workspace(files.folder)
    dataset = Dataset.open(with_open.dataset)
    regions, codes = dataset.regions(), dataset.evidence([trial.tf])[:, 0]
    is_bound = codes == Evidence.BOUND
    here = (regions.chrom_names == files.test_chrom) & (is_bound | (codes == Evidence.UNBOUND))
    if not is_bound[here].any():
        return ""
    place = trial.workspace(files.folder)
    bed, told = place.root / "open.bed", place.root / "open.tsv"
    places = zip(regions.start[here].tolist(), regions.end[here].tolist(), strict=True)
    bed.write_text("".join(f"{files.test_chrom}\t{start}\t{end}\n" for start, end in places))
    if not told.exists():
        options = ("--bed", bed, "--genome", files.genome, "--out", told, "-w", place.root)
        _bindgrid("predict", trial.name, *options)
    predicted = pd.read_csv(told, sep="\t")["probability"].to_numpy(dtype=np.float32)
    known = np.isfinite(predicted)  # a region with N has no prediction
    found = evaluate(is_bound[here][known].astype(np.float32), predicted[known])
    return f"{found.auroc:.2f} / {found.average_precision:.2f}"


def _check_unknown(tfs: Sequence[str]) -> None:
    """End where the base knows a TF: its scores would be those of a TF that was seen."""
    base = find_base()
    known = [tf for tf in tfs if base is not None and base.known_as(tf) is not None]
    if known:
        raise SystemExit(
            f"the base knows {', '.join(known)}; give one that does not by --base, made by "
            f"`python -m experiments.base --leave-out {','.join(known)}`"
        )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of the sources")
    parser.add_argument("folder", type=Path, help="folder to work in; made if it is missing")
    parser.add_argument("tfs", nargs="*", default=TFS, help=f"(default: {' '.join(TFS)})")
    parser.add_argument("--base", type=Path, help="folder of the base (default: the shipped one)")
    parser.add_argument("--sizes", default="50,100,500,2000", help="peaks (default: %(default)s)")
    parser.add_argument("--genome", type=Path, help="FASTA (default: genome/hg38.dhs.fa.gz there)")
    parser.add_argument("--dataset", type=Path, help="dataset of the sources, to compare with")
    parser.add_argument("--background", default="", metavar="CHROM", help="the genome too")
    parser.add_argument("--more", default="", help="further options of tf add, in one word")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
