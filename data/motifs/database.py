"""Motifs to compare with: a release of JASPAR, or a file of motifs.

JASPAR is its CORE collection, which `pyjaspar` ships offline: by default release 2020 and
vertebrates, since later releases lack a human SPI1, ERG, YY1 and GATA3.

Names of TFs are upper-cased; a variant (`JUND(var.2)`) is a motif of its TF, a dimer (`MAX::MYC`)
one of both.
"""

import hashlib
import re
import warnings
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyjaspar
from numpy.typing import NDArray

from data.errors import DataError
from data.motifs.blocks import OnRemark, ignore
from data.motifs.files import read_motifs
from data.motifs.motif import Motif, tf_names
from data.motifs.pwm import BASES, with_pseudocount
from data.near_names import near_names

RELEASE: Final = "JASPAR2020"
TAXA: Final = ("vertebrates", "plants", "insects", "nematodes", "fungi", "urochordates")
"""JASPAR's taxa, of which 2020 and later releases have motifs."""
_CIS_BP: Final = re.compile(r"\(([^()]+)\)_\(")
_TRANSFAC: Final = re.compile(r"[A-Z]\$([A-Z0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Jaspar:
    """Part of JASPAR: one taxon of the CORE collection of a release.

    Raises
    ------
    ValueError
        There is no such release or taxon.
    """

    year: str = RELEASE.removeprefix("JASPAR")
    """Year of the release, such as `2022`."""
    taxon: str = TAXA[0]

    def __post_init__(self) -> None:
        object.__setattr__(self, "year", self.year.upper().removeprefix("JASPAR"))
        object.__setattr__(self, "taxon", self.taxon.lower())
        if self.release not in pyjaspar.jaspar_releases:
            known = sorted(name.removeprefix("JASPAR") for name in pyjaspar.jaspar_releases)
            raise ValueError(f"no JASPAR release {self.year!r}; there are: {', '.join(known)}")
        if self.taxon not in TAXA:
            near = near_names(self.taxon, TAXA)
            hint = f"near: {', '.join(near)}" if near else f"there are: {', '.join(TAXA)}"
            raise ValueError(f"no taxon {self.taxon!r} in JASPAR; {hint}")

    @classmethod
    def called(cls, name: str) -> "Jaspar":
        """Give the part that :attr:`name` is of, as records have it; an empty one is the default.

        Raises
        ------
        DataError
            If the installed `pyjaspar` has no such part.
        """
        years = (release.removeprefix("JASPAR") for release in pyjaspar.jaspar_releases)
        parts = [cls(year=year, taxon=taxon) for year in years for taxon in TAXA]
        try:
            return {"": cls(), **{part.name: part for part in parts}}[name]
        except KeyError:
            raise DataError(f"no part of JASPAR is called {name!r}; update pyjaspar") from None

    @property
    def release(self) -> str:
        """Name of the release, such as `JASPAR2022`."""
        return f"JASPAR{self.year}"

    @property
    def name(self) -> str:
        """Name for people, such as `JASPAR2022 CORE plants`."""
        return f"{self.release} CORE {self.taxon}"

    @property
    def recorded(self) -> str:
        """What the manifest of a dataset has of it: its name; nothing for the default."""
        return "" if self == Jaspar() else self.name


DEFAULT: Final = Jaspar()
"""The paper's: release 2020, vertebrates."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MotifDatabase:
    """Motifs to compare with."""

    name: str
    """Name for people."""
    slug: str
    """Part of a folder's name; other motifs have another one."""
    motifs: tuple[Motif, ...]

    def __len__(self) -> int:
        return len(self.motifs)

    def rows_of(self, tf: str) -> NDArray[np.intp]:
        """Indices of the motifs of a TF, and of dimers with it."""
        wanted = tf.upper()
        return np.flatnonzero([wanted in motif.tfs for motif in self.motifs])


@cache
def jaspar_matrices(jaspar: Jaspar = DEFAULT) -> tuple[Motif, ...]:
    """Motifs of a part of JASPAR, pseudocounts added, by identifier."""
    entries = pyjaspar.jaspardb(release=jaspar.release).fetch_motifs(
        collection="CORE", tax_group=[jaspar.taxon]
    )
    motifs = (_motif(entry, jaspar.release) for entry in entries)
    return tuple(sorted(motifs, key=lambda motif: motif.matrix_id))


@cache
def jaspar_matrix(matrix_id: str, release: str = RELEASE) -> Motif | None:
    """Matrix of a release of JASPAR, or else of the newest one that has it; None if none has.

    Parameters
    ----------
    matrix_id
        Such as MA0080.5; without a version the newest one of the release.
    """
    newest_first = sorted(pyjaspar.jaspar_releases, reverse=True)
    for name in dict.fromkeys((release, *newest_first)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that this release lacks it
            entry = pyjaspar.jaspardb(release=name).fetch_motif_by_id(matrix_id.upper())
        if entry is not None:
            return _motif(entry, name)
    return None


def _motif(entry: Any, release: str) -> Motif:
    """Make a motif of one of Biopython's, pseudocounts added."""
    counts = np.array([entry.counts[base] for base in BASES], dtype=np.float64)
    return Motif(
        tf_names(entry.name)[0],
        entry.matrix_id,
        with_pseudocount(counts),
        name=entry.name,
        source=f"{release} {entry.collection} {entry.tax_group}",
    )


def jaspar_database(jaspar: Jaspar = DEFAULT) -> MotifDatabase:
    """Motifs of a part of JASPAR, to compare with."""
    taxon = "" if jaspar.taxon == DEFAULT.taxon else f"-{jaspar.taxon}"
    return MotifDatabase(
        name=jaspar.name,
        slug=f"{jaspar.release.lower()}{taxon}",
        motifs=jaspar_matrices(jaspar),
    )


def file_database(path: Path, on_remark: OnRemark = ignore) -> MotifDatabase:
    """Motifs of a file of any format in `data.motifs.files`, each with the TF that its name says.

    Parameters
    ----------
    on_remark
        Called with which motifs are left out or numbered.

    Raises
    ------
    DataError
        If the file cannot be read, or no motif in it can be used.
    """
    motifs = tuple(map(_named, read_motifs(path, on_remark)))
    digest = hashlib.blake2b(digest_size=4)
    for motif in motifs:
        digest.update(f"{motif.matrix_id} {motif.name}".encode())
        digest.update(motif.probabilities.tobytes())
    return MotifDatabase(
        name=str(path),
        slug=f"{re.sub(r'[^A-Za-z0-9-]+', '-', path.stem).strip('-')}-{digest.hexdigest()}",
        motifs=motifs,
    )


def _named(motif: Motif) -> Motif:
    """Give a motif of a file the name of its TF.

    `SPI1_HUMAN.H11MO.0.A` is a motif of SPI1, as are CIS-BP's `(Spi1)_(Homo_sapiens)_(DBD_1.00)`,
    HOMER's `SPI1(ETS)/ThioMac-PU.1-ChIP-Seq/Homer`, UniPROBE's `Spi1_primary` and TRANSFAC's
    `V$SPI1_01`.
    """
    name = motif.name
    if found := _CIS_BP.match(name):
        name = found[1]
    elif "/" in (name or motif.matrix_id):
        name = re.sub(r"\(.*", "", (name or motif.matrix_id).partition("/")[0])
    elif found := _TRANSFAC.match(name or motif.matrix_id):
        name = found[1]
    elif not name:
        name = re.split(r"[_.]", motif.matrix_id)[0]
    name = re.sub(r"_(primary|secondary)$", "", name)
    return replace(motif, name=name, tf=tf_names(name)[0])


@cache
def jaspar_motifs(jaspar: Jaspar = DEFAULT) -> MappingProxyType[str, tuple[Motif, ...]]:
    """Motifs of a part of JASPAR by TF, a TF's plain monomer first, then variants, then dimers."""
    ranked: dict[str, list[tuple[tuple[bool, bool, str], Motif]]] = {}
    for motif in jaspar_matrices(jaspar):
        for tf in motif.tfs:
            rank = (len(motif.tfs) > 1, motif.is_variant, motif.matrix_id)
            ranked.setdefault(tf, []).append((rank, replace(motif, tf=tf)))
    return MappingProxyType(
        {
            tf: tuple(motif for _, motif in sorted(found, key=lambda pair: pair[0]))
            for tf, found in sorted(ranked.items())
        }
    )
