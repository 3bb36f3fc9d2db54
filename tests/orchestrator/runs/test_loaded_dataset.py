"""Counting what is resolved by bits equals counting it in the matrix."""

from itertools import combinations
from pathlib import Path

from data.schema import Evidence
from orchestrator.runs.loaded_dataset import LoadedDataset
from tests.helpers.tiny import tiny_dataset


def test_what_is_resolved_for_some_tfs_is_counted_as_in_the_matrix(tmp_path: Path) -> None:
    # 403 regions are no whole bytes
    dataset = tiny_dataset(tmp_path / "dataset", num_regions=403)
    loaded = LoadedDataset(dataset.path)
    for num in (1, 2, 3):
        for tfs in combinations(("SPI1", "ELF1", "GABPA"), num):
            evidence = loaded.evidence(tfs)
            assert evidence.tolist() == dataset.evidence(tfs).tolist()
            resolved = (evidence != Evidence.UNMATCHED).all(axis=1)
            assert loaded.num_resolved(tfs) == resolved.sum()
    assert loaded.num_resolved(["SPI1"]) == 403
    assert loaded.num_resolved(["SPI1", "ELF1"]) == 201
