"""Windows at random places of a genome, and random sequences of their composition."""

from pathlib import Path

import numpy as np
import pytest

from data.queries.background import background_windows, of_same_composition
from data.sources.genome import Genome


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    """chr1 is N but for 300 bp from 5,000 on, chr2 is N, chr3 is too short for a window."""
    island = "".join(np.random.default_rng(0).choice(list("ACGT"), 300))
    (tmp_path / "g.fa").write_text(
        f">chr1\n{'N' * 5000}{island}{'N' * 3000}\n>chr2\n{'N' * 900}\n>chr3\n{'A' * 150}\n"
    )
    return Genome(tmp_path / "g.fa")


def test_windows_are_of_the_genome_and_have_no_unknown_base(genome: Genome) -> None:
    windows = background_windows(genome, 200, 30)
    assert windows.shape == (15, 200), "chr2 has none for its half"
    assert windows.max() <= 3
    [island] = genome.sequences(np.array(["chr1"], dtype=object), np.array([5000], np.int32), 300)
    text = "".join(map(str, island))
    assert all("".join(map(str, window)) in text for window in windows)
    assert len({window.tobytes() for window in windows}) > 5
    assert np.array_equal(windows, background_windows(genome, 200, 30))
    assert not np.array_equal(windows, background_windows(genome, 200, 30, seed=1))


def test_a_genome_without_room_for_a_window_has_none(genome: Genome) -> None:
    assert background_windows(genome, 400, 30).shape == (0, 400)
    assert background_windows(genome, 10_000, 30).shape == (0, 10_000)


def test_random_sequences_keep_dinucleotides_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    windows = rng.integers(0, 4, (400, 200)).astype(np.uint8)
    windows[:, 90:100] = [2, 0, 3, 0, 0, 2, 2, 0, 3, 0]
    windows[0] = 0
    windows[1] = np.arange(200) % 2
    found = of_same_composition(windows, seed=3)
    assert (found[0] == 0).all()
    assert (np.diff(found[1].astype(int)) != 0).all() and found[1].max() == 1

    def frequencies(codes: np.ndarray) -> np.ndarray:
        pairs = 4 * codes[:, :-1].astype(int) + codes[:, 1:]
        return np.bincount(pairs.ravel(), minlength=16) / pairs.size

    assert np.allclose(frequencies(found[2:]), frequencies(windows[2:]), atol=0.004)
    holds = (found[2:, 90:100] == [2, 0, 3, 0, 0, 2, 2, 0, 3, 0]).all(axis=1)
    assert not holds.any()
