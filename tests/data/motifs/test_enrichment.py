"""The motif that a TF's bound regions are rich in."""

from pathlib import Path

import numpy as np
import pytest

from data.motifs.database import jaspar_motifs
from data.motifs.enrichment import enriched_motifs
from data.schema import Evidence
from tests.helpers.tiny import tiny_dataset


@pytest.fixture
def dataset(tmp_path: Path):
    """Bound regions hold AAAGCGGAAGTG, an ETS site."""
    return tiny_dataset(tmp_path / "dataset")


def test_the_motif_that_was_put_in_is_found(dataset):
    motifs = [jaspar_motifs()[tf][0] for tf in ("CTCF", "SPI1", "ELF1", "HNF4A", "MAX")]
    found = enriched_motifs(dataset.regions(), dataset.evidence(["SPI1"])[:, 0], motifs)
    assert {found[0].motif.tf, found[1].motif.tf} == {"SPI1", "ELF1"}
    assert found[1].auroc > 0.9
    assert all(abs(one.auroc - 0.5) < 0.2 for one in found[2:])
    assert len(found) == 5


def test_nothing_is_said_without_unbound_regions(dataset):
    only_bound = np.full(dataset.num_regions, Evidence.BOUND, dtype=np.uint8)
    assert enriched_motifs(dataset.regions(), only_bound, [jaspar_motifs()["SPI1"][0]]) == []
