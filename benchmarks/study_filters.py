"""What the filters of a study's networks resemble, from the filters.json of its runs alone.

    python -m benchmarks.study_filters WORKSPACE --out filters.csv [--base FOLDER] [--read-on KEY]

Runs keep what activates the filters of their first layer on the test regions that they predict
correctly, so most needs no weights. Filters are compared with JASPAR 2020 CORE vertebrates by the
rule of the report, and the table has a row for each network:

- of multi-models: `rows`, what they were trained on, `complete` rows or every `resolved` label;
  `epochs` at most, and which one was kept (`keep`). `--read-on` adds a row for each multi-model
  whose weights are there, and for the base, with all test regions of that run read, right or wrong;
  `read_on` is its key, empty where a network's own regions were read.
- `num_compared`: filters with a motif that can be compared; `matched_*`: those whose best match has
  a q-value below 0.01, 0.05, 0.1 and 0.5; `shuffled_*`: the same with the positions of each filter
  shuffled, which is what chance gives. `shuffled_*` is counted for multi-models only.
- of networks on one TF that JASPAR has a motif of: `target_like`, filters with a q-value below 0.05
  to it; `target_share`, the mean over filters of the share of JASPAR's profiles that fit less well
  than the target's (0.5 for a profile at random; of several profiles their median); and, after
  transfer, `share_before` of the same filters in the multi-model, `others_change`, the mean change
  of that share for the motifs of all other TFs of the study, `moved`, the median distance between
  the motifs of a filter before and after, `matched_before` and `target_like_before`;
  `same_regions_*`: what the multi-model's filters resemble where they are read on the very regions
  that the fine-tuned ones are read on, which takes the multi-model's weights.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.machine import Row, describe, table
from data.dataset.selection import Part
from data.motifs.database import MotifDatabase, jaspar_database
from data.motifs.files import read_motifs
from data.motifs.matches import ALPHA, MotifMatches, match_filters
from data.motifs.pwm import pwm_distance
from model.checkpoint import WEIGHTS_FILE, load
from model.interpretation.filters import count_subsequences
from model.metrics import THRESHOLD
from orchestrator.plan import PlannedRun
from orchestrator.runs.filter_files import FILTERS_FILE, MEME_FILE, stored_filters
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import PREDICTIONS_FILE, RunStore
from orchestrator.workspace import Workspace

LEVELS: Final = (0.01, ALPHA, 0.1, 0.5)
"""Q-values below which matches are counted."""
Profiles = Mapping[str, NDArray[np.intp]]
"""Columns of JASPAR's profiles of each TF."""
FACTS: Final = (
    *("key", "experiment", "arm", "tf", "set", "with_target", "group", "replicate"),
    *("num_tfs", "rows", "epochs", "keep", "read_on", "num_regions", "num_compared"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """The filters of a network beside JASPAR."""

    counts: NDArray[np.int64]
    """Activating subsequences by filter, base and position, shape (F, 4, W)."""
    matches: MotifMatches
    num_regions: int = 0
    """Regions that were read."""

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Base frequencies, shape (F, 4, W)."""
        return self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)

    def counted(self, name: str = "matched") -> dict[str, int]:
        """Count the filters that match a motif, by q-value."""
        return {f"{name}_{level:g}": self.matches.num_matched(level) for level in LEVELS}

    def target_like(self, columns: NDArray[np.intp]) -> int:
        """Count the filters that resemble some profiles."""
        best = self.matches.q_values[:, columns].min(axis=1, initial=1.0)
        return int((best < ALPHA).sum())

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of all profiles that fit a filter less well than each one does, shape (F, K).

        NaN for a filter that was not compared.
        """
        p_values = self.matches.alignments.p_values
        shares = np.full((len(self.counts), p_values.shape[1]), np.nan)
        shares[self.matches.compared] = (rankdata(-p_values, axis=1) - 1) / (len(p_values.T) - 1)
        return shares


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()
    database = jaspar_database()
    store = RunStore(Workspace(options.workspace))
    planned = {run.key: run.planned for run in store.completed()}
    networks = {key for key, one in planned.items() if one.spec.training is not None}
    rows: list[dict[str, Any]] = []
    multis: dict[str, Network] = {}
    targets = sorted({planned[key].role.tf for key in networks} - {""})
    profiles = {tf: found for tf in targets if len(found := database.rows_of(tf))}
    for key in sorted(networks, key=lambda key: (planned[key].role.arm != "multi", key)):
        folder = store.open(key).path
        if not (folder / FILTERS_FILE).is_file():  # no test region was predicted correctly
            continue
        filters = stored_filters(folder)
        matches = match_filters(filters.counts, database)
        network = Network(counts=filters.counts, matches=matches, num_regions=filters.num_scanned)
        if planned[key].role.arm == "multi":
            multis[key] = network
        row = _row(key, planned[key], network, profiles, multis)
        if "share_before" in row:
            row |= _on_same_regions(store, key, profiles[planned[key].role.tf], database)
        rows.append(row)
    if options.base is not None:
        rows.append(_base_row(options.base, database))
    if options.read_on is not None:
        rows += _read_on(store, options.read_on, rows, options.base, database)
    made = pd.DataFrame(rows)
    made.to_csv(options.out, index=False, float_format="%.4f")
    print(machine)
    by_arm = made.groupby("arm")[["matched_0.05", "num_compared"]].agg(["size", "mean"])
    told: list[Row] = [
        (
            str(arm),
            f"{row['num_compared', 'size']:.0f}",
            f"{row['num_compared', 'mean']:.1f}",
            f"{row['matched_0.05', 'mean']:.1f}",
        )
        for arm, row in by_arm.iterrows()
    ]
    print(table(("arm", "networks", "filters compared", "that match"), told))
    return told


def _row(
    key: str,
    planned: PlannedRun,
    network: Network,
    profiles: Profiles,
    multis: dict[str, Network],
) -> dict[str, Any]:
    role, spec = planned.role, planned.spec
    tags = planned.tags()
    is_multi, training = role.arm == "multi", spec.training
    how = (spec.regions.rows, training.max_epochs, training.keep) if training else ("", "", "")
    values = (
        *(key, tags["experiment"], role.arm, role.tf or role.target, role.set_kind.value),
        *(role.with_target, tags["group"], role.replicate, len(spec.regions.tfs)),
        *(how if is_multi else ("", "", "")),
        *("", network.num_regions, len(network.matches.compared)),
    )
    row = dict(zip(FACTS, values, strict=True)) | network.counted()
    if is_multi:
        return row | _by_chance(network.counts, network.matches.database)
    columns = profiles.get(role.tf)
    if columns is None:
        return row
    row |= {
        "target_like": network.target_like(columns),
        "target_share": _share(network.shares, columns),
    }
    start = spec.start_run
    before = None if start is None else multis.get(start.key)
    if before is None:
        return row
    both = ~np.isnan(network.shares + before.shares).all(axis=1)
    earlier, later = before.shares[both], network.shares[both]
    others = [rows for tf, rows in profiles.items() if tf != role.tf]
    changes = [_share(later, rows) - _share(earlier, rows) for rows in others]
    pairs = zip(before.frequencies[both], network.frequencies[both], strict=True)
    distances = [pwm_distance(one, two) for one, two in pairs]
    return row | {
        "target_share": _share(later, columns),
        "share_before": _share(earlier, columns),
        "others_change": float(np.mean(changes)) if changes else float("nan"),
        "moved": float(np.median(distances)) if distances else float("nan"),
        "matched_before": before.matches.num_matched(),
        "target_like_before": before.target_like(columns),
    }


def _on_same_regions(
    store: RunStore, key: str, columns: NDArray[np.intp], database: MotifDatabase
) -> dict[str, Any]:
    """Read the filters of a run's multi-model on the regions that the run's were read on."""
    run = store.open(key)
    start = run.planned.spec.start_run
    if start is None or not (store.open(start.key).path / WEIGHTS_FILE).is_file():
        return {}
    tested = pd.read_parquet(run.path / PREDICTIONS_FILE)
    right = (tested["probability"] >= THRESHOLD) == (tested["label"] == 1)
    regions = load_dataset(store.workspace).regions
    sequences = regions.sequences[tested.loc[right, "region_id"].to_numpy()]
    counts = count_subsequences(load(store.open(start.key).path), sequences).counts
    before = Network(counts=counts, matches=match_filters(counts, database))
    return {
        "same_regions_share_before": _share(before.shares, columns),
        "same_regions_matched_before": before.matches.num_matched(),
        "same_regions_target_like_before": before.target_like(columns),
    }


def _read_on(
    store: RunStore,
    key: str,
    rows: Sequence[Mapping[str, Any]],
    base: Path | None,
    database: MotifDatabase,
) -> list[dict[str, Any]]:
    """Read networks whose weights are there on the test regions of one run, a row each."""
    loaded = load_dataset(store.workspace)
    tested = loaded.select(store.open(key).planned.spec.regions).only(Part.TEST)
    sequences = loaded.regions.sequences[tested.region_ids]
    found = []
    for row in rows:
        if row["arm"] not in ("multi", "base"):
            continue
        folder = store.open(row["key"]).path if row["arm"] == "multi" else None
        if folder is None and base is not None:
            folder = sorted(base.glob(f"*/{WEIGHTS_FILE}"))[0].parent
        if folder is None or not (folder / WEIGHTS_FILE).is_file():
            continue
        counts = count_subsequences(load(folder), sequences).counts
        network = Network(counts=counts, matches=match_filters(counts, database))
        read = {"read_on": key, "num_regions": len(sequences)}
        read["num_compared"] = len(network.matches.compared)
        found.append({**row, **read, **network.counted(), **_by_chance(counts, database)})
    return found


def _share(shares: NDArray[np.float64], columns: NDArray[np.intp]) -> float:
    """Average over filters the share that the profiles of a TF have, its median if several."""
    known = shares[~np.isnan(shares).all(axis=1)]
    return float(np.median(known[:, columns], axis=1).mean()) if len(known) else float("nan")


def _by_chance(counts: NDArray[np.int64], database: MotifDatabase) -> dict[str, int]:
    """Count the matches of filters whose positions are shuffled."""
    order = np.arange(counts.shape[2])[None].repeat(len(counts), axis=0)
    order = np.random.default_rng(0).permuted(order, axis=1)
    shuffled = np.take_along_axis(counts, order[:, None], axis=2)
    return Network(counts=shuffled, matches=match_filters(shuffled, database)).counted("shuffled")


def _base_row(folder: Path, database: MotifDatabase) -> dict[str, Any]:
    """Make the row of a base's first network, of the motifs that it comes with."""
    motifs = read_motifs(sorted(folder.glob(f"*/{MEME_FILE}"))[0])
    counts = np.stack(
        [np.rint(motif.probabilities * motif.num_sites).astype(np.int64) for motif in motifs]
    )
    network = Network(counts=counts, matches=match_filters(counts, database))
    row = {"key": folder.name, "arm": "base", "num_compared": len(network.matches.compared)}
    return row | network.counted() | _by_chance(counts, database)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workspace", type=Path, help="workspace with finished runs")
    parser.add_argument("--out", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--base", type=Path, help="folder of a base, for a row of its own")
    parser.add_argument(
        "--read-on", metavar="KEY", help="also read networks on the test regions of this run"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
