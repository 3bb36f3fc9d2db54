"""Parts of a file are the same from the middle as from the beginning."""

import numpy as np
import pytest
from Bio import bgzf

from data.errors import DataError
from data.sources.excerpts import Part, read_parts
from data.sources.genome import Genome


@pytest.fixture
def text() -> bytes:
    return np.random.default_rng(1).integers(32, 127, 200_000).astype(np.uint8).tobytes()


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_parts_are_those_of_the_unpacked_file(tmp_path, text, name):
    path = tmp_path / name
    if name.endswith(".gz"):
        with bgzf.BgzfWriter(str(path)) as file:
            for first in range(0, len(text), 10_000):
                file.write(text[first : first + 10_000])
                file.flush()  # a block ends here
    else:
        path.write_bytes(text)
    # at a block's edge, over three blocks, in none, and past the end
    places = [
        (0, 5),
        (9_998, 4),
        (10_000, 7),
        (29_999, 10_002),
        (70, 0),
        (199_990, 50),
        (300_000, 3),
    ]
    found = read_parts(path, [Part(*place) for place in places])
    assert found == [text[first : first + num] for first, num in places]


def test_a_damaged_file_is_told(tmp_path, text):
    path = tmp_path / "a.gz"
    with bgzf.BgzfWriter(str(path)) as file:
        file.write(text)
    whole = path.read_bytes()
    for wrong in (whole[:-40], whole[:30_000] + b"\0" * 1000 + whole[31_000:]):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=r"a\.gz: truncated or damaged"):
            read_parts(path, [Part(0, 100_000)])


@pytest.mark.parametrize("name", ["g.fa", "g.fa.gz"])
def test_excerpts_of_a_genome_are_its_sequences(tmp_path, name):
    bases = "".join(np.random.default_rng(2).choice(list("ACGTNacgt"), 5_000))
    lines = "".join(f"{bases[i : i + 61]}\r\n" for i in range(0, len(bases), 61))
    data = f">one\r\n{lines}>two\r\n{lines}".encode()
    path = tmp_path / name
    if name.endswith(".gz"):
        with bgzf.BgzfWriter(str(path)) as file:
            file.write(data)
    else:
        path.write_bytes(data)
    genome = Genome(path)
    start = np.array([-30, 0, 60, 4_950, 6_000], dtype=np.int32)
    for chrom in ("one", "two"):
        names = np.array([chrom] * len(start), dtype=object)
        found = genome.excerpts(names, start, 200)
        np.testing.assert_array_equal(found, genome.sequences(names, start, 200))
    index = path.with_name(f"{name}.fai")
    index.write_text(index.read_text().replace("\t61\t63", "\t60\t62"))
    if name.endswith(".gz"):  # of a plain file the whole index is checked when it is opened
        with pytest.raises(DataError, match="the index does not fit the file"):
            Genome(path).excerpts(names, start, 200)
