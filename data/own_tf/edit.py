"""Add the labels of your own TF to a dataset, and remove them again."""

from pathlib import Path

from data.dataset.evidence_file import evidence_path
from data.dataset.evidence_file import write_evidence as write_codes
from data.dataset.store import Dataset
from data.errors import DataError
from data.own_tf.labels import Labels


def check_name(dataset: Dataset, name: str, *, replace: bool) -> None:
    """Refuse a name that is taken, before any work is done.

    Raises
    ------
    DataError
        If a TF has the name, in upper or lower case, unless it was added and is to be replaced.
    """
    same = next((tf for tf in dataset.tfs if tf.upper() == name.upper()), None)
    if same is None:
        return
    if dataset.summary(same).added is None:
        raise DataError(
            f"{dataset.path}: {same} is a TF of the dataset's own; add yours by another name"
        )
    if not replace or same != name:
        raise DataError(
            f"{dataset.path}: {same} was added already; `bindgrid tf train {same}` goes on "
            "with it; to add it anew pass --replace with that name, or choose another"
        )


def source_genome(dataset: Dataset) -> Path | None:
    """Path of the genome that the dataset was built from, if it is still there."""
    if dataset.manifest.own_regions is not None:
        genome = Path(dataset.manifest.own_regions.genome)
        return genome if genome.is_file() else None
    for source in dataset.manifest.sources:
        path = Path(source.file)
        if path.is_file() and path.with_name(f"{path.name}.fai").is_file():
            return path
    return None


def add_labels(dataset: Dataset, labels: Labels, *, replace: bool = False) -> Dataset:
    """Add a TF's evidence to a dataset: one file, moved in whole.

    Returns
    -------
    Dataset
        The dataset, opened again.

    Raises
    ------
    DataError
        If the name is taken, see :func:`check_name`, or it is no longer the dataset that was
        opened.
    """
    check_name(dataset.reopened(), labels.name, replace=replace)
    write_codes(evidence_path(dataset.path, labels.name), labels.codes, labels.added)
    return Dataset.open(dataset.path)


def remove_tf(dataset: Dataset, name: str) -> None:
    """Remove a TF that was added.

    Raises
    ------
    DataError
        If there is none of the name, it is one of the build, or it is no longer the dataset that
        was opened.
    """
    dataset = dataset.reopened()
    if dataset.summary(name).added is None:
        raise DataError(
            f"{dataset.path}: {name} is a TF of the dataset's own and stays; only one that "
            "`bindgrid tf add` added can be removed"
        )
    evidence_path(dataset.path, name).unlink()
