"""A genome is compared with a dataset by bases, and only where both give one."""

from pathlib import Path

import numpy as np
import pytest
from Bio import bgzf

from data.dataset.manifest import Origin, source_record
from data.dataset.region_table import RegionTable
from data.dataset.same_genome import check_genome
from data.dataset.store import Dataset, write_dataset
from data.errors import DataError
from data.packing import encode
from data.sources.genome import Genome

LENGTHS = {"chr1": 90_000, "chr2": 60_000}
WIDTH = 200


@pytest.fixture
def bases() -> dict[str, str]:
    rng = np.random.default_rng(3)
    return {chrom: "".join(rng.choice(list("ACGT"), num)) for chrom, num in LENGTHS.items()}


def written(path: Path, bases: dict[str, str], per_line: int = 60) -> Path:
    text = "".join(
        f">{chrom} of a genome\n"
        + "".join(f"{own[i : i + per_line]}\n" for i in range(0, len(own), per_line))
        for chrom, own in bases.items()
    )
    if path.suffix == ".gz":
        with bgzf.BgzfWriter(str(path)) as file:
            file.write(text.encode())
    else:
        path.write_text(text)
    path.with_name(f"{path.name}.fai").unlink(missing_ok=True)
    return path


@pytest.fixture
def built(tmp_path, bases) -> Dataset:
    """A region at every kilobase of a genome."""
    places = [(chrom, at) for chrom, num in LENGTHS.items() for at in range(0, num, 1000)]
    codes = [
        encode(np.frombuffer(bases[c][at : at + WIDTH].encode(), np.uint8)) for c, at in places
    ]
    chrom, start = zip(*places, strict=True)
    table = RegionTable.from_bases(
        np.array(chrom, dtype=object), np.array(start, dtype=np.int32), np.stack(codes)
    )
    origin = Origin(sources=[source_record(written(tmp_path / "built.fa", bases))])
    return write_dataset(
        tmp_path / "d", regions=table, evidence={}, accessibility=None, origin=origin
    )


@pytest.mark.parametrize("name", ["other.fa", "other.fa.gz"])
def test_another_file_of_the_assembly_is_the_same(built, bases, tmp_path, name):
    masked = {chrom[3:]: own.lower() for chrom, own in reversed(bases.items())}
    masked["1"] = f"{'n' * 40_000}{masked['1'][40_000:]}"
    genome = Genome(written(tmp_path / name, masked | {"Un": "ACGT" * 99}, per_line=77))
    check_genome(built, built.regions(), genome)
    only = {"chr2": bases["chr2"], "chr1_alt": "ACGT"}
    check_genome(built, built.regions(), Genome(written(tmp_path / name, only)))
    check_genome(built, built.regions(), Genome(written(tmp_path / name, {"chrUn": "ACGT"})))


@pytest.mark.parametrize("name", ["other.fa", "other.fa.gz"])
def test_another_assembly_is_refused_with_a_region_and_the_remedy(built, bases, tmp_path, name):
    # all is the same up to an insertion
    longer = {"chr1": bases["chr1"][:50_100] + "G" + bases["chr1"][50_100:], "chr2": bases["chr2"]}
    with pytest.raises(DataError) as told:
        check_genome(built, built.regions(), Genome(written(tmp_path / name, longer)))
    message = str(told.value)
    assert message.startswith(f"{tmp_path / name}: is not the genome that {built.path} was built")
    assert "bases at chr1:50000-50200 are others" in message or "chr1:51000-" in message
    assert message.endswith(f"give that genome: --genome {tmp_path / 'built.fa'}")
    shorter = bases | {"chr2": bases["chr2"][:30_000]}
    with pytest.raises(DataError, match="bases at chr2:3"):
        check_genome(built, built.regions(), Genome(written(tmp_path / name, shorter)))
    replaced = Genome(written(tmp_path / "built.fa", longer))
    with pytest.raises(DataError, match="the file has changed since"):
        check_genome(built, built.regions(), replaced)
