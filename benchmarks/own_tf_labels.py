"""How well a lab's labels agree with the paper's: peaks of a TF taken out and added as one's own.

Usage: python -m benchmarks.own_tf_labels DATASET SOURCES [TF ...]; SOURCES has the README's files
`remap_peaks.bed.gz` and `unibind_tfbs.bed.gz`. Per TF: cells that agree with the dataset's evidence
of it with sites given, without any, and with sites predicted at several p-values.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from data.dataset.store import Dataset
from data.own_tf.edit import source_genome
from data.own_tf.files import PeakFile
from data.own_tf.labels import OwnTF, label_own_tf
from data.own_tf.predicted_sites import SiteRule, find_motif
from data.schema import Evidence, view_labels
from data.sources.bed import data_lines
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


def agreement(found: np.ndarray, theirs: np.ndarray) -> str:
    """Cells that agree, and how many of the bound ones are found."""
    bound, same_bound = (
        theirs == Evidence.BOUND,
        (theirs == Evidence.BOUND) & (found == Evidence.BOUND),
    )
    resolved = (view_labels(theirs, "sparse") >= 0) & (view_labels(found, "sparse") >= 0)
    wrong = (view_labels(theirs, "sparse") != view_labels(found, "sparse")) & resolved
    num_found = int((found == Evidence.BOUND).sum())
    return (
        f"{(found == theirs).mean():8.4%} of cells, bound {int(bound.sum()):6,} theirs "
        f"{num_found:6,} ours, recall {same_bound.sum() / max(bound.sum(), 1):6.1%}, precision "
        f"{same_bound.sum() / max(num_found, 1):6.1%}, {int(wrong.sum())} labels contradict"
    )


def main() -> None:
    dataset, sources = Dataset.open(Path(sys.argv[1])), Path(sys.argv[2])
    tfs = tuple(sys.argv[3:]) or TFS
    path = source_genome(dataset)
    assert path is not None
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
                print(f"{tf:8}{way:20}{agreement(found, theirs)}", flush=True)


if __name__ == "__main__":
    main()
