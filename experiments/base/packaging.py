"""The folder of a base, from the finished runs of its networks (`orchestrator.prediction.base`)."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import torch

from data.atomic import whole_folder
from data.dataset.added import SourceFile
from data.dataset.store import Dataset
from data.records import RecordError, from_json, to_json
from data.schema import Evidence
from data.steps import OnStep, silent
from experiments.base.measure import BaseMeasures, HeldOut, measure_base, rounding_cost
from model.checkpoint import WEIGHTS_FILE, load, save
from orchestrator.checkout import running_commit
from orchestrator.errors import RunError
from orchestrator.prediction.base import Base, open_base
from orchestrator.prediction.base_card import (
    BASE_FILE,
    BASE_VERSION,
    AboutData,
    BaseCard,
    BaseData,
    BaseReplicate,
    Rounding,
)
from orchestrator.runs.filter_files import MEME_FILE
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.store import StoredRun
from orchestrator.spec import RunSpec

FORMATS: Final = {"float16": torch.float16, "bfloat16": torch.bfloat16}
"""16-bit formats that weights can be stored in."""


@dataclass(frozen=True, kw_only=True)
class BaseSettings:
    """What a base is called and how it is stored."""

    name: str
    number_format: str
    """One of `FORMATS`."""
    min_bound: int
    about: AboutData | None
    """Where the data is from; None where that is not stated."""


def package_base(
    loaded: LoadedDataset,
    runs: Sequence[StoredRun],
    folder: Path,
    settings: BaseSettings,
    on_step: OnStep = silent,
) -> Base:
    """Round, calibrate and measure the networks of finished runs, and write them with their card.

    Parameters
    ----------
    loaded
        The dataset that they were trained on.
    runs
        Runs that differ in their seed only, one or more.
    folder
        The folder to write; it appears at once.
    settings
        What the base is called and how it is stored.
    on_step
        Called with each step; by default nothing is reported.

    Raises
    ------
    RunError
        If something is at `folder`, or the dataset has changed since.
    OSError
        If it cannot be written.
    """
    check_absent(folder)
    regions = HeldOut.of(loaded, loaded.select(runs[0].planned.spec.regions))
    with whole_folder(folder) as partial:
        stored = _rounded(partial, runs, settings.number_format, regions, on_step)
        on_step("writing")
        replicates = tuple(
            _replicate(partial / f"replicate-{number}", run)
            for number, run in enumerate(runs, start=1)
        )
        card = _card(loaded, runs, settings)
        (partial / BASE_FILE).write_text(
            to_json(
                replace(
                    card,
                    tfs=stored.kept.records(runs[0].planned.spec.regions.tfs, regions),
                    replicates=replicates,
                    rounding=stored.costs,
                    data=replace(
                        card.data,
                        num_train_regions=len(regions.train_labels),
                        num_val_regions=len(regions.val_labels),
                        num_test_regions=len(regions.test_labels),
                    ),
                )
            ),
            encoding="utf-8",
        )
    return open_base(folder)


@dataclass(frozen=True, kw_only=True)
class _Rounded:
    """The networks with rounded weights, stored in a folder each."""

    kept: BaseMeasures
    """Measures in the format that is kept."""
    costs: tuple[Rounding, ...]
    """What each of `FORMATS` costs."""


def _rounded(
    folder: Path,
    runs: Sequence[StoredRun],
    kept_format: str,
    regions: HeldOut,
    on_step: OnStep,
) -> _Rounded:
    """Store the networks of runs in each format, measure them, and keep those of one format."""
    networks = [load(run.path) for run in runs]
    on_step("measuring the networks as they were trained")
    exact = measure_base(networks, regions)
    kept, costs = exact, []
    for number_format, dtype in FORMATS.items():
        on_step(f"measuring what {number_format} costs")
        places = [folder / f"{number_format}-{one}" for one, _ in enumerate(runs, start=1)]
        for place, network, run in zip(places, networks, runs, strict=True):
            save(place, network, run.planned.spec.network, rounded_to=dtype)
        rounded = measure_base([load(place) for place in places], regions)
        num_bytes = (places[0] / WEIGHTS_FILE).stat().st_size
        costs.append(rounding_cost(number_format, num_bytes, rounded, exact))
        for number, place in enumerate(places, start=1):
            if number_format == kept_format:
                kept = rounded
                place.rename(folder / f"replicate-{number}")
            else:
                shutil.rmtree(place)
    return _Rounded(kept=kept, costs=tuple(costs))


def check_absent(folder: Path) -> None:
    """Check that a folder can be made.

    Raises
    ------
    RunError
        If something is there.
    """
    if folder.exists():
        raise RunError(f"{folder}: something is there already; name another folder by --out")


def read_about(path: Path) -> AboutData:
    """Read the file that says where the data is from.

    Raises
    ------
    RunError
        If it cannot be read, or a field is missing.
    """
    try:
        return from_json(path.read_bytes(), AboutData)
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except RecordError as error:
        raise RunError(f"{path}: {error}; see experiments/base/paper_data.json") from None


def _replicate(folder: Path, run: StoredRun) -> BaseReplicate:
    """Put a run's filters beside the weights, and record the network."""
    if (run.path / MEME_FILE).is_file():
        shutil.copyfile(run.path / MEME_FILE, folder / MEME_FILE)
    return BaseReplicate(
        folder=folder.name,
        key=run.key,
        seed=run.planned.spec.seed,
        sha256=hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest(),
        num_epochs=len(run.history),
        seconds=run.metrics.seconds,
    )


def _card(loaded: LoadedDataset, runs: Sequence[StoredRun], settings: BaseSettings) -> BaseCard:
    """Give the card without what has to be measured."""
    spec = runs[0].planned.spec
    sampling, manifest = spec.regions.sampling, loaded.dataset.manifest
    held_out = {*sampling.val_chroms, *sampling.test_chroms}
    assert spec.training is not None
    return BaseCard(
        version=BASE_VERSION,
        name=settings.name,
        made=datetime.fromtimestamp(max(run.finished_at for run in runs), UTC).date().isoformat(),
        bindgrid=version("bindgrid"),
        commit=running_commit(),
        number_format=settings.number_format,
        training=spec.training,
        min_bound=settings.min_bound,
        left_out=_left_out(loaded.dataset, spec, settings.min_bound),
        chroms_seen=tuple(
            chrom for chrom in loaded.regions.built.chromosomes() if chrom not in held_out
        ),
        val_chroms=sampling.val_chroms,
        test_chroms=sampling.test_chroms,
        tfs=(),
        replicates=(),
        rounding=(),
        data=BaseData(
            fingerprint=spec.regions.dataset,
            num_regions=manifest.num_regions,
            num_train_regions=0,
            num_val_regions=0,
            num_test_regions=0,
            # where they lay on the machine that made the base is of no use to others
            sources=tuple(
                SourceFile(file=Path(one.file).name, size=one.size, sha256=one.sha256)
                for one in manifest.sources
            ),
            about=settings.about,
        ),
    )


def _left_out(dataset: Dataset, spec: RunSpec, min_bound: int) -> tuple[str, ...]:
    """TFs of the dataset's build with enough bound regions that are not in the base."""
    return tuple(
        one.tf
        for one in dataset.summaries()
        if one.added is None
        and one.count(Evidence.BOUND) >= min_bound
        and one.tf not in spec.regions.tfs
    )
