"""Tables of a run's filters: a row per filter, per comparison with a database, or per TF.

`orchestrator.interpretation.run_motifs` says what the columns are.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.motifs.matches import MotifMatches
from data.motifs.pwm import consensus, information_bits
from model.interpretation.filter_motifs import FilterMotifs
from model.interpretation.importance import FilterImportance


def filter_table(
    motifs: FilterMotifs,
    matches: MotifMatches,
    importance: FilterImportance,
    tfs: Sequence[str],
) -> pd.DataFrame:
    """Make a row per filter: what it is, its best match, the TF that it is most important for."""
    table = best_matches(motifs, matches)
    most = importance.squared_change.argmax(axis=1)
    table["importance"] = importance.squared_change[np.arange(len(most)), most]
    table["most_important_for"] = [tfs[index] for index in most]
    return table


def best_matches(motifs: FilterMotifs, matches: MotifMatches) -> pd.DataFrame:
    """Make a row per filter: what it is, and its best match."""
    rows = []
    bits = information_bits(motifs.frequencies).sum(axis=1)
    for index, frequencies in enumerate(motifs.frequencies):
        best = matches.best(index)
        rows.append(
            {
                "filter": index,
                "state": matches.states[index].value,
                "consensus": consensus(frequencies),
                "information_bits": bits[index],
                "num_sites": motifs.num_subsequences[index],
                "num_regions": motifs.num_regions[index],
                "max_activation": motifs.max_activation[index],
                "match_id": None if best is None else best.motif.matrix_id,
                "match_name": None if best is None else best.motif.name,
                "p_value": np.nan if best is None else best.p_value,
                "q_value": np.nan if best is None else best.q_value,
                "overlap": None if best is None else best.overlap,
                "offset": None if best is None else best.offset,
                "orientation": None if best is None else best.orientation,
            }
        )
    return pd.DataFrame(rows).astype({"overlap": "Int64", "offset": "Int64"})


def match_table(matches: MotifMatches) -> pd.DataFrame:
    """Make a row per comparison."""
    targets, found = matches.database.motifs, matches.alignments
    num_filters, num_targets = found.p_values.shape
    columns = np.tile(np.arange(num_targets), num_filters)
    return pd.DataFrame(
        {
            "filter": np.repeat(matches.compared, num_targets),
            "matrix_id": np.array([motif.matrix_id for motif in targets])[columns],
            "name": np.array([motif.name for motif in targets])[columns],
            "p_value": found.p_values.ravel(),
            "q_value": matches.q_values.ravel(),
            "offset": found.offsets.ravel(),
            "overlap": found.overlaps.ravel(),
            "orientation": np.where(found.reverse.ravel(), "-", "+"),
        }
    )


def importance_table(importance: FilterImportance, tfs: Sequence[str]) -> pd.DataFrame:
    """Make a row per filter and TF."""
    num_filters = len(importance.squared_change)
    return pd.DataFrame(
        {
            "filter": np.repeat(np.arange(num_filters), len(tfs)),
            "tf": list(tfs) * num_filters,
            "squared_change": importance.squared_change.ravel(),
            "logit_change": importance.logit_change.ravel(),
        }
    )
