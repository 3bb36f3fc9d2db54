"""TOMTOM (Gupta et al. 2007) by `memelite`, the one place that calls it.

It is compiled by numba: most of a minute at the first call on a machine, kept on disk from then on
(beside the package, or in the user's cache where that cannot be written to).

P-values are of the best alignment of a pair, both strands of the target considered, and depend on
which targets there are. A wide and vague target is near to any vague query: a near-uniform query's
best match in JASPAR 2020 is GMEB1, at p below 1e-4. Leaving out vague ends of queries or targets
makes it worse, since the null distribution comes from the targets' columns: dozens of filters with
shuffled columns then match.

Legend: M queries, K targets.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

FEW_TARGETS: Final = 50
"""With fewer targets p-values are unreliable, as MEME's own TOMTOM warns."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignments:
    """The best alignment of each pair, all of shape (M, K)."""

    p_values: NDArray[np.float64]
    """P-value of the alignment, corrected for the number of offsets and strands."""
    scores: NDArray[np.float64]
    """Binned score; the higher the better."""
    offsets: NDArray[np.int64]
    """Where in the target, as oriented, the query's first position lies; may be negative."""
    overlaps: NDArray[np.int64]
    """Positions that overlap."""
    reverse: NDArray[np.bool_]
    """The target's reverse complement fits better."""


def is_compiled() -> bool:
    """Whether numba keeps it compiled already, so that the first call is quick too."""
    package = find_spec("memelite")
    places = [Path(package.origin).parent / "__pycache__"] if package and package.origin else []
    places += [Path(os.environ.get("NUMBA_CACHE_DIR", Path.home() / ".cache" / "numba"))]
    return any(any(place.rglob("tomtom.*.nbi")) for place in places)


def align(
    queries: Sequence[NDArray[np.float64]], targets: Sequence[NDArray[np.float64]]
) -> Alignments:
    """Compare motifs with targets, on both strands.

    Parameters
    ----------
    queries, targets
        Base probabilities, each of shape (4, L).
    """
    if not queries or not targets:
        shape = (len(queries), len(targets))
        return Alignments(
            p_values=np.ones(shape),
            scores=np.zeros(shape),
            offsets=np.zeros(shape, dtype=np.int64),
            overlaps=np.zeros(shape, dtype=np.int64),
            reverse=np.zeros(shape, dtype=np.bool_),
        )
    # here, since it loads a compiler, and compiles for most of a minute on its first call
    from memelite import tomtom

    with warnings.catch_warnings():
        # warning of few targets is the caller's task; other warnings come from numba
        warnings.simplefilter("ignore")
        found = np.asarray(tomtom(list(queries), list(targets)), dtype=np.float64)
    p_values, scores, offsets, overlaps, strands = found
    return Alignments(
        p_values=np.clip(p_values, 0.0, 1.0),
        scores=scores,
        offsets=offsets.astype(np.int64),
        overlaps=overlaps.astype(np.int64),
        reverse=strands == 1,
    )


if __name__ == "__main__":  # compiles it, and keeps it compiled: part of `make setup`
    align([np.full((4, 8), 0.25)], [np.full((4, 8), 0.25)])
