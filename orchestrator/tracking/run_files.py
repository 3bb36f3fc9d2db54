"""The files that MLflow shows of a run: those of its folder, its curves, its filters as logos.

They are made for each run while others train, since that takes about 50 ms (benchmarks/RESULTS.md).
Weights and predictions stay in the run store.
"""

import shutil
from pathlib import Path
from typing import Final

from data.motifs.pwm import consensus
from orchestrator.interpretation.logos import LogoSheet, write_sheet_svg
from orchestrator.runs.filter_files import FILTERS_FILE, MEME_FILE, filter_name, stored_filters
from orchestrator.runs.motif_terms import MANY_MOTIFS_FILE, TERMS_FILE, TERMS_MEME_FILE
from orchestrator.runs.store import HISTORY_FILE, METRICS_FILE, RUN_FILE, StoredRun
from orchestrator.tracking.curves import write_curves

STORED: Final = (
    RUN_FILE,
    METRICS_FILE,
    HISTORY_FILE,
    MEME_FILE,
    FILTERS_FILE,
    TERMS_FILE,
    TERMS_MEME_FILE,
    MANY_MOTIFS_FILE,
)
"""Files of a run folder that are logged, if a run has them."""
LOGOS_FILE: Final = "logos.svg"


def write_run_files(run: StoredRun, name: str, folder: Path) -> None:
    """Write the artifacts of a run into a folder.

    Parameters
    ----------
    name
        Name of the run, for the heading of the logos.

    Raises
    ------
    RunError
        If a file of the run is damaged.
    """
    for file in STORED:
        if (run.path / file).exists():
            shutil.copyfile(run.path / file, folder / file)
    write_curves(run, folder)
    if (run.path / FILTERS_FILE).exists():
        motifs = stored_filters(run.path)
        titles = [
            f"{filter_name(index)}: {consensus(pwm)}" if sites else f"{filter_name(index)}: no site"
            for index, (pwm, sites) in enumerate(
                zip(motifs.frequencies, motifs.num_subsequences, strict=True)
            )
        ]
        heading = f"{name}: filters"
        sheet = LogoSheet(frequencies=motifs.frequencies, titles=titles, heading=heading)
        write_sheet_svg(folder / LOGOS_FILE, sheet)
