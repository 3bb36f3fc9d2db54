"""Effects of variants beside what chance does: p-values, q-values and quantiles."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import false_discovery_control
from torch import nn

from data.left_out import LeftOut
from data.packing import pack
from data.queries.variants import VcfReader
from data.sources.genome import Genome
from model.ensemble import Member, predict_ensemble
from orchestrator.prediction import variant_null
from orchestrator.prediction.predict import predict_variants
from orchestrator.prediction.variant_null import (
    VariantNull,
    benjamini_hochberg,
    make_null,
    with_q_values,
)
from tests.helpers.tiny import random_bases

LENGTH = 200
MOTIF = "GATAAGCAC"


class Sites(nn.Module):
    """Logit: grows with the best match to the motif, half of it for each base."""

    def __init__(self) -> None:
        super().__init__()
        kernel = torch.zeros(1, 4, len(MOTIF))
        for place, base in enumerate(MOTIF):
            kernel[0, "ACGT".index(base), place] = 0.5
        self.kernel = nn.Parameter(kernel)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.exp(4 * (nn.functional.conv1d(inputs, self.kernel).amax(2) - 4))


MEMBERS = [Member(network=Sites(), length_bp=LENGTH)]


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    """A site at 1,000; random bases elsewhere."""
    text = random_bases(5) * 4
    text = text[:1000] + MOTIF + text[1000 + len(MOTIF) :]
    (tmp_path / "g.fa").write_text(f">chr1\n{text}\n")
    return Genome(tmp_path / "g.fa")


def bases(genome: Genome) -> str:
    return genome.path.read_text().split("\n")[1]


def table_of(genome: Genome, rows: list[str], null: VariantNull | None) -> pd.DataFrame:
    path = genome.path.with_name("v.vcf")
    path.write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(f"{row}\n" for row in rows))
    tables: list[pd.DataFrame] = []

    class Kept:
        def write(self, table: pd.DataFrame) -> None:
            tables.append(table)

    reader = VcfReader(path, genome, LENGTH, LeftOut())
    if null is None:
        predict_variants(MEMBERS, reader.batches(), Kept(), None)
    else:
        with with_q_values(Kept()) as writer:
            predict_variants(MEMBERS, reader.batches(), writer, None, null=null)
    return pd.concat(tables, ignore_index=True)


def test_a_p_value_counts_what_changes_as_much_and_is_never_0() -> None:
    null = VariantNull(version=1, effects=(0.0, 1.0, 2.0, 3.0), probabilities=(0.1, 0.2, 0.4, 0.8))
    effects = np.array([0.0, -1.0, 2.5, 9.0, np.nan], dtype=np.float32)
    assert np.array_equal(
        null.p_values(effects), [5 / 5, 4 / 5, 2 / 5, 1 / 5, np.nan], equal_nan=True
    )
    quantiles = null.quantiles(np.array([0.0, 0.3, 1.0, np.nan], dtype=np.float32))
    assert np.array_equal(quantiles, [0, 0.5, 1, np.nan], equal_nan=True)


def test_q_values_are_those_of_a_step_up_by_hand() -> None:
    p_values = np.array([0.01, np.nan, 0.04, 0.03, 0.5])
    expected = [4 * 0.01, np.nan, 4 * 0.04 / 3, 4 * 0.04 / 3, 0.5]
    assert np.allclose(benjamini_hochberg(p_values), expected, equal_nan=True)
    assert np.isnan(benjamini_hochberg(np.full(2, np.nan))).all()
    many = np.random.default_rng(0).integers(1, 60, 200) / 60  # with ties
    assert np.allclose(benjamini_hochberg(many), false_discovery_control(many), rtol=1e-12)


def test_p_values_of_random_substitutions_are_uniform(
    genome: Genome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant_null, "NUM_WINDOWS", 300)
    null = make_null(MEMBERS, genome)
    assert null is not None
    assert len(null.effects) == 6 * 300
    rng = np.random.default_rng(9)
    sequences = rng.integers(0, 4, (2000, LENGTH)).astype(np.uint8)
    changed = sequences.copy()
    changed[:, 100] = (changed[:, 100] + rng.integers(1, 4, 2000)) % 4
    one, other = (predict_ensemble(MEMBERS, pack(own)).logit for own in (sequences, changed))
    p_values = null.p_values(other - one)
    for level in (0.02, 0.05):
        assert (p_values <= level).mean() < 2 * level


def test_a_variant_in_a_site_is_told_from_those_beside_it(genome: Genome) -> None:
    text = bases(genome)
    other = {"A": "C", "C": "A", "G": "T", "T": "G"}
    rows = [
        f"chr1\t{at}\ts{at}\t{text[at - 1]}\t{other[text[at - 1]]}" for at in range(1003, 2003, 9)
    ]
    null = make_null(MEMBERS, genome)
    found = table_of(genome, rows, null)
    assert list(found.columns[-4:]) == ["reason", "ref_quantile", "p_value", "q_value"]
    assert found["p_value"].idxmin() == 0
    assert found["q_value"].to_numpy() == pytest.approx(
        benjamini_hochberg(found["p_value"].to_numpy())
    )
    assert found["ref_quantile"][0] > 0.9
    without = table_of(genome, rows, None)
    assert list(without.columns) == list(found.columns[:-3])
    assert without["effect"].tolist() == found["effect"].tolist()


def test_what_is_no_substitution_has_no_p_value_but_a_quantile(genome: Genome) -> None:
    text = bases(genome)
    at = 1500
    first, second = text[at - 1], text[at]
    other = "T" if first != "T" else "C"
    rows = [
        f"chr1\t{at}\tdeletion\t{first}{second}\t{first}",
        f"chr1\t{at}\tspelled longer\t{first}{second}\t{other}{second}",
        f"chr1\t{at}\tsymbolic\t{first}\t<DEL>",
    ]
    found = table_of(genome, rows, make_null(MEMBERS, genome))
    assert found["p_value"].isna().tolist() == [True, False, True]
    assert found["q_value"].isna().tolist() == [True, False, True]
    assert found["ref_quantile"].isna().tolist() == [False, False, True]


def test_a_genome_of_unknown_bases_has_nothing_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "n.fa").write_text(f">chr1\n{'N' * 2000}\n")
    assert make_null(MEMBERS, Genome(tmp_path / "n.fa")) is None
