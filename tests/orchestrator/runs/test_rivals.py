"""Rivals on the regions of a run: by folds, by openness, and by LS-GKM where it is on the path."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Part, Sampling
from data.dataset.store import write_dataset
from data.errors import DataError
from data.schema import Evidence
from model.network_config import NetworkConfig
from orchestrator.errors import RunError
from orchestrator.runs import rivals
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.ls_gkm import has_ls_gkm
from orchestrator.runs.rivals import rival_predictions
from orchestrator.spec import RegionSpec, Rival, RunSpec

NUM = 400
AT_RANDOM = Sampling()
CHROMS = ("chr1", "chr2", "chr3", "chr4")
GKMTRAIN = """#!/bin/sh
grep -v '>' "$1" | head -1 > "$3.model.txt"
"""
GKMPREDICT = """#!/bin/sh
# a sequence that begins with C scores 1, any other one -1
grep -v '>' "$1" | awk '{print NR "\\t" (substr($0, 1, 1) == "C" ? 1 : -1)}' > "$3"
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedDataset:
    """Bound regions begin with C, hold GATAAGGATA and are open in one biosample more."""
    rng = np.random.default_rng(0)
    bound = rng.random(NUM) < 0.5
    bases = rng.integers(0, 4, (NUM, 200)).astype(np.uint8)
    bases[:, 0] = np.where(bound, 1, 3)
    bases[bound, 80:90] = [2, 0, 3, 0, 0, 2, 2, 0, 3, 0]
    path = tmp_path_factory.mktemp("rivals") / "dataset"
    write_dataset(
        path,
        regions=RegionTable.from_bases(
            np.array([CHROMS[4 * i // NUM] for i in range(NUM)], dtype=object),
            np.arange(NUM, dtype=np.int32) * 300,
            bases,
        ),
        evidence={"MINE": np.where(bound, Evidence.BOUND, Evidence.UNBOUND).astype(np.uint8)},
        accessibility={"A": np.ones(NUM, dtype=bool), "B": bound, "C": rng.random(NUM) < 0.05},
    )
    return LoadedDataset(path)


def spec_of(loaded: LoadedDataset, rival: Rival, sampling: Sampling = AT_RANDOM) -> RunSpec:
    regions = RegionSpec(
        tfs=("MINE",),
        view="sparse",
        sampling=sampling,
        dataset=loaded.dataset.fingerprint(["MINE"]),
    )
    network = NetworkConfig(num_tfs=1)
    return RunSpec(regions=regions, network=network, training=None, seed=0, rival=rival.value)


@pytest.mark.parametrize("rival", sorted(set(Rival) - {Rival.LS_GKM}))
def test_a_rival_learns_what_tells_bound_regions(loaded: LoadedDataset, rival: Rival) -> None:
    spec = spec_of(loaded, rival)
    tested, probabilities = rival_predictions(spec, loaded)
    expected = loaded.select(spec.regions).only(Part.TEST)
    assert np.array_equal(tested.region_ids, expected.region_ids)
    assert np.array_equal(tested.labels, expected.labels)
    assert ((probabilities > 0.5) == (tested.labels == 1)).mean() > 0.8


@pytest.mark.parametrize("rival", [Rival.ALL_MOTIFS, Rival.K_MERS])
def test_folds_test_every_region_once_by_what_others_taught(
    loaded: LoadedDataset, rival: Rival
) -> None:
    folded = Sampling(split="chromosome", val_chroms=("chr2",), test_chroms=("chr3",)).in_folds(
        tuple((chrom,) for chrom in CHROMS)
    )
    spec = spec_of(loaded, rival, folded)
    assert spec.folds == (), "the run fits its folds itself"
    tested, probabilities = rival_predictions(spec, loaded)
    whole = loaded.select(spec.regions)
    assert np.array_equal(tested.region_ids, whole.region_ids)
    first = replace(spec, regions=replace(spec.regions, sampling=folded.of_fold(0)))
    own, alone = rival_predictions(first, loaded)
    assert np.array_equal(probabilities[np.isin(tested.region_ids, own.region_ids)], alone)


@pytest.mark.parametrize("rival", [Rival.ALL_MOTIFS, Rival.K_MERS, Rival.OPENNESS])
def test_folds_of_a_sample_test_what_was_not_sampled_too(
    loaded: LoadedDataset, rival: Rival
) -> None:
    sampled = Sampling(
        split="chromosome", val_chroms=("chr2",), test_chroms=("chr3",), num_bound=60
    ).in_folds(tuple((chrom,) for chrom in CHROMS))
    spec = spec_of(loaded, rival, sampled)
    tested, probabilities = rival_predictions(spec, loaded)
    assert len(tested.region_ids) > len(loaded.select(spec.regions).region_ids)
    of_folds = []
    for number in range(len(CHROMS)):
        fold = replace(spec, regions=replace(spec.regions, sampling=sampled.of_fold(number)))
        own, alone = rival_predictions(fold, loaded)
        of_folds.append(own.region_ids)
        assert np.array_equal(probabilities[np.isin(tested.region_ids, own.region_ids)], alone)
    assert np.array_equal(tested.region_ids, np.sort(np.concatenate(of_folds)))
    assert ((probabilities > 0.5) == (tested.labels == 1)).mean() > 0.7


@pytest.mark.slow
def test_hits_are_the_same_whether_they_were_kept_or_not(
    loaded: LoadedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(loaded, Rival.ALL_MOTIFS)
    _, first = rival_predictions(spec, loaded)
    scanned: list[int] = []
    original = rivals.best_scores

    def scan(own: Any, motifs: Any) -> Any:
        scanned.append(len(own))
        return original(own, motifs)

    monkeypatch.setattr(rivals, "best_scores", scan)
    assert np.array_equal(rival_predictions(spec, loaded)[1], first)
    assert scanned == []
    monkeypatch.setattr(rivals, "MAX_KEPT", 10)
    rivals._hits_of.cache_clear()
    assert np.array_equal(rival_predictions(spec, loaded)[1], first)
    assert len(scanned) == 1


def test_openness_needs_a_dataset_that_knows_it(loaded: LoadedDataset, tmp_path: Path) -> None:
    write_dataset(
        tmp_path / "dataset",
        regions=loaded.regions,
        evidence={"MINE": loaded.column("MINE")},
        accessibility=None,
    )
    without = LoadedDataset(tmp_path / "dataset")
    with pytest.raises(DataError, match="says of no biosample where regions are open"):
        rival_predictions(spec_of(without, Rival.OPENNESS), without)


def test_ls_gkm_is_run_where_it_is_on_the_path(
    loaded: LoadedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(loaded, Rival.LS_GKM)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert not has_ls_gkm()
    with pytest.raises(RunError, match="gkmtrain of LS-GKM cannot be run"):
        rival_predictions(spec, loaded)
    for name, script in (("gkmtrain", GKMTRAIN), ("gkmpredict", GKMPREDICT)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    assert has_ls_gkm()
    tested, probabilities = rival_predictions(spec, loaded)
    assert ((probabilities > 0.5) == (tested.labels == 1)).all()
    (tmp_path / "gkmtrain").write_text("#!/bin/sh\necho no memory >&2; exit 1\n")
    with pytest.raises(RunError, match="gkmtrain of LS-GKM failed: no memory"):
        rival_predictions(spec, loaded)


def test_a_rival_has_nothing_of_a_network(loaded: LoadedDataset) -> None:
    spec = spec_of(loaded, Rival.K_MERS)
    assert spec.key != spec_of(loaded, Rival.OPENNESS).key
    with pytest.raises(ValueError, match="nothing of a network"):
        replace(spec, motif="MA0080.5")
    with pytest.raises(ValueError, match="'guess' is not a valid Rival"):
        replace(spec, rival="guess")
