"""`bindgrid explain`: which regions, what is written, and what it refuses."""

import numpy as np
import pytest

from data.errors import DataError
from data.left_out import LeftOut
from model.checkpoint import load
from model.prediction import predict
from orchestrator.errors import RunError
from orchestrator.interpretation.explain import (
    StoredExplanation,
    bed_regions,
    chromosome_sizes,
    explain,
    output_of,
    top_regions,
)
from orchestrator.runs.find_run import find_run
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore


def test_regions_that_overlap_a_bed_file(trained, tmp_path):
    regions = load_dataset(trained).regions
    # regions of 200 bp begin at multiples of 300, a hundred to a chromosome
    path = tmp_path / "mine.bed"
    path.write_text("chr1\t150\t301\nchr1\t200\t300\nchr1\t599\t600\tname\nchr9\t0\t9\n")
    with pytest.raises(DataError, match="row 3"):
        bed_regions(path, regions)
    path.write_text("chr1\t150\t301\nchr1\t200\t300\nchr1\t600\t601\nchr9\t0\t9\nchr1\t0\t1\n")
    left_out = LeftOut()
    assert bed_regions(path, regions, left_out).tolist() == [0, 1, 2]
    assert left_out.of(path) == {"overlapping no region of the dataset": 2}
    path.write_text("chr9\t0\t9\n")
    with pytest.raises(RunError, match="no row overlaps"):
        bed_regions(path, regions)


def test_the_test_regions_predicted_highest(trained):
    run = find_run(RunStore(trained), "SPI1")
    ids = top_regions(run, trained, "SPI1", 5)
    loaded = load_dataset(trained)
    selection = loaded.select(run.planned.spec.regions)
    bound_test = selection.region_ids[(selection.part == 2) & (selection.labels[:, 0] == 1)]
    assert len(ids) == min(5, len(bound_test))
    assert set(ids) <= set(bound_test)


def test_the_output_of_a_tf(trained):
    store = RunStore(trained)
    multi = find_run(store, "SPI1", "multi")
    assert [output_of(multi, tf) for tf in ("ELF1", "spi1")] == [0, 1]
    with pytest.raises(RunError, match="has no MAX; it has: ELF1, SPI1"):
        output_of(multi, "MAX")
    scored = next(run for run in store.completed() if run.planned.spec.training is None)
    with pytest.raises(RunError, match="scored the network of another run"):
        output_of(scored, "SPI1")


@pytest.mark.slow
def test_what_is_written_agrees_with_itself(trained):
    figwig = pytest.importorskip("figwig")
    run = find_run(RunStore(trained), "SPI1")
    loaded = load_dataset(trained)
    ids = np.array([7, 3])
    stored = explain(run, trained, "SPI1", ids, method="mutagenesis")
    regions, bases = stored.regions, stored.bases
    assert regions["region_id"].tolist() == [7, 3]
    assert bases.groupby("region_id").size().to_dict() == {7: 200, 3: 200}
    totals = bases.groupby("region_id")["contribution"].sum()
    np.testing.assert_allclose(regions["total"], totals[regions["region_id"]], rtol=1e-3, atol=1e-5)
    own = bases[bases["region_id"] == 7]
    assert own["position"].tolist() == list(range(2100, 2300))
    track = figwig.read_bigwig(stored.path / "contributions.bw", ["chr1"], [2100], 200)
    np.testing.assert_allclose(np.ravel(track), own["contribution"], rtol=1e-5, atol=1e-7)
    assert {p.name for p in (stored.path / "logos").iterdir()} == {
        f"chr1_{start}_{start + 200}.svg" for start in (900, 2100)
    }
    before = (stored.path / "regions.csv").stat().st_mtime_ns
    again = explain(run, trained, "SPI1", ids, method="mutagenesis")
    assert again == StoredExplanation(stored.path)
    assert (stored.path / "regions.csv").stat().st_mtime_ns == before
    assert chromosome_sizes(loaded)["chr1"] == 99 * 300 + 200


@pytest.fixture
def command(bindgrid, trained):
    return lambda *arguments: bindgrid("explain", *arguments, "-w", trained.root)


@pytest.mark.slow
def test_the_command(command):
    pytest.importorskip("figwig")
    code, out, err = command("SPI1", "--regions", "top:2", "--method", "mutagenesis")
    assert code == 0, err
    assert "SPI1 transfer r1, run " in err
    assert "2 regions; contributions are in logits; files: " in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["MAX"], "no finished run of 'MAX'"),
        (["SPI1", "--regions", "best"], "give top:N"),
        (["SPI1", "--regions", "top:0"], "give top:N"),
        (["SPI1", "--bed", "none.bed"], "none.bed: cannot be opened"),
    ],
)
def test_what_cannot_be_explained_is_one_line_and_exit_code_2(command, arguments, told):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert told in err.splitlines()[-1]


def test_regions_that_overlap_a_bed_file_are_the_highest_where_a_number_is_given(
    command, trained, tmp_path, monkeypatch
):
    explained = []

    def noted(run, place, tf, ids, **options):
        explained.append(ids.tolist())
        raise RunError("that is enough")

    monkeypatch.setattr("orchestrator.interpretation.explain.explain", noted)
    bed = tmp_path / "mine.bed"
    bed.write_text("chr1\t0\t1500\n")
    assert command("SPI1", "--bed", bed)[0] == 2
    assert command("SPI1", "--bed", bed, "--regions", "top:2")[0] == 2
    run, regions = find_run(RunStore(trained), "SPI1"), load_dataset(trained).regions
    found = predict(load(run.path), regions.sequences[:5])[:, output_of(run, "SPI1")]
    assert explained == [[0, 1, 2, 3, 4], np.argsort(-found, kind="stable")[:2].tolist()]
