"""What `bindgrid tf add` costs from peaks and a genome to the card, by stage and by arm.

    python -m benchmarks.own_peaks SOURCES [--peaks 500] [--replicates 3] [--folds N] [--background]
        [--predict-sites]

SOURCES is a folder that `bindgrid data simulate` wrote. The peaks are the best ones of a TF in one
biosample, the accessible peaks its DHSs; with `--background` unbound regions are of the genome.
Labels are by peaks alone, as `tf add` makes them, or with `--predict-sites` by peaks and sites. All
is done in this process on one thread, one run after the other, and reported in seconds of processor
time, which other work on the machine changes less than the time on the clock: two free cores share
the runs. The last row has the peak of memory in MiB in place of seconds.
"""

import argparse
import gzip
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.machine import Row, describe, table
from data.dataset.added import PeakChoice
from data.dataset.sampling import Sampling, default_chromosomes
from data.left_out import LeftOut
from data.own_tf.files import PeakFile
from data.own_tf.labels import OwnTF
from data.own_tf.own_dataset import label_own, own_files, write_own
from data.own_tf.predicted_sites import find_motif
from data.sources.genome import Genome
from experiments.own_tf.plan import own_tf
from experiments.own_tf.suggestion import start_from_base
from experiments.study.scale import Scale
from experiments.study.study import Study
from orchestrator.backends.local import run_plan
from orchestrator.plan import Plan, RunOutcome
from orchestrator.role import RunVariant
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.verdict.card import write_card
from orchestrator.verdict.verdict import judge
from orchestrator.workspace import Workspace

BIOSAMPLE, SOURCE_ID = "simulated_1", "7"


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()
    torch.set_num_threads(1)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        tf = _own_tf(options, Path(folder))
        genome = Genome(options.sources / "genome.fa")
        files, unbound = own_files(None, tf.files)
        addition = label_own(None, tf, genome, unbound, LeftOut())
        write_own(workspace.dataset, None, addition)
        clock.note("labels")
        loaded = load_dataset(workspace)
        val, test = default_chromosomes(loaded.regions.chromosomes())
        sampling = Sampling(split="chromosome", val_chroms=(val,), test_chroms=(test,))
        scale = Scale(target_replicates=options.replicates)
        study = Study(tfs=(tf.name,), sampling=sampling, scale=scale)
        start = start_from_base(loaded, study, tf.name)
        plan = Plan(own_tf(loaded, study, start, tf.name, num_folds=options.folds).runs)
        clock.note("plan")
        run_plan(plan, workspace, on_done=lambda outcome: clock.note(_arm(outcome)))
        runs = [run for runs in plan.roles.values() for run in runs]
        verdict = judge(workspace, runs, tf.name, lambda step: clock.note("judging"))
        write_card(verdict, workspace)
        clock.note("judging")
    rows: list[Row] = [
        [name, str(clock.num[name]), f"{clock.spent[name]:.1f}"] for name in clock.spent
    ]
    rows.append(["all", str(len(plan)), f"{sum(clock.spent.values()):.1f}"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(["peak memory, MiB", "", f"{peak:.0f}"])
    print(machine)
    print(
        f"{len(files)} file, {verdict.numbers.num_bound:,} bound regions, {verdict.numbers.split}"
    )
    print(table(("stage", "times", "processor s"), rows))
    return rows


class _Clock:
    """Processor time by stage: each note ends what was done since the last one."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.num: Counter[str] = Counter()
        self._last = time.process_time()

    def note(self, stage: str) -> None:
        now = time.process_time()
        self.spent[stage] = self.spent.get(stage, 0.0) + now - self._last
        self.num[stage] += 1
        self._last = now


def _arm(outcome: RunOutcome) -> str:
    """Name of the arm of a run that is done."""
    if outcome.error is not None:
        raise SystemExit(outcome.error)
    role = outcome.planned.role
    if role.step is not None:
        return "learning curve"
    words = [role.arm] + ([] if role.variant is RunVariant.PLAIN else [role.variant.value])
    return ", ".join(words)


def _own_tf(options: argparse.Namespace, folder: Path) -> OwnTF:
    """Write the TF's peaks, and its accessible ones, as a lab has them."""
    peaks, opened = folder / "peaks.narrowPeak", folder / "atac.bed"
    with (
        gzip.open(options.sources / "remap_peaks.bed.gz", "rt") as file,
        peaks.open("w") as written,
    ):
        for line in file:
            chrom, start, end, name, score, _, summit, *_ = line.split("\t")
            if name.split(".", 1)[1] == f"{options.tf}.{BIOSAMPLE}":
                tail = f"{score}\t-1\t-1\t{int(summit) - int(start)}\n"
                written.write(f"{chrom}\t{start}\t{end}\tp\t0\t.\t{tail}")
    with gzip.open(options.sources / "dhs.bed.gz", "rt") as file, opened.open("w") as written:
        for line in file:
            cells = line.rstrip("\n").split("\t")
            if SOURCE_ID in cells[6].split(","):
                written.write("\t".join(cells[:3]) + "\n")
    own = PeakFile(peaks=peaks, biosample="own", accessible=None if options.background else opened)
    return OwnTF(
        name=options.tf,
        files=(own,),
        motif=find_motif(options.tf),
        predicts_sites=options.predict_sites,
        choice=PeakChoice(top=options.peaks),
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of simulated sources")
    parser.add_argument("--tf", default="GATA1", help="TF whose peaks are taken (default: GATA1)")
    parser.add_argument("--peaks", type=int, default=500, help="best peaks taken (default: 500)")
    parser.add_argument("--replicates", type=int, default=3, help="replicates (default: 3)")
    parser.add_argument("--folds", type=int, default=None, help="folds (default: as tf add has it)")
    parser.add_argument("--background", action="store_true", help="unbound regions of the genome")
    parser.add_argument("--predict-sites", action="store_true", help="labels by peaks and sites")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
