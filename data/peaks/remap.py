"""Rows of one biosample in the files that ReMap offers for a TF.

"All" peaks are named `EXPERIMENT.TF.BIOSAMPLE`, a row for each experiment. Non-redundant peaks are
merged over experiments and named `TF:BIOSAMPLE,BIOSAMPLE`; one counts in each biosample that it
lists.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data.errors import DataError
from data.left_out import LeftOut
from data.near_names import folded, near_names
from data.peaks.formats import REMAP
from data.peaks.reading import Peaks
from data.rows.batch import NAME
from data.sources.row_names import remap_name
from data.words import counted


def of_biosample(peaks: Peaks, biosample: str, left_out: LeftOut) -> Peaks:
    """Give the peaks of a biosample; those of a file that names none are all of it.

    Case, hyphens, underscores and spaces of the biosample do not matter: ReMap's `K-562` is
    `K562`. A file of "all" peaks of one biosample alone is taken for the one that is asked for,
    with a remark where its name is another.

    Parameters
    ----------
    left_out
        Where the rows of other biosamples are noted.

    Raises
    ------
    DataError
        If the file has peaks of several TFs, or of several biosamples and none of this one.
    """
    if peaks.format != REMAP:
        return peaks
    path = peaks.rows.path
    codes, names = peaks.rows.text(NAME)
    told = [_told(name) for name in names]
    tfs = sorted({tf for tf, _ in told if tf})
    if len(tfs) > 1:
        raise DataError(
            f"{path}: peaks of {counted(len(tfs), 'TF')} ({_some(tfs)}); give the peaks of one TF"
        )
    listed = sorted({one for _, biosamples in told for one in biosamples})
    if not listed:  # a BED9 of another origin, whose names mean nothing here
        return peaks
    wanted = folded(biosample)
    counts = np.array([wanted in map(folded, biosamples) for _, biosamples in told])
    if not counts.any():
        if len(listed) == 1 and not any(map(_is_merged, names)):
            return replace(peaks, remark=f"its peaks are of {listed[0]}, taken for {biosample}")
        near = near_names(biosample, listed)
        hint = f"near: {', '.join(near)}" if near else f"there are: {_some(listed)}"
        raise DataError(
            f"{path}: no peak of the biosample {biosample!r}; name one of the file's by "
            f"--biosample; {hint}"
        )
    kept = counts[codes]
    left_out.add(path, peaks.rows.line[~kept], f"not of {biosample}")
    return peaks.taken(np.flatnonzero(kept))


def _told(name: str) -> tuple[str, tuple[str, ...]]:
    """TF and biosamples that a peak's name tells; empty where it does not."""
    if _is_merged(name):
        tf, _, biosamples = name.partition(":")
        return tf, tuple(one.strip() for one in biosamples.split(","))
    try:
        tf, biosample = remap_name(name)
    except ValueError:
        return "", ()
    return tf, (biosample,)


def _is_merged(name: str) -> bool:
    """Whether a name is that of a non-redundant peak."""
    return ":" in name.partition(".")[0]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
