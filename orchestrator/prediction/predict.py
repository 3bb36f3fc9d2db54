"""Predictions of regions and variants, batch by batch, to a file that is written atomically.

The file's ending decides the format (`orchestrator.prediction.writers`). A sequence with a base
other than A, C, G and T has no prediction: null in Parquet, `NA` in text, no value in a bigWig,
left out of BED. The same holds for a variant that cannot be predicted; its row says why.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.motifs.motif import Motif
from data.packing import pack
from data.queries.touched_motif import touched_motif
from data.queries.variants import VariantBatch
from data.queries.windows import Windows
from model.calibration import openness
from model.device import one_thread
from model.ensemble import Member, Prediction, predict_ensemble
from orchestrator.prediction.variant_null import VariantNull
from orchestrator.prediction.writers import Writer

_AT_ONCE: Final = 10_000
"""Sequences predicted between two reports of progress."""
OnPredicted = Callable[[int], None]
"""Called with the number of sequences or variants that were predicted since the last call."""
OpenIn = Callable[[Windows, slice], NDArray[np.int64]]
"""Gives the number of biosamples in which some of the windows are open, shape (n,)."""


@dataclass(frozen=True)
class Counts:
    """How many sequences or variants were given, and how many of them not predicted."""

    num: int
    num_unknown: int
    """Those without a prediction: sequences with a base other than A, C, G and T, or variants that
    have a reason."""
    num_nan: int = 0
    """Those beside them for which the model gave no number."""


def predict_codes(
    members: Sequence[Member],
    codes: NDArray[np.uint8],
    usable: NDArray[np.bool_],
    opened: NDArray[np.float32] | None = None,
) -> Prediction:
    """Predict some of n sequences; the values of the others are NaN.

    Parameters
    ----------
    members
        The networks.
    codes
        Base codes, shape (n, L).
    usable
        Which sequences to predict, shape (n,); these have no unknown base.
    opened
        Openness of each, shape (n,); None where it does not count.
    """
    of_usable = None if opened is None else opened[usable]
    found = predict_ensemble(members, pack(codes[usable]), of_usable)
    filled = []
    for values in (found.probability, found.spread, found.logit):
        column = np.full(len(codes), np.nan, dtype=np.float32)
        column[usable] = values
        filled.append(column)
    return Prediction(probability=filled[0], spread=filled[1], logit=filled[2])


def predict_windows(
    members: Sequence[Member],
    batches: Iterable[Windows],
    writer: Writer,
    on_predicted: OnPredicted = lambda num: None,
    open_in: OpenIn | None = None,
) -> Counts:
    """Predict windows by all networks of an ensemble, and write them as they come.

    Parameters
    ----------
    open_in
        How open the windows are, where that counts and is written too; by default it does not.
    """

    def table(windows: Windows, part: slice) -> pd.DataFrame:
        number = None if open_in is None else open_in(windows, part)
        opened = None if number is None else openness(number)
        found = predict_codes(members, windows.codes[part], windows.known[part], opened)
        written = _window_table(windows, part, found)
        return written if number is None else written.assign(open_in=number)

    return write_predictions(batches, writer, table, on_predicted)


def write_predictions(
    batches: Iterable[Windows],
    writer: Writer,
    table: Callable[[Windows, slice], pd.DataFrame],
    on_predicted: OnPredicted = lambda num: None,
) -> Counts:
    """Write what is predicted of windows as they come, on one thread.

    Parameters
    ----------
    batches
        The windows.
    writer
        Takes the tables.
    table
        Predicts a part of the windows that it is given, and gives a row for each.
    on_predicted
        Called with the number of windows predicted since the last call; by default nothing is.
    """
    num = num_unknown = num_nan = 0
    with one_thread():
        for windows in batches:
            for first in range(0, len(windows.codes), _AT_ONCE):
                part = slice(first, first + _AT_ONCE)
                known = windows.known[part]
                predicted = table(windows, part)
                writer.write(predicted)
                numbers = [name for name in predicted if predicted[name].dtype.kind == "f"]
                is_nan = predicted[numbers].isna().any(axis=1).to_numpy()
                num += len(known)
                num_unknown += int((~known).sum())
                num_nan += int((is_nan & known).sum())
                on_predicted(len(known))
    return Counts(num, num_unknown, num_nan)


def predict_variants(
    members: Sequence[Member],
    batches: Iterable[VariantBatch],
    writer: Writer,
    motif: Motif | None,
    on_predicted: OnPredicted = lambda num: None,
    null: VariantNull | None = None,
) -> Counts:
    """Predict both alleles of variants and write them as they come.

    Parameters
    ----------
    motif
        The motif in which the positions that variants touch are reported; None reports none.
    null
        What effects are compared with; by default they are not.
    """
    num = num_unknown = num_nan = 0
    with one_thread():
        for batch in batches:
            usable = batch.usable
            reference, alternative = (
                predict_codes(members, codes, usable)
                for codes in (batch.reference, batch.alternative)
            )
            table = _variant_table(batch, reference, alternative, motif)
            if null is not None:
                table = table.assign(**null.columns(batch, reference, alternative))
            writer.write(table)
            num += len(usable)
            num_unknown += int((~usable).sum())
            is_nan = np.isnan(reference.probability) | np.isnan(alternative.probability)
            num_nan += int((is_nan & usable).sum())
            on_predicted(len(usable))
    return Counts(num, num_unknown, num_nan)


def places_of(windows: Windows, part: slice) -> dict[str, object]:
    """Columns that identify the windows: places, if they have any, and names."""
    columns: dict[str, object] = {}
    if windows.chrom is not None and windows.start is not None and windows.end is not None:
        columns = {
            "chrom": windows.chrom[part],
            "start": windows.start[part],
            "end": windows.end[part],
        }
    return columns | {"name": windows.name[part]}


def _window_table(windows: Windows, part: slice, found: Prediction) -> pd.DataFrame:
    values = {"probability": found.probability, "spread": found.spread}
    return pd.DataFrame(places_of(windows, part) | values)


def _variant_table(
    batch: VariantBatch, reference: Prediction, alternative: Prediction, motif: Motif | None
) -> pd.DataFrame:
    variants = batch.variants
    matches = pd.array(batch.reference_matches, dtype="boolean")
    columns: dict[str, object] = {
        "chrom": [variant.chrom for variant in variants],
        "position": [variant.position + 1 for variant in variants],
        "id": [variant.name for variant in variants],
        "ref": [variant.reference for variant in variants],
        "alt": [variant.alternative for variant in variants],
        "filter": [variant.filter for variant in variants],
        "ref_matches": matches,
        # unknown too where the reference allele was not compared
        "swapped": pd.arrays.BooleanArray(batch.swapped, matches.isna()),
        "ref_probability": reference.probability,
        "alt_probability": alternative.probability,
        "effect": alternative.probability - reference.probability,
        "logit_effect": alternative.logit - reference.logit,
        "spread": np.maximum(reference.spread, alternative.spread),
    }
    if motif is not None:
        hit = touched_motif(batch, motif)
        spans = [
            f"{first}-{last}{'-' if reverse else '+'}" if touched else ""
            for first, last, reverse, touched in zip(
                hit.first, hit.last, hit.reverse, hit.touched, strict=True
            )
        ]
        known = hit.touched & np.isfinite(hit.reference_bits) & np.isfinite(hit.alternative_bits)
        change = np.full(len(variants), np.nan, dtype=np.float32)
        change[known] = hit.alternative_bits[known] - hit.reference_bits[known]
        columns |= {
            "motif": np.where(hit.touched, motif.matrix_id, ""),
            "motif_positions": spans,
            "motif_bits_change": change,
        }
    return pd.DataFrame(columns | {"reason": batch.reason})
