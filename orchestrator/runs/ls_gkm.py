"""LS-GKM, a gapped k-mer support vector machine (Lee 2016, doi 10.1093/bioinformatics/btw142).

Its programs `gkmtrain` and `gkmpredict` are under the GPL and do not come with bindgrid: they are
used, with their own settings, where they are on the path.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.packing import unpack
from data.temporary import temporary_folder
from orchestrator.errors import RunError
from orchestrator.spec import Rival

PROGRAMS: Final = ("gkmtrain", "gkmpredict")
_BASES: Final = np.frombuffer(b"ACGT", dtype=np.uint8)


def has_ls_gkm() -> bool:
    """Whether LS-GKM's programs are on the path."""
    return all(shutil.which(program) for program in PROGRAMS)


def rivals_at_hand() -> tuple[Rival, ...]:
    """Give all rivals; LS-GKM takes the place of the gapped k-mers where it is on the path."""
    gapped = Rival.LS_GKM if has_ls_gkm() else Rival.GKM_SVM
    return Rival.ALL_MOTIFS, gapped, Rival.K_MERS, Rival.OPENNESS


def ls_gkm_probabilities(
    sequences: NDArray[np.uint8], bound: NDArray[np.bool_], others: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Let LS-GKM learn from some regions and score others, as probabilities, shape (m,).

    They rise with its score and are 0.5 where it is 0; they are not calibrated.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    bound
        Labels, shape (n,).
    others
        Packed bases of the others, shape (m, L / 4).

    Raises
    ------
    RunError
        If a program is not on the path, or fails.
    """
    with temporary_folder("ls-gkm") as folder:
        _write(folder / "bound.fa", sequences[bound])
        _write(folder / "unbound.fa", sequences[~bound])
        _write(folder / "others.fa", others)
        _run("gkmtrain", "bound.fa", "unbound.fa", "learnt", folder=folder)
        _run("gkmpredict", "others.fa", "learnt.model.txt", "scores.txt", folder=folder)
        lines = (folder / "scores.txt").read_text().splitlines()
    scores = np.array([float(line.split("\t")[1]) for line in lines])
    if len(scores) != len(others):
        raise RunError(f"gkmpredict scored {len(scores)} of {len(others)} sequences")
    found: NDArray[np.float64] = 1 / (1 + np.exp(-scores))
    return found


def _write(path: Path, sequences: NDArray[np.uint8]) -> None:
    """Write sequences as FASTA, named by their numbers."""
    letters = _BASES[unpack(sequences)]
    path.write_text(
        "".join(f">{i}\n{own.tobytes().decode('ascii')}\n" for i, own in enumerate(letters))
    )


def _run(program: str, *words: str, folder: Path) -> None:
    try:
        done = subprocess.run(
            [program, *words], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise RunError(f"{program} of LS-GKM cannot be run ({error.strerror})") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise RunError(f"{program} of LS-GKM failed: {''.join(last) or done.returncode}")
