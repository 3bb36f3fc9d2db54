"""The base: a multi-model that comes with bindgrid and predicts its TFs without any workspace.

==============================  ================================================================
file                            content
==============================  ================================================================
base.json                       the card (`orchestrator.prediction.base_card`)
replicate-<n>/                  weights.safetensors in 16 bits and network.json, as
                                `model.checkpoint` reads them; filters.meme, PWMs of the filters
==============================  ================================================================

It lies in the package, in ``model/base/<name>/``. The environment variable `BINDGRID_BASE` names
the folder of another one, such as one of your own that `python -m experiments.base` made.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import model
from data.near_names import folded, near_hint, spellings
from data.records import RecordError, from_json
from orchestrator.errors import RunError
from orchestrator.prediction.base_card import BASE_FILE, BASE_VERSION, BaseCard, BaseTF
from orchestrator.prediction.model_card import AboutModel, AboutRegions
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.spec import BaseStart

if TYPE_CHECKING:
    from model.ensemble import Panel
    from orchestrator.prediction.predictors import Predictor

BASE_VARIABLE: Final = "BINDGRID_BASE"
"""Environment variable that names the folder of another base."""
SHIPPED_BASE: Final = Path(model.__file__).parent / "base" / "bindgrid-base-1"
"""Folder of the base that comes with bindgrid."""


@dataclass(frozen=True)
class Base:
    """A base, as stored."""

    folder: Path
    card: BaseCard

    @cached_property
    def tfs(self) -> tuple[str, ...]:
        """TFs that it predicts, in the order of its outputs."""
        return tuple(one.tf for one in self.card.tfs)

    def known_as(self, named: str) -> str | None:
        """Find the TF of a name or alias, whatever its case; None where the base lacks it."""
        by_folded = {folded(tf): tf for tf in self.tfs}
        found = (by_folded.get(folded(one)) for one in spellings(named))
        return next((tf for tf in found if tf is not None), None)

    def require(self, named: str) -> str:
        """Find the TF of a name or alias.

        Raises
        ------
        RunError
            If the base lacks it; suggests similar names.
        """
        tf = self.known_as(named)
        if tf is None:
            raise RunError(
                f"{self.card.name}: no TF {named!r} among its {len(self.tfs)}"
                f"{near_hint(named, self.tfs)}; `bindgrid models` lists them"
            )
        return tf

    def predictor(self, named: str) -> "Predictor":
        """Give what predicts one TF.

        Raises
        ------
        RunError
            If the base lacks it; suggests similar names.
        """
        from orchestrator.prediction.predictors import Predictor, Replicate

        card, tf = self.card, self.require(named)
        output = card.index(tf)
        own = card.tfs[output]
        return Predictor(
            name=tf,
            tf=tf,
            source=f"{card.name}, {', '.join(card.test_chroms)} held out: {told_quality(own)}",
            replicates=tuple(
                Replicate(
                    folder=self.folder / one.folder,
                    output=output,
                    calibration=own.calibrations[number],
                    key=one.key,
                    metrics=_metrics(card, own, number),
                )
                for number, one in enumerate(card.replicates)
            ),
            about=AboutModel(
                training=card.training,
                regions=AboutRegions(
                    view="less-sparse",
                    split="chromosome",
                    test_chroms=card.test_chroms,
                    val_chroms=card.val_chroms,
                    num_bound_sampled=None,
                ),
                pretrained_on=(),
                sources=card.data.sources,
            ),
        )

    def start(self, seen_chroms: Sequence[str] = ()) -> BaseStart:
        """Give it as what a run starts from: its first network.

        Parameters
        ----------
        seen_chroms
            Chromosomes of the dataset whose regions it was trained on. By default none.
        """
        return BaseStart(
            name=self.card.name,
            sha256=self.card.replicates[0].sha256,
            tfs=self.tfs,
            seen_chroms=tuple(seen_chroms),
        )

    def panel(self, tfs: Sequence[str]) -> "Panel":
        """Load what predicts some of its TFs at once, in the order given.

        Raises
        ------
        ModelError
            If a network cannot be loaded.
        """
        from model.checkpoint import load, load_config
        from model.ensemble import Panel

        folders = [self.folder / one.folder for one in self.card.replicates]
        outputs = tuple(self.card.index(tf) for tf in tfs)
        return Panel(
            networks=tuple(load(folder) for folder in folders),
            length_bp=load_config(folders[0]).length_bp,
            outputs=outputs,
            calibrations=tuple(
                tuple(self.card.tfs[output].calibrations[number] for output in outputs)
                for number in range(len(folders))
            ),
        )


def told_quality(own: BaseTF) -> str:
    """Say how good the predictions of a TF are, in a few words."""
    test = own.test
    return f"AUROC {test.auroc:.2f}, average precision {test.average_precision:.2f}"


def open_base(folder: Path) -> Base:
    """Open the folder of a base.

    Raises
    ------
    RunError
        If it is none, is damaged, or was written by a newer bindgrid.
    """
    path = folder / BASE_FILE
    try:
        card = from_json(path.read_bytes(), BaseCard, {"version": BASE_VERSION})
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}); give a folder that `python -m "
            "experiments.base` wrote"
        ) from None
    except RecordError as error:
        raise RunError(
            f"{path}: damaged, or of another bindgrid ({error}); make the base again"
        ) from None
    return Base(folder, card)


def find_base() -> Base | None:
    """Open the base that `BINDGRID_BASE` names, or the one that comes with bindgrid.

    Returns
    -------
    Base or None
        None where bindgrid came without one.

    Raises
    ------
    RunError
        If the folder that is named holds no base, or the base is damaged.
    """
    named = os.environ.get(BASE_VARIABLE)
    if named:
        return open_base(Path(named))
    return open_base(SHIPPED_BASE) if (SHIPPED_BASE / BASE_FILE).is_file() else None


def weights_of(start: BaseStart) -> Path:
    """Find the folder of the network that a run starts from.

    Raises
    ------
    RunError
        If the base at hand has other weights, or there is none.
    """
    base = find_base()
    there = "there is none here"
    if base is not None:
        for one in base.card.replicates:
            if one.sha256 == start.sha256:
                return base.folder / one.folder
        there = f"here is {base.card.name} of other weights"
    raise RunError(
        f"{start.name}: is the base that the run starts from, and {there}; name its folder by "
        f"{BASE_VARIABLE}"
    )


def require_base() -> Base:
    """Open the base.

    Raises
    ------
    RunError
        If there is none.
    """
    base = find_base()
    if base is None:
        raise RunError(
            f"this bindgrid came without a base; name the folder of one by {BASE_VARIABLE}, which "
            "`python -m experiments.base` makes"
        )
    return base


def _metrics(card: BaseCard, own: BaseTF, number: int) -> RunMetrics:
    """Measures of a TF in the form that model folders have."""
    test, replicate = own.test, card.replicates[number]
    return RunMetrics(
        num_bound=test.num_bound,
        num_unbound=test.num_unbound,
        num_train_regions=card.data.num_train_regions,
        num_val_regions=card.data.num_val_regions,
        num_test_regions=card.data.num_test_regions,
        num_test_regions_seen_in_pretraining=0,
        mcc=test.mcc,
        auroc=test.auroc,
        average_precision=test.average_precision,
        aucpr_trapezoid=test.aucpr_trapezoid,
        precision=test.precision,
        recall=test.recall,
        best_epoch=replicate.num_epochs,
        seconds=replicate.seconds,
    )
