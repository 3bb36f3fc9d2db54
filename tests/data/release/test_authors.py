"""The importer: tiny releases made here, the real one where it is, and files to refuse."""

import gzip
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import DataError
from data.packing import unpack
from data.release.authors import (
    check_release,
    evidence_of_views,
    import_authors,
    is_release,
)
from data.release.pickles import read_plain_pickle

REAL = Path(__file__).parents[4] / "shared" / "data" / "paper"
NULL = np.nan
TFS = {"AAA": 0, "BBB": 1, "CCC": 2}
SAMPLES = {"liver": 0, "T cell": 1}
NUM_REGIONS = 6
# chr2 before chr10, whatever the order of the files and of the records
RECORDS = [(4, "chr10", 50, "A"), (1, "chr2", 900, "c"), (3, "chr2", 100, "G")]

#                   4: one source beside unbound   1: bound    3: unbound, elsewhere null
SPARSE = np.array([[9, 1, 9, 0, 0, 9], [9, 0, 9, NULL, NULL, 9]])
LESS = np.array([[9, 1, 9, 0, 0, 9], [9, 0, 9, NULL, 0, 9]])
OF_AAA = [1, 4, 2]
"""Evidence of regions 3, 1, 4: the order of the dataset."""


def write_pickle(path, value, protocol=3):
    path.write_bytes(gzip.compress(pickle.dumps(value, protocol=protocol)))


def write_fasta(path, records, length=200):
    lines = [
        f">{number}::{chrom}:{start}-{start + length}\n{base * length}\n"
        for number, chrom, start, base in records
    ]
    path.write_bytes(gzip.compress("".join(lines).encode()))


def write_views(folder, name, sparse, less_sparse):
    for view, values in (("sparse", sparse), ("less-sparse", less_sparse)):
        clean = np.where(values == 9, NULL, values)
        np.savez_compressed(folder / f"matrix2d.{name}ReMap+UniBind.{view}.npz", clean)


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "release"
    folder.mkdir()
    write_fasta(folder / "sequences.200bp.chr10.fa.gz", RECORDS[:1])
    write_fasta(folder / "sequences.200bp.chr2.fa.gz", RECORDS[1:])
    write_pickle(folder / "tfs_idx.pickle.gz", TFS)
    write_pickle(folder / "samples_idx.pickle.gz", SAMPLES)
    write_views(folder, "AAA.", SPARSE, LESS)
    return folder


@pytest.fixture
def collapsed(release):
    """The release with the matrix of all TFs in place of AAA's arrays, TF x region."""
    for file in release.glob("matrix2d.*"):
        file.unlink()
    sparse = np.full((3, NUM_REGIONS), NULL)
    less_sparse = sparse.copy()
    sparse[1, [1, 3]] = less_sparse[1, [1, 3]] = [0, 1]
    less_sparse[1, 4] = 0
    write_views(release, "", sparse, less_sparse)
    return release, sparse, less_sparse


def test_a_release_is_known_by_its_names_and_its_tfs_are_told(release, tmp_path):
    assert is_release(release)
    assert check_release(release) == ("AAA",)
    assert not is_release(tmp_path)
    assert not is_release(tmp_path / "nowhere")
    (release / "tfs_idx.pickle.gz").unlink()
    assert is_release(release)
    with pytest.raises(DataError, match="tfs_idx"):
        check_release(release)


def test_all_tfs_of_a_collapsed_release_are_told(collapsed):
    assert check_release(collapsed[0]) == ("AAA", "BBB", "CCC")


OF_BBB = [4, 1, 2]


def test_evidence_of_every_pair_of_views():
    sparse = np.array([1, 0, -1, -1], dtype=np.int8)
    less_sparse = np.array([1, 0, 0, -1], dtype=np.int8)
    assert evidence_of_views(sparse, less_sparse, Path("x")).tolist() == [4, 1, 2, 0]


@pytest.mark.parametrize("pair", [(1, 0), (0, 1), (0, -1), (-1, 1)])
def test_contradicting_views_are_refused(pair):
    sparse, less_sparse = (np.array([value], dtype=np.int8) for value in pair)
    with pytest.raises(DataError, match="contradicts the less sparse array in 1 cell"):
        evidence_of_views(sparse, less_sparse, Path("x.npz"))


def test_arrays_of_a_tf(release, tmp_path):
    dataset = import_authors(release, tmp_path / "dataset")
    assert dataset.tfs == ("AAA",)
    assert dataset.evidence(["AAA"])[:, 0].tolist() == OF_AAA
    regions = dataset.regions()
    assert regions.chrom_names.tolist() == ["chr2", "chr2", "chr10"]
    assert regions.start.tolist() == [100, 900, 50]
    assert regions.end.tolist() == [300, 1100, 250]
    assert regions.gc.tolist() == [1, 1, 0]
    assert (unpack(regions.sequences) == [[2], [1], [0]]).all()
    assert dataset.biosamples == ()
    names = {Path(source.file).name for source in dataset.manifest.sources}
    assert names == {file.name for file in release.iterdir()}


@pytest.mark.parametrize("orient", [np.asarray, np.asfortranarray, np.transpose])
def test_collapsed_matrix_in_every_orientation(collapsed, tmp_path, orient):
    release, sparse, less_sparse = collapsed
    write_views(release, "", orient(sparse), orient(less_sparse))
    (release / "samples_idx.pickle.gz").unlink()  # of no use here, so not asked for
    dataset = import_authors(release, tmp_path / "dataset")
    assert dataset.tfs == tuple(TFS)
    assert dataset.evidence(["BBB"])[:, 0].tolist() == OF_BBB
    assert not dataset.evidence(["AAA", "CCC"]).any()


def test_arrays_of_a_tf_are_taken_over_the_collapsed_matrix(collapsed, tmp_path):
    release, _, _ = collapsed
    write_views(release, "AAA.", SPARSE, LESS)
    dataset = import_authors(release, tmp_path / "dataset")
    assert dataset.evidence(["AAA", "BBB"]).T.tolist() == [OF_AAA, OF_BBB]


def test_arrays_of_samples_are_passed_over(release, tmp_path):
    write_views(release, "T_cell.", np.full((3, 6), NULL), np.full((3, 6), NULL))
    assert import_authors(release, tmp_path / "dataset").tfs == ("AAA",)


def test_duplicates_and_n_are_counted(release, tmp_path):
    # region 5 lies where region 1 does; their evidence is merged
    write_fasta(release / "sequences.200bp.chr2.fa.gz", [*RECORDS[1:], (5, "chr2", 900, "c")])
    write_fasta(release / "sequences.200bp.chr10.fa.gz", [(4, "chr10", 50, "N")])
    dataset = import_authors(release, tmp_path / "dataset")
    assert dataset.num_regions == 3
    assert list(dataset.manifest.dropped.values()) == [1, 1]
    assert dataset.evidence(["AAA"])[:, 0].tolist() == OF_AAA
    assert dataset.regions().num_unknown.tolist() == [0, 0, 200]


def test_sequences_on_several_lines(release, tmp_path):
    record = ">4::chr10:50-250\n" + "ac\n" * 99 + "gt"
    (release / "sequences.200bp.chr10.fa.gz").write_bytes(gzip.compress(record.encode()))
    codes = unpack(import_authors(release, tmp_path / "dataset").regions().sequences)
    assert codes[2, :4].tolist() == [0, 1, 0, 1]
    assert codes[2, -2:].tolist() == [2, 3]


class Shell:
    def __init__(self, path):
        self.command = f"touch {path}"

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_is_refused_and_not_run(release, tmp_path, protocol):
    write_pickle(release / "tfs_idx.pickle.gz", {"AAA": Shell(tmp_path / "ran")}, protocol)
    with pytest.raises(DataError, match=r"tfs_idx.*refused, it names the Python object .*system"):
        import_authors(release, tmp_path / "dataset")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release"]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (np.int64(0), "numpy"),
        (np.zeros(2), "numpy"),
        ([0], "empty_list"),
        (0.5, "binfloat"),
        (None, "none"),
        (True, "newtrue|bool"),
        (b"x", "short_binbytes"),
        ({1}, "empty_set"),
    ],
)
def test_any_other_type_is_refused(tmp_path, value, named):
    write_pickle(tmp_path / "x.pickle.gz", {"AAA": value}, protocol=4)
    with pytest.raises(DataError, match=f"x.pickle.gz: refused, it .*({named})"):
        read_plain_pickle(tmp_path / "x.pickle.gz")


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_of_every_protocol(tmp_path, protocol):
    value = {("chr1", 5, 205): 0, "text": (1, -2, 2**70, (), ("a",)), "é": {}}
    write_pickle(tmp_path / "x.pickle.gz", value, protocol)
    assert read_plain_pickle(tmp_path / "x.pickle.gz") == value


def test_a_pickle_cannot_claim_memory_or_hold_itself(tmp_path):
    path = tmp_path / "x.pickle"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")  # LONG_BINPUT 2**31 - 1
    with pytest.raises(DataError, match="refused, it holds a long_binput"):
        read_plain_pickle(path)
    path.write_bytes(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.")  # a dict within itself
    assert set(read_plain_pickle(path)) == {"a"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "no dict of names"),
        (("AAA",), "no dict of names"),
        ({"AAA": "0"}, "no name with its position"),
        ({0: 0}, "no name with its position"),
        ({"AAA": 0, "BBB": 2}, "not 0 to 1"),
        ({"AAA": 0, "BBB": 0}, "not 0 to 1"),
        ({"BBB": 0}, "AAA is not in tfs_idx.pickle.gz"),
    ],
)
def test_bad_index(release, tmp_path, value, reason):
    write_pickle(release / "tfs_idx.pickle.gz", value)
    with pytest.raises(DataError, match=reason):
        import_authors(release, tmp_path / "dataset")


def npz_of(content, member="arr_0.npy"):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, content)

    return write


def save(values):
    return lambda path: np.savez_compressed(path, values)


# not print, which Ray replaces by its own
OBJECTS = np.array([[len] * NUM_REGIONS] * 2, dtype=object)
ONE_HEADER = b"\x93NUMPY\x01\x00"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (save(np.full((3, 6), NULL)), "shape 3 x 6, but the index names 2 samples"),
        (save(np.full((2, 2), NULL)), "cannot be told"),
        (save(np.full(6, NULL)), "has 1 axes, not two"),
        (save(np.full((2, 4), NULL)), "has 4 regions, but the FASTA files name region 4"),
        (save(np.full((2, 5), NULL)), "6 regions, .* has 5|5 regions, .* has 6"),
        (save(np.full((2, 6), 0.5)), "holds 0.5 where only 0, 1 and NaN"),
        (lambda path: np.savez(path, OBJECTS), "holds object, not numbers; refused"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (npz_of(b"junk"), "no readable header"),
        (npz_of(ONE_HEADER + b"\x06\x00{junk\n"), "no readable header"),
        (npz_of(b"", member="other.npy"), "holds no arr_0.npy"),
        (lambda path: path.unlink(), "the sparse array beside it is missing"),
    ],
)
def test_bad_arrays(release, tmp_path, spoil, reason):
    spoil(release / "matrix2d.AAA.ReMap+UniBind.sparse.npz")
    with pytest.raises(DataError, match=reason) as caught:
        import_authors(release, tmp_path / "dataset")
    assert "matrix2d.AAA.ReMap+UniBind" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "dataset").exists()


def test_array_shorter_than_its_header_and_flipped_byte(release, tmp_path):
    path = release / "matrix2d.AAA.ReMap+UniBind.sparse.npz"
    values = np.where(SPARSE == 9, NULL, SPARSE)
    np.save(tmp_path / "x.npy", values)
    content = (tmp_path / "x.npy").read_bytes()
    for wrong, reason in ((content[:-8], "ends in row 1 of 2"), (content + b"x", "more than")):
        npz_of(wrong)(path)
        with pytest.raises(DataError, match=reason):
            import_authors(release, tmp_path / "dataset")
    npz_of(content)(path)
    flipped = bytearray(path.read_bytes())
    flipped[flipped.index(values.tobytes()) + 3] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(DataError, match=r"damaged .*CRC"):
        import_authors(release, tmp_path / "dataset")


def fasta_of(text):
    return lambda path: path.write_bytes(gzip.compress(text.encode()))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (fasta_of(f">4::chr10:0-200\n{'A' * 200}\n>chr10:9-209\nA\n"), "line 3: '>chr10:9-209'"),
        (fasta_of(">4::chr10:0-200\nACGT\n"), "line 1: a region of 200 bp with 4 bases"),
        (fasta_of("ACGT\n"), "line 1: no FASTA header"),
        (fasta_of(f">1::chr10:0-200\n{'A' * 200}\n"), "region 1 was at chr10:0 before"),
        (lambda path: path.write_bytes(path.read_bytes()[:30]), "damaged"),
        (lambda path: path.write_bytes(b""), "empty"),
    ],
)
def test_bad_fasta(release, tmp_path, spoil, reason):
    spoil(release / "sequences.200bp.chr10.fa.gz")
    with pytest.raises(DataError, match=reason) as caught:
        import_authors(release, tmp_path / "dataset")
    assert "sequences.200bp.chr" in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("sequences.*", "no sequences.200bp"),
        ("matrix2d.*", "no matrix2d"),
        ("tfs_idx*", "tfs_idx.pickle.gz: cannot be opened"),
        ("samples_idx*", "samples_idx.pickle.gz: cannot be opened"),
    ],
)
def test_missing_files(release, tmp_path, pattern, reason):
    for file in release.glob(pattern):
        file.unlink()
    with pytest.raises(DataError, match=reason):
        import_authors(release, tmp_path / "dataset")


def test_missing_folder_and_existing_dataset(release, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        import_authors(tmp_path / "other", tmp_path / "dataset")
    import_authors(release, tmp_path / "dataset")
    with pytest.raises(DataError, match="--replace"):
        import_authors(release, tmp_path / "dataset")
    import_authors(release, tmp_path / "dataset", replace=True)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real data is not at {REAL}")
def test_the_real_release_gives_the_published_evidence(tmp_path):
    dataset = import_authors(REAL / "release", tmp_path / "dataset")
    columns = ["chrom", "start", "end", "HNF4A", "SPI1"]
    expected = pd.read_parquet(
        REAL / "expected_evidence.parquet", columns=columns, filters=[("chrom", "==", "chrY")]
    )
    regions = dataset.regions()
    assert dataset.num_regions == 1905
    assert regions.chroms == ("chrY",)
    assert np.array_equal(regions.start, expected["start"])
    assert np.array_equal(regions.end, expected["end"])
    assert np.array_equal(dataset.evidence(["HNF4A", "SPI1"]), expected[["HNF4A", "SPI1"]])
