"""Motifs to compare with: a release of JASPAR, or a file in MEME's format.

JASPAR is the CORE collection, vertebrates, which `pyjaspar` ships offline. 2020 is asked for by
name because later releases lack a human SPI1, ERG, YY1 and GATA3.

Names of TFs are upper-cased; a variant (`JUND(var.2)`) is a motif of its TF, a dimer (`MAX::MYC`)
one of both.
"""

import hashlib
import re
import warnings
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyjaspar
from numpy.typing import NDArray

from data.errors import DataError
from data.motifs.meme import read_meme
from data.motifs.motif import Motif

RELEASE: Final = "JASPAR2020"
PSEUDOCOUNT: Final = 0.25
"""Added to every count, so that no base is impossible."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """A motif of a database."""

    matrix_id: str
    """Identifier with version, such as MA0491.2."""
    name: str
    """As the database has it, such as `JUND` or `MAX::MYC`."""
    probabilities: NDArray[np.float64]
    """Base probabilities, shape (4, L), rows A C G T, columns sum to one."""

    @cached_property
    def tfs(self) -> tuple[str, ...]:
        """TFs that it is a motif of."""
        return tf_names(self.name)

    @property
    def is_variant(self) -> bool:
        """It is a second motif of its TF."""
        return "(VAR." in self.name.upper()


@dataclass(frozen=True, kw_only=True, eq=False)
class MotifDatabase:
    """Motifs to compare with."""

    name: str
    """What it is, for people."""
    slug: str
    """Part of a folder's name; another one for other motifs."""
    profiles: tuple[Profile, ...]

    def __len__(self) -> int:
        return len(self.profiles)

    def rows_of(self, tf: str) -> NDArray[np.intp]:
        """Which profiles are of a TF, or of a dimer with it."""
        wanted = tf.upper()
        return np.flatnonzero([wanted in profile.tfs for profile in self.profiles])


def tf_names(name: str) -> tuple[str, ...]:
    """Names of the TFs of a motif: `Jund(var.2)` is JUND, `MAX::MYC` is MAX and MYC."""
    return tuple(re.sub(r"\(VAR\.\d+\)", "", name.upper()).split("::"))


@cache
def jaspar_profiles(release: str = RELEASE) -> tuple[Profile, ...]:
    """Vertebrate profiles of a JASPAR release, pseudocounts added, by identifier.

    Raises
    ------
    DataError
        If there is no such release.
    """
    if release not in pyjaspar.jaspar_releases:
        known = ", ".join(sorted(name.removeprefix("JASPAR") for name in pyjaspar.jaspar_releases))
        raise DataError(f"no JASPAR release {release.removeprefix('JASPAR')!r}; there are: {known}")
    entries = pyjaspar.jaspardb(release=release).fetch_motifs(
        collection="CORE", tax_group=["vertebrates"]
    )
    return tuple(sorted(map(_profile, entries), key=lambda profile: profile.matrix_id))


@cache
def jaspar_matrix(matrix_id: str) -> Profile | None:
    """Matrix of JASPAR 2020, or else of the newest release that has it; None if none has."""
    newest_first = sorted(pyjaspar.jaspar_releases, reverse=True)
    for release in dict.fromkeys((RELEASE, *newest_first)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that this release lacks it
            entry = pyjaspar.jaspardb(release=release).fetch_motif_by_id(matrix_id.upper())
        if entry is not None:
            return _profile(entry)
    return None


def _profile(entry: Any) -> Profile:
    """Profile of one of Biopython's motifs, pseudocounts added."""
    counts = np.array([entry.counts[base] for base in "ACGT"], dtype=np.float64) + PSEUDOCOUNT
    return Profile(
        matrix_id=entry.matrix_id,
        name=entry.name,
        probabilities=counts / counts.sum(axis=0),
    )


def jaspar_database(year: str = RELEASE.removeprefix("JASPAR")) -> MotifDatabase:
    """Vertebrate CORE profiles of a JASPAR release, named by its year.

    Raises
    ------
    DataError
        If there is no such release.
    """
    release = f"JASPAR{year.upper().removeprefix('JASPAR')}"
    return MotifDatabase(
        name=f"{release} CORE vertebrates",
        slug=release.lower(),
        profiles=jaspar_profiles(release),
    )


def meme_database(path: Path) -> MotifDatabase:
    """Motifs of a file in MEME's format; the second name, if there is one, is the TF's.

    A motif with one name belongs to the TF that this begins with: `SPI1_HUMAN.H11MO.0.A` to SPI1.

    Raises
    ------
    DataError
        If the file cannot be read, or an identifier stands twice.
    """
    profiles: dict[str, Profile] = {}
    for motif in read_meme(path):
        if motif.name in profiles:
            raise DataError(f"{path}: motif {motif.name} stands twice; give each its own name")
        profiles[motif.name] = Profile(
            matrix_id=motif.name,
            name=motif.alternate_name or re.split(r"[_.]", motif.name)[0],
            probabilities=motif.probabilities,
        )
    digest = hashlib.blake2b(digest_size=4)
    for profile in profiles.values():
        digest.update(f"{profile.matrix_id} {profile.name}".encode())
        digest.update(profile.probabilities.tobytes())
    return MotifDatabase(
        name=str(path),
        slug=f"{re.sub(r'[^A-Za-z0-9-]+', '-', path.stem).strip('-')}-{digest.hexdigest()}",
        profiles=tuple(profiles.values()),
    )


@cache
def jaspar_motifs() -> MappingProxyType[str, tuple[Motif, ...]]:
    """Every vertebrate motif by TF name, a TF's plain monomer first, then variants, then dimers."""
    ranked: dict[str, list[tuple[tuple[bool, bool, str], Motif]]] = {}
    for profile in jaspar_profiles():
        for tf in profile.tfs:
            motif = Motif(tf, profile.matrix_id, profile.probabilities)
            rank = (len(profile.tfs) > 1, profile.is_variant, profile.matrix_id)
            ranked.setdefault(tf, []).append((rank, motif))
    return MappingProxyType(
        {
            tf: tuple(motif for _, motif in sorted(found, key=lambda pair: pair[0]))
            for tf, found in sorted(ranked.items())
        }
    )
