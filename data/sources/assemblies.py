"""Which assembly and species a genome is, recognized by the lengths of its chromosomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Assembly:
    """An assembly of a species."""

    name: str
    """Its name at UCSC, such as hg38."""
    species: str
    """In plain English, such as human."""


_HG38: Final = Assembly("hg38", "human")
_HG19: Final = Assembly("hg19", "human")
_MM39: Final = Assembly("mm39", "mouse")
_MM10: Final = Assembly("mm10", "mouse")
_MM9: Final = Assembly("mm9", "mouse")
_DM6: Final = Assembly("dm6", "fruit fly")
_DM3: Final = Assembly("dm3", "fruit fly")
_CE11: Final = Assembly("ce11", "worm")
_CE10: Final = Assembly("ce10", "worm")
_OF_LENGTH: Final = {
    ("1", 248_956_422): _HG38,
    ("19", 58_617_616): _HG38,
    ("21", 46_709_983): _HG38,
    ("22", 50_818_468): _HG38,
    ("1", 249_250_621): _HG19,
    ("19", 59_128_983): _HG19,
    ("21", 48_129_895): _HG19,
    ("22", 51_304_566): _HG19,
    ("1", 195_154_279): _MM39,
    ("1", 195_471_971): _MM10,
    ("19", 61_431_566): _MM10,
    ("1", 197_195_432): _MM9,
    ("2L", 23_513_712): _DM6,
    ("2L", 23_011_544): _DM3,
    ("I", 15_072_434): _CE11,
    ("I", 15_072_423): _CE10,
}
"""Some chromosomes, without a `chr` in front, so that a part of a genome is recognized too."""


def assembly_named(name: str) -> Assembly | None:
    """Find an assembly by its name at UCSC; None where it is not known."""
    return next((one for one in _OF_LENGTH.values() if one.name == name), None)


def assembly_of(lengths_bp: Mapping[str, int]) -> Assembly | None:
    """Recognize the assembly of a genome by its chromosomes; None where it is not known."""
    cores = ((chrom.removeprefix("chr"), length) for chrom, length in lengths_bp.items())
    return next((_OF_LENGTH[core] for core in cores if core in _OF_LENGTH), None)
