"""How the shipped table of binding modes is made: profiles compared by TOMTOM and clustered.

    python -m data.relations.mode_clustering [FILE]    # writes the shipped table again, in a minute

1. All profiles of JASPAR 2020 CORE, vertebrates, against each other by TOMTOM (`memelite`); of
   the two p-values of a pair, query and target swapped, the smaller.
2. Distance 1 - min(-log10 p, 10) / 10: 0 for the same, 1 for nothing in common.
3. Average linkage, cut at a distance of `CUT`.
4. A TF has the modes of all its profiles: its monomers, their variants, and the dimers that it is
   a half of, so that RXRA shares a mode with VDR. A mode is called by its number and its most
   central TF.

Departure from the paper: JASPAR's own matrix clusters are in no package. The cut was chosen so
that the nine relations known from the authors' scripts hold, and gives 65 modes for the paper's
163 TFs. A cut of 0.70 parts SP1 from EGR1.

Legend: M profiles, L base pairs.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.atomic import whole_file
from data.motifs.database import RELEASE, jaspar_motifs
from data.motifs.motif import Motif
from data.motifs.pwm import PSEUDOCOUNT
from data.motifs.tomtom import align
from data.relations.binding_modes import SHIPPED

CUT: Final = 0.72
"""Distance at which the tree of profiles is cut."""
MAX_LOG10: Final = 10.0
"""-log10 p at or above which two profiles count as the same."""


def tomtom_p_values(profiles: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Compare profiles by TOMTOM, on both strands; the smaller p-value of each pair.

    Parameters
    ----------
    profiles
        Base probabilities, each of shape (4, L).

    Returns
    -------
    P-values, shape (M, M), symmetric.
    """
    p_values = align(profiles, profiles).p_values
    return np.minimum(p_values, p_values.T)


def mode_distance(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances from symmetric p-values, shape (M, M): 1 - min(-log10 p, 10) / 10."""
    # a p-value of 0 is one below the smallest number
    log10 = -np.log10(np.maximum(p_values, np.finfo(np.float64).tiny))
    distance = 1 - np.clip(log10, 0, MAX_LOG10) / MAX_LOG10
    np.fill_diagonal(distance, 0)
    return distance


def cluster(distance: NDArray[np.float64], cut: float = CUT) -> NDArray[np.int64]:
    """Cluster by average linkage; the number of each profile's cluster, shape (M,)."""
    if len(distance) < 2:
        return np.ones(len(distance), dtype=np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distance, checks=False), "average")
    return fcluster(tree, cut, "distance").astype(np.int64)


def name_modes(
    tfs_of_profile: Sequence[Sequence[str]],
    clusters: NDArray[np.int64],
    distance: NDArray[np.float64],
) -> list[str]:
    """Name of each profile's mode: a number and its most central TF, as `017_ELK1`.

    Modes are numbered by their first TF in the alphabet, so that names do not depend on the
    numbers of the clustering.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(clusters.tolist()):
        members[number].append(row)
    ordered = sorted(members, key=lambda n: min((tfs_of_profile[i][0], i) for i in members[n]))
    names: dict[int, str] = {}
    for rank, number in enumerate(ordered, start=1):
        rows = members[number]
        central = rows[int(distance[np.ix_(rows, rows)].mean(axis=1).argmin())]
        names[number] = f"{rank:03d}_{tfs_of_profile[central][0]}"
    return [names[number] for number in clusters]


def compute_modes(
    motifs: Mapping[str, Iterable[Motif]], cut: float = CUT
) -> dict[str, dict[str, list[str]]]:
    """Modes of TFs from their motifs: TF -> mode -> identifiers of the profiles that give it."""
    profiles: dict[str, Motif] = {}
    tfs_of_profile: dict[str, list[str]] = defaultdict(list)
    for tf in sorted(motifs):
        for motif in motifs[tf]:
            profiles[motif.matrix_id] = motif
            tfs_of_profile[motif.matrix_id].append(tf)
    ids = sorted(profiles)
    distance = mode_distance(tomtom_p_values([profiles[i].probabilities for i in ids]))
    owners = [tfs_of_profile[i] for i in ids]
    modes = name_modes(owners, cluster(distance, cut), distance)
    found: dict[str, dict[str, list[str]]] = {tf: defaultdict(list) for tf in sorted(motifs)}
    for matrix_id, tfs, mode in zip(ids, owners, modes, strict=True):
        for tf in dict.fromkeys(tfs):  # a dimer of a TF with itself names it twice
            found[tf][mode].append(matrix_id)
    return found


def format_table(found: Mapping[str, Mapping[str, Sequence[str]]], note: str) -> str:
    """Text of a table of modes, with a note as comments above it."""
    lines = [f"# {line}" for line in note.splitlines()]
    lines.append("tf\tmode\tprofiles")
    for tf in sorted(found):
        lines += [f"{tf}\t{mode}\t{','.join(found[tf][mode])}" for mode in sorted(found[tf])]
    return "\n".join(lines) + "\n"


def shipped_note(num_profiles: int) -> str:
    """The comments at the head of the shipped table."""
    return (
        "Binding modes of TFs, made by: python -m data.relations.mode_clustering\n"
        f"{RELEASE} CORE, vertebrates: {num_profiles} profiles, pseudocount {PSEUDOCOUNT}, names\n"
        "in upper case, variants and both halves of dimers under the TF's own name. TOMTOM by\n"
        f"memelite {version('memelite')}, the smaller of each pair's two p-values; distance\n"
        f"1 - min(-log10 p, {MAX_LOG10:g}) / {MAX_LOG10:g}; average linkage, cut at {CUT}.\n"
        "profiles: those of the TF that are in the mode. Only tf and mode are read."
    )


def main() -> None:
    """Compute the table again and write it to the shipped place, or to the file named."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    motifs = jaspar_motifs()
    num_profiles = len({motif.matrix_id for found in motifs.values() for motif in found})
    text = format_table(compute_modes(motifs), shipped_note(num_profiles))
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"{path}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
