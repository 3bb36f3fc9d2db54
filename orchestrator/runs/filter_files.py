"""Filters as files: what activates each filter of a layer, as JSON and as MEME motifs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from data.motifs.meme import write_meme
from data.motifs.motif import Motif
from data.motifs.pwm import consensus
from model.interpretation.filters import FilterMotifs
from orchestrator.errors import RunError

FILTERS_FILE: Final = "filters.json"
MEME_FILE: Final = "filters.meme"


def filter_name(index: int) -> str:
    """Name of a filter in files; filters are numbered from 0, as in the authors' files."""
    return f"filter{index}"


def write_filters(folder: Path, motifs: FilterMotifs, info: Mapping[str, Any]) -> None:
    """Write filters.json, which has `info` and all counts, and filters.meme.

    The MEME file has the filters that are activated somewhere.
    """
    records = [
        {
            "filter": index,
            "num_sites": int(motifs.num_subsequences[index]),
            "num_regions": int(motifs.num_regions[index]),
            "max_activation": float(motifs.max_activation[index]),
            "counts": counts.tolist(),
        }
        for index, counts in enumerate(motifs.counts)
    ]
    content = {
        **info,
        "layer": motifs.layer,
        "num_correct": motifs.num_scanned,
        "background": motifs.background.tolist(),
        "filters": records,
    }
    (folder / FILTERS_FILE).write_text(json.dumps(content) + "\n")
    write_meme(
        folder / MEME_FILE,
        [
            Motif(
                tf="",
                matrix_id=filter_name(index),
                name=consensus(motifs.frequencies[index]),
                probabilities=motifs.frequencies[index],
                num_sites=int(motifs.num_subsequences[index]),
            )
            for index in np.flatnonzero(motifs.num_subsequences).tolist()
        ],
        motifs.background,
    )


def read_filters(content: Mapping[str, Any]) -> FilterMotifs:
    """Make filters of the content of filters.json, as :func:`write_filters` wrote it."""
    filters: Sequence[Mapping[str, Any]] = content["filters"]
    return FilterMotifs(
        layer=content["layer"],
        counts=np.array([record["counts"] for record in filters], dtype=np.int64),
        num_subsequences=np.array([record["num_sites"] for record in filters], dtype=np.int64),
        num_regions=np.array([record["num_regions"] for record in filters], dtype=np.int64),
        max_activation=np.array([record["max_activation"] for record in filters]),
        background=np.array(content["background"]),
        num_scanned=content["num_correct"],
    )


def stored_filters(folder: Path) -> FilterMotifs:
    """Read the filters.json of a folder.

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    path = folder / FILTERS_FILE
    try:
        return read_filters(json.loads(path.read_text()))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: damaged ({error}); remove {folder} and run again") from None
