"""The dataset and the settings of some runs, as pairs of a name and a text."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pandas as pd

from data.dataset.store import Dataset
from data.errors import DataError
from data.own_tf.record import labels_in_words
from model.network_config import NetworkConfig, published
from orchestrator.report.words import counted, listed
from orchestrator.spec import RunSpec

Facts = list[tuple[str, str]]

_KINDS: Final = {"multi": "pre-training", "scratch": "from scratch", "transfer": "transfer"}


def dataset_facts(path: Path, specs: Iterable[RunSpec]) -> Facts:
    """Describe the workspace's dataset, and whether the runs were made on it."""
    try:
        dataset = Dataset.open(path)
        others = _of_other_datasets(dataset, specs)
        labels = labels_in_words(dataset.summaries())
    except DataError as error:
        return [("dataset", str(error))]
    sources = [Path(source.file).name for source in dataset.manifest.sources]
    facts = [
        ("regions", f"{dataset.num_regions:,}"),
        ("TFs", f"{len(dataset.tfs):,}"),
        ("labels", f"bound by {labels}"),
        ("sources", listed(sources) or "not recorded"),
        ("fingerprint", str(dataset.manifest.regions_fingerprint)),
    ]
    if others:
        said = counted(others, "run")
        facts.append(("warning", f"{said} made on another dataset than the one that is here now"))
    return facts


def settings_facts(rows: pd.DataFrame, specs: Mapping[str, RunSpec]) -> Facts:
    """Describe how the runs of an experiment were made; values that differ with their counts.

    Parameters
    ----------
    rows
        Rows of the results table.
    specs
        By key.
    """
    facts: Facts = []
    by_arm = {
        arm: [specs[key] for key in rows.loc[rows["arm"] == arm, "key"].unique()] for arm in _KINDS
    }
    trained = {
        arm: [spec for spec in found if spec.training is not None] for arm, found in by_arm.items()
    }
    for arm, found in trained.items():
        facts += _varying(
            _KINDS[arm], (_fields(asdict(spec.training)) for spec in found if spec.training)
        )
    individual = [*trained["scratch"], *trained["transfer"]]
    for name, found in (("regions", individual), ("regions of multi-models", trained["multi"])):
        facts += _varying(name, (_fields(asdict(spec.regions.sampling), "seed") for spec in found))
    every = [spec for found in trained.values() for spec in found]
    facts += _varying("network", (_network(spec.network) for spec in every))
    facts += _varying(
        "TFs of a multi-model", (f"{len(spec.regions.tfs)}" for spec in trained["multi"])
    )
    seeds = sorted({spec.seed for spec in every})
    return [*facts, ("seeds", listed([str(seed) for seed in seeds]))] if seeds else facts


def _of_other_datasets(dataset: Dataset, specs: Iterable[RunSpec]) -> int:
    known = set(dataset.tfs)
    fingerprints: dict[tuple[str, ...], str] = {}
    num_others = 0
    for spec in specs:
        tfs = spec.regions.tfs
        if tfs not in fingerprints:
            fingerprints[tfs] = dataset.fingerprint(tfs) if known.issuperset(tfs) else ""
        num_others += fingerprints[tfs] != spec.regions.dataset
    return num_others


def _varying(name: str, values: Iterable[str]) -> Facts:
    counts = Counter(values)
    if len(counts) < 2:
        return [(name, value) for value in counts]
    return [(name, f"{value} ({counted(count, 'run')})") for value, count in counts.most_common()]


def _fields(values: Mapping[str, Any], *left_out: str) -> str:
    """Names and values of the fields that are set."""
    return ", ".join(
        f"{name} {_text(value)}"
        for name, value in values.items()
        if name not in left_out and value is not None and value != ()
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _network(network: NetworkConfig) -> str:
    defaults = asdict(published(network.name, num_tfs=network.num_tfs))
    changed = {name: value for name, value in asdict(network).items() if value != defaults[name]}
    return ", ".join(filter(None, [network.name, _fields(changed)]))
