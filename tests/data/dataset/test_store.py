import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.dataset import store as store_module
from data.dataset.evidence_file import evidence_path
from data.dataset.evidence_file import write_evidence as write_one
from data.dataset.manifest import Origin
from data.dataset.region_table import RegionTable, chrom_sort_key
from data.dataset.store import Dataset, write_dataset
from data.errors import DataError
from data.schema import Evidence

NUM_REGIONS = 6


def regions() -> RegionTable:
    bases = np.random.default_rng(0).integers(0, 4, (NUM_REGIONS, 200)).astype(np.uint8)
    bases[5, :3] = 4
    chrom = np.array(["chr1"] * 4 + ["chr2"] * 2, dtype=object)
    return RegionTable.from_bases(chrom, np.arange(0, 1200, 200, dtype=np.int32), bases)


def codes(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, NUM_REGIONS).astype(np.uint8)


def write(path, evidence=None, **options) -> Dataset:
    evidence = {"SPI1": codes(1), "NKX2-5": codes(2)} if evidence is None else evidence
    options = {"accessibility": None} | options
    return write_dataset(path, regions=regions(), evidence=evidence, **options)


def test_what_is_written_is_read(tmp_path):
    open_in_k562 = np.array([True, False, True, True, False, False])
    origin = Origin(dropped={"x": 3})
    dataset = write(tmp_path / "d", accessibility={"K562": open_in_k562}, origin=origin)
    expected, read = regions(), Dataset.open(tmp_path / "d").regions()
    for name in ("chrom_names", "start", "end", "gc", "sequences", "num_unknown"):
        np.testing.assert_array_equal(getattr(read, name), getattr(expected, name))
    assert dataset.tfs == ("NKX2-5", "SPI1")
    np.testing.assert_array_equal(dataset.evidence(["SPI1", "NKX2-5"]).T, [codes(1), codes(2)])
    np.testing.assert_array_equal(dataset.accessibility("K562"), open_in_k562)
    assert dataset.manifest.dropped == {"x": 3}
    assert read.chromosomes() == {"chr1": 4, "chr2": 2}


def test_counts_come_from_the_footer(tmp_path):
    dataset = write(tmp_path / "d", {"A": np.array([0, 0, 1, 4, 2, 3], dtype=np.uint8)})
    summary = dataset.summary("A")
    assert summary.counts == (2, 1, 1, 1, 1)
    assert summary.count(Evidence.BOUND) == 1
    assert summary.num_resolved == 4


def test_adding_a_tf_writes_one_file_and_keeps_the_other_fingerprints(tmp_path):
    dataset = write(tmp_path / "d")
    before = {p: p.stat().st_mtime_ns for p in dataset.path.rglob("*") if p.is_file()}
    fingerprint = dataset.fingerprint(["SPI1"])
    write_one(evidence_path(dataset.path, "MAX"), codes(3))
    after = {p: p.stat().st_mtime_ns for p in dataset.path.rglob("*") if p.is_file()}
    assert [p.name for p in after.keys() - before.keys()] == ["MAX.parquet"]
    assert all(after[path] == mtime for path, mtime in before.items())
    again = Dataset.open(dataset.path)
    assert again.tfs == ("MAX", "NKX2-5", "SPI1")
    assert again.fingerprint(["SPI1"]) == fingerprint != again.fingerprint(["SPI1", "MAX"])


def test_a_footer_is_read_once_and_again_when_its_file_is_another(tmp_path, monkeypatch):
    dataset = write(tmp_path / "ds")
    read = []
    real = pq.read_metadata

    def counted(path):
        read.append(path)
        return real(path)

    monkeypatch.setattr(pq, "read_metadata", counted)
    before = [dataset.summary("SPI1") for _ in range(3)]
    assert len(read) == 1 and before[0] == before[2]
    write_one(evidence_path(dataset.path, "SPI1"), codes(9))
    after = dataset.summary("SPI1")
    assert len(read) == 2
    assert after.fingerprint != before[0].fingerprint


def test_reading_one_tf_opens_no_other_file(tmp_path):
    dataset = write(tmp_path / "d")
    evidence_path(dataset.path, "NKX2-5").write_bytes(b"not Parquet")
    np.testing.assert_array_equal(dataset.evidence(["SPI1"])[:, 0], codes(1))
    with pytest.raises(DataError, match=r"NKX2-5\.parquet: cannot be read"):
        dataset.evidence(["NKX2-5"])


def test_fingerprints_follow_regions_and_evidence_and_not_the_order_asked_in(tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    assert one.fingerprint(["SPI1", "NKX2-5"]) == two.fingerprint(["NKX2-5", "SPI1"])
    changed = codes(1)
    changed[0] = (changed[0] + 1) % 5
    other = write(tmp_path / "other", {"SPI1": changed, "NKX2-5": codes(2)})
    assert other.fingerprint(["SPI1"]) != one.fingerprint(["SPI1"])
    assert other.fingerprint(["NKX2-5"]) == one.fingerprint(["NKX2-5"])


def test_a_killed_writer_leaves_no_dataset_and_its_rubbish_is_cleared(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; import data.dataset.store as s\n"
        "s.write_evidence = lambda *a, **k: os.kill(os.getpid(), 9)\n"
        "from tests.data.dataset.test_store import write; write(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "d")]
    done = subprocess.run(command, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == -9
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".d.")
    with pytest.raises(DataError, match="no dataset here"):
        Dataset.open(tmp_path / "d")
    write(tmp_path / "d")
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_failing_disk_leaves_the_old_dataset(tmp_path, monkeypatch):
    before = write(tmp_path / "d").fingerprint(["SPI1"])

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.pq, "write_table", full)
    with pytest.raises(DataError, match="No space left"):
        write(tmp_path / "d", {"SPI1": codes(5)}, replace=True)
    assert Dataset.open(tmp_path / "d").fingerprint(["SPI1"]) == before
    assert os.listdir(tmp_path) == ["d"]


def test_only_a_dataset_is_replaced(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.txt").write_text("dear")
    with pytest.raises(DataError, match="not a dataset"):
        write(tmp_path / "d", replace=True)
    assert (tmp_path / "d" / "thesis.txt").read_text() == "dear"


def test_another_schema_and_a_damaged_manifest_are_refused(tmp_path):
    path = write(tmp_path / "d").path / "manifest.json"
    values = json.loads(path.read_text())
    for version in (0, 99):
        path.write_text(json.dumps({**values, "schema_version": version}))
        with pytest.raises(DataError, match=f"schema version {version}"):
            Dataset.open(tmp_path / "d")
    path.write_text("{")
    with pytest.raises(DataError, match="damaged"):
        Dataset.open(tmp_path / "d")


def test_evidence_of_other_regions_is_refused(tmp_path):
    dataset = write(tmp_path / "d")
    write_one(evidence_path(dataset.path, "SPI1"), codes(1)[:4])
    with pytest.raises(DataError, match="4 rows where the dataset has 6"):
        dataset.evidence(["SPI1"])


def test_an_unknown_tf_is_answered_with_near_names(tmp_path):
    dataset = write(tmp_path / "d")
    with pytest.raises(DataError, match="no TF named 'SPI'; near: SPI1"):
        dataset.evidence(["SPI"])
    with pytest.raises(DataError, match="near: SPI1"):
        dataset.summary("spi1")


def test_sequences_are_read_as_they_lie(tmp_path):
    dataset = write(tmp_path / "d")
    column = pq.ParquetFile(dataset.path / "regions.parquet").metadata.row_group(0).column(6)
    assert (column.path_in_schema, column.compression) == ("sequence", "UNCOMPRESSED")


def test_chromosomes_sort_naturally():
    names = ["chrX", "chr10", "chr2", "chr1", "chr1_KI270706v1", "chrY"]
    expected = ["chr1", "chr1_KI270706v1", "chr2", "chr10", "chrX", "chrY"]
    assert sorted(names, key=chrom_sort_key) == expected
