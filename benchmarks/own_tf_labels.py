"""How well a lab's labels agree with the paper's: a TF's peaks, taken out and added as one's own.

    python -m benchmarks.own_tf_labels DATASET SOURCES [TF ...]

SOURCES has the files `remap_peaks.bed.gz` and `unibind_tfbs.bed.gz` of the README. Per TF: cells
that agree with the dataset's evidence of it with sites given, without any, and with sites predicted
at several p-values.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import Row, describe, table
from data.dataset.store import Dataset
from data.own_tf.edit import source_genome
from data.own_tf.files import PeakFile
from data.own_tf.labels import OwnTF, label_own_tf
from data.own_tf.predicted_sites import SiteRule, find_motif
from data.rows.head import data_lines
from data.schema import Evidence, view_labels
from data.sources.genome import Genome

P_VALUES = (1e-3, 3e-4, 1e-4, 3e-5)
TFS = ("ETV4", "KLF9", "MNT", "GATA1")


def split_by_biosample(path: Path, tf_place: int, tfs: tuple[str, ...], folder: Path) -> None:
    """Write the rows of each TF and biosample to a file of their own."""
    rows: dict[Path, list[str]] = {}
    for _, line in data_lines(path):
        experiment_free = line.split("\t")[3].split(".", 1)[1]
        first, second = (
            experiment_free.split(".", 1) if tf_place else experiment_free.rsplit(".", 1)
        )
        tf, biosample = (first, second) if tf_place else (second, first)
        if tf in tfs:
            rows.setdefault(folder / f"{tf}.{biosample}.bed", []).append(line)
    for file, lines in rows.items():
        file.write_text("".join(f"{line}\n" for line in lines))


def agreement(found: np.ndarray, theirs: np.ndarray) -> Row:
    """Cells that agree, bound ones of both, recall, precision, and labels that contradict."""
    bound, ours = theirs == Evidence.BOUND, found == Evidence.BOUND
    num_same = int((bound & ours).sum())
    views = view_labels(theirs, "sparse"), view_labels(found, "sparse")
    resolved = (views[0] >= 0) & (views[1] >= 0)
    return [
        f"{(found == theirs).mean():.4%}",
        f"{int(bound.sum()):,}",
        f"{int(ours.sum()):,}",
        f"{num_same / max(bound.sum(), 1):.1%}",
        f"{num_same / max(ours.sum(), 1):.1%}",
        f"{int(((views[0] != views[1]) & resolved).sum())}",
    ]


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    dataset, sources, tfs = Dataset.open(options.dataset), options.sources, tuple(options.tfs)
    path = source_genome(dataset)
    if path is None:
        raise SystemExit(f"{options.dataset}: the genome that it was built from is not there")
    print(describe())
    rows: list[Row] = []
    genome = Genome(path)
    with tempfile.TemporaryDirectory() as folder:
        peaks, sites = Path(folder, "peaks"), Path(folder, "sites")
        for place, where in ((peaks, "remap_peaks.bed.gz"), (sites, "unibind_tfbs.bed.gz")):
            place.mkdir()
            split_by_biosample(sources / where, int(place is peaks), tfs, place)
        for tf in tfs:
            theirs = dataset.evidence([tf])[:, 0]
            files = sorted(peaks.glob(f"{tf}.*.bed"))
            biosamples = [file.name.removeprefix(f"{tf}.").removesuffix(".bed") for file in files]
            motif = find_motif(tf)
            ways = {
                "sites given": OwnTF(
                    name=tf,
                    files=tuple(
                        PeakFile(peaks=file, biosample=name, sites=sites / file.name)
                        for file, name in zip(files, biosamples, strict=True)
                    ),
                )
            }
            plain = tuple(
                PeakFile(peaks=file, biosample=name)
                for file, name in zip(files, biosamples, strict=True)
            )
            ways["no sites"] = OwnTF(name=tf, files=plain)
            for p in P_VALUES:
                ways[f"{motif.matrix_id} p {p:g}"] = OwnTF(
                    name=tf, files=plain, motif=motif, rule=SiteRule(p_value=p)
                )
            for way, lab in ways.items():
                found = label_own_tf(dataset, lab, genome).codes
                rows.append([f"{tf}, {way}", *agreement(found, theirs)])
    header = ("labels", "cells that agree", "bound", "ours", "recall", "precision", "contradict")
    print(table(header, rows))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path, help="folder of a dataset")
    parser.add_argument("sources", type=Path, help="folder of the sources that it was built from")
    parser.add_argument("tfs", nargs="*", default=TFS, help=f"TFs (default: {' '.join(TFS)})")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
