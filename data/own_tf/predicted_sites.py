"""Sites of a TF predicted in its peaks by its motif, where there are no sites to read.

As in UniBind's PWM model (Gheorghe et al. 2019, Nucleic Acids Research 47:e21): one site a
peak, the best hit of the motif, both strands. First the bases around the summit are scanned; only
where no hit there is rare enough, the whole peak.

Departure: UniBind finds the least score and the greatest distance from the summit by the entropy of
all peaks' hits, here a hit counts if one as good is rare at a random place (:class:`SiteRule`).
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.motifs.blocks import OnRemark, ignore
from data.motifs.database import (
    DEFAULT,
    Jaspar,
    MotifDatabase,
    file_database,
    jaspar_matrices,
    jaspar_matrix,
    jaspar_motifs,
)
from data.motifs.motif import Motif
from data.motifs.scan import scan, score_tail
from data.near_names import near_names, symbol_of
from data.packing import UNKNOWN
from data.peaks.reading import Peaks
from data.schema import REGION_WIDTH_BP
from data.sources.genome import Bases

_BASES_AT_ONCE: Final = 50_000_000
"""Bases held while scanning: bounds the memory."""


_MATRIX_ID: Final = re.compile(r"[A-Z]{2}\d{4}(\.\d+)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class SiteRule:
    """Which hits of a motif count as sites.

    Raises
    ------
    ValueError
        A field is out of its range.
    """

    p_value: float = 1e-3
    """Largest chance at which a random place scores as high. Of 1e-3 to 3e-5, 1e-3 recovered
    UniBind's sites best (benchmarks/RESULTS.md)."""
    flank_bp: int = 50
    """Bases on either side of the summit that are scanned first."""

    def __post_init__(self) -> None:
        if not 0 < self.p_value < 1:
            raise ValueError(f"p_value is {self.p_value}; give a number between 0 and 1")
        if self.flank_bp < 0:
            raise ValueError(f"flank_bp is {self.flank_bp}; give 0 or more")


@dataclass(frozen=True, kw_only=True)
class PredictedSites:
    """Sites, at most one a peak; K of them."""

    peak: NDArray[np.int64]
    """Index of the peak of each, ascending, shape (K,)."""
    start: NDArray[np.int32]
    """First base, shape (K,)."""
    length_bp: int
    """Width of the motif, and so of each site."""


def find_motif(
    tf: str, given: str | None = None, on_remark: OnRemark = ignore, jaspar: Jaspar = DEFAULT
) -> Motif:
    """Find the motif of a TF in JASPAR, or the one that a user names.

    Parameters
    ----------
    given
        A matrix of JASPAR, such as MA0080.5; or a file of `data.motifs.files` with one motif, or
        one of the TF's; or `FILE#NAME`, a motif of a file by its identifier or its TF. None takes
        the TF's own, its plain monomer first.
    on_remark
        Called with which motifs of a file are left out or numbered.
    jaspar
        The part of JASPAR in which the TF's own motif is looked for. A matrix that is named is of
        the same release where it has it, and of any taxon.

    Raises
    ------
    DataError
        If there is none, or it is wider than a region.
    """
    if given is None:
        found = jaspar_motifs(jaspar).get(tf.upper())
        if found is None:
            raise DataError(
                f"{without_motif(tf, jaspar)} to predict sites, give sites by --sites, or call "
                "regions bound by peaks alone: --no-sites"
            )
        return found[0]
    if _MATRIX_ID.fullmatch(given) and not Path(given).is_file():
        return _matrix(given, jaspar)
    file, _, name = given.rpartition("#")
    if file and name and not Path(given).is_file():
        return usable_width(_motif_named(file_database(Path(file), on_remark), name, tf), file)
    if not Path(given).exists() and (own := _named_as_tf(given, jaspar)) is not None:
        raise DataError(
            f"{given}: no such file, and no matrix; the motif of {own.tf} is --motif "
            f"{own.matrix_id}"
        )
    return usable_width(_only_motif(file_database(Path(given), on_remark), tf), given)


def usable_width(motif: Motif, source: str) -> Motif:
    """Give a motif back that fits into a region.

    Parameters
    ----------
    source
        What it is of, for the message.

    Raises
    ------
    DataError
        If it is wider than the sequences that a model reads.
    """
    if motif.length_bp > REGION_WIDTH_BP:
        raise DataError(
            f"{source}: motif {motif.matrix_id} has {motif.length_bp:,} positions, and sequences "
            f"have {REGION_WIDTH_BP} bp; name another motif"
        )
    return motif


def without_motif(tf: str, jaspar: Jaspar) -> str:
    """Say that JASPAR has no motif of a TF, and which one to name instead."""
    symbol = symbol_of(tf)
    alias = "" if symbol is None else f" (an alias of {symbol})"
    own = _named_as_tf(tf, jaspar)
    such = "" if own is None else f", such as {own.matrix_id} of {own.tf},"
    return f"{jaspar.name} has no motif of {tf!r}{alias}; name one by --motif{such}"


def _named_as_tf(name: str, jaspar: Jaspar) -> Motif | None:
    """Give JASPAR's motif of a TF by its symbol or an alias of it; None where it has none."""
    motifs = jaspar_motifs(jaspar)
    found = motifs.get(name.upper()) or motifs.get((symbol_of(name) or "").upper())
    return found[0] if found else None


def predict_sites(
    peaks: Peaks,
    rows: NDArray[np.int64],
    genome: Bases,
    motif: Motif,
    rule: SiteRule | None = None,
) -> PredictedSites:
    """Predict at most one site in each of some peaks.

    Parameters
    ----------
    rows
        Which peaks. Those on a chromosome that the genome lacks have no site.
    """
    rule = rule or SiteRule()
    least = score_tail(motif).score_at(rule.p_value)
    found = np.full(len(peaks), -1, dtype=np.int32)
    lengths = np.array([genome.lengths_bp.get(name, 0) for name in peaks.chrom_names])
    rows = rows[lengths[rows] >= motif.length_bp]
    near = (peaks.summit - rule.flank_bp, peaks.summit + rule.flank_bp + 1)
    for start, end in (near, (peaks.start, peaks.end)):
        # rounded up, so that peaks of any width are scanned in a few passes
        width = np.maximum(end - start, motif.length_bp)
        rounded = np.minimum(1 << np.ceil(np.log2(width)).astype(np.int64), lengths)
        open_rows = rows[found[rows] < 0]
        for size in np.unique(rounded[open_rows]).tolist():
            same = open_rows[rounded[open_rows] == size]
            at_once = max(_BASES_AT_ONCE // size, 1)
            for first in range(0, len(same), at_once):
                part = same[first : first + at_once]
                origin = np.clip(start[part], 0, lengths[part] - size).astype(np.int32)
                codes = genome.sequences(peaks.chrom_names[part], origin, size)
                place = origin[:, None] + np.arange(size, dtype=np.int32)
                outside = (place < start[part, None]) | (place >= end[part, None])
                codes[outside] = UNKNOWN
                hits = scan(codes, motif).hits
                good = hits.score >= least
                found[part[good]] = (origin + hits.start)[good]
    peak = np.flatnonzero(found >= 0)
    return PredictedSites(peak=peak, start=found[peak], length_bp=motif.length_bp)


def _matrix(matrix_id: str, jaspar: Jaspar) -> Motif:
    motif = jaspar_matrix(matrix_id, jaspar.release)
    if motif is None:
        known = [motif.matrix_id for motif in jaspar_matrices(jaspar)]
        near = near_names(matrix_id, known)
        hint = f"near: {', '.join(near)}" if near else "give one such as MA0080.5, or a file"
        raise DataError(f"no matrix {matrix_id!r} in JASPAR; {hint}")
    return motif


def _only_motif(database: MotifDatabase, tf: str) -> Motif:
    """Give the one motif of a file, or the one of the TF."""
    motifs = database.motifs
    if len(motifs) > 1:
        motifs = tuple(motifs[row] for row in database.rows_of(tf))
    if len(motifs) != 1:
        raise DataError(
            f"{database.name}: {len(motifs)} of its {len(database)} motifs are of {tf}; "
            f"name one, such as '{database.name}#{database.motifs[0].matrix_id}'"
        )
    return replace(motifs[0], tf=tf.upper())


def _motif_named(database: MotifDatabase, name: str, tf: str) -> Motif:
    """Give the motif of a file that has a name: its identifier, else that of its TF."""
    wanted = name.upper()
    by_id = [motif for motif in database.motifs if motif.matrix_id == name] or [
        motif for motif in database.motifs if motif.matrix_id.upper() == wanted
    ]
    found = by_id or [database.motifs[row] for row in database.rows_of(name)]
    if len(found) == 1:
        return replace(found[0], tf=tf.upper())
    if found:
        several = ", ".join(motif.matrix_id for motif in found[:5])
        raise DataError(
            f"{database.name}: {len(found)} motifs are named {name}: {several}; name one"
        )
    known = [motif.matrix_id for motif in database.motifs]
    near = near_names(name, dict.fromkeys([*known, *(motif.name for motif in database.motifs)]))
    hint = f"near: {', '.join(near)}" if near else f"there are: {', '.join(known[:5])}"
    raise DataError(f"{database.name}: no motif named {name!r}; {hint}")
