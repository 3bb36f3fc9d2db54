"""The card of a base, base.json: what a multi-model that predicts many TFs says of itself.

A base is a folder, see `orchestrator.prediction.base`. Its card is a record: which TFs, how good
the predictions of each are on chromosomes that no network of the base was trained on, and what the
base was made from.
"""

from dataclasses import dataclass
from typing import Final

from data.dataset.added import SourceFile
from model.calibration import Calibration
from model.metrics import Metrics
from model.training.config import TrainingConfig
from orchestrator.prediction.model_card import require_plain_name

BASE_FILE: Final = "base.json"
BASE_VERSION: Final = 1
"""Increase it when an older bindgrid cannot read the folder of a base."""


@dataclass(frozen=True, kw_only=True)
class BaseTF:
    """One TF of a base: how good its predictions are, and how they are calibrated."""

    tf: str
    test: Metrics
    """Measures on the test chromosomes, on all regions resolved for the TF, of what `bindgrid
    predict` gives: both strands, calibrated, weights as they are stored. A region is called bound
    at 0.5."""
    threshold: float
    """Probability that separates bound from unbound best, by MCC, on the validation chromosomes."""
    mcc_at_threshold: float
    """MCC on the test chromosomes at that threshold."""
    calibrations: tuple[Calibration, ...]
    """Fitted on the validation chromosomes, one for each network."""
    calibration_error: float
    """Mean difference of predicted and observed fraction of bound regions on the test chromosomes,
    over ten bins with equally many regions."""
    num_train_bound: int
    num_train_unbound: int
    num_val_bound: int
    """Bound regions of the validation chromosomes; with none the logits are taken as they are."""


@dataclass(frozen=True, kw_only=True)
class BaseReplicate:
    """One network of a base."""

    folder: str
    """Name of its folder in that of the base."""
    key: str
    """Key of the run that trained it."""
    seed: int
    sha256: str
    """Checksum of its weights.safetensors."""
    num_epochs: int
    seconds: float
    """Time of the training."""

    def __post_init__(self) -> None:
        require_plain_name(self.folder)


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What rounding the weights to a 16-bit format costs on the test chromosomes."""

    number_format: str
    num_bytes: int
    """Size of the weights of one network."""
    mcc: float
    """Mean over TFs of the MCC with rounded weights less that with float32."""
    auroc: float
    average_precision: float
    largest_mcc: float
    """Largest such difference of a TF, either way."""
    largest_probability: float
    """Largest difference of a probability, over all regions and TFs."""


@dataclass(frozen=True, kw_only=True)
class AboutData:
    """Where the data is from, in words; the file that `python -m experiments.base --data` reads."""

    source: str
    """What it is and who made it, with a DOI."""
    licence: str
    real: str
    """Which parts of it were measured."""
    reconstructed: str
    """Which parts were not, and how they were reconstructed."""
    assembly: str
    """Genome assembly, such as hg38."""
    species: str


@dataclass(frozen=True, kw_only=True)
class BaseData:
    """The dataset that a base was trained on."""

    fingerprint: str
    """Fingerprint of the regions and of the TFs' evidence, as the run's spec has it."""
    num_regions: int
    """Regions of the dataset."""
    num_train_regions: int
    num_val_regions: int
    num_test_regions: int
    sources: tuple[SourceFile, ...]
    """Files that the dataset was built from, by name, size and checksum."""
    about: AboutData | None
    """None where that was not stated."""


@dataclass(frozen=True, kw_only=True)
class BaseCard:
    """What is known of a base."""

    version: int
    name: str
    made: str
    """Day on which the training ended, in ISO 8601."""
    bindgrid: str
    """Version of bindgrid that made it."""
    commit: str
    """Commit of bindgrid that made the folder; empty outside a checkout."""
    number_format: str
    """Format of the weights: float16 or bfloat16; vectors are float32."""
    training: TrainingConfig
    min_bound: int
    """Fewest bound regions of a TF in the dataset to be in the base."""
    left_out: tuple[str, ...]
    """TFs with enough bound regions that were left out on purpose."""
    chroms_seen: tuple[str, ...]
    """Chromosomes that the networks were trained on."""
    val_chroms: tuple[str, ...]
    """Chromosomes of the calibration and of the thresholds; no weight was trained on them."""
    test_chroms: tuple[str, ...]
    """Chromosomes that all measures are from; nothing was trained or chosen on them."""
    tfs: tuple[BaseTF, ...]
    """In the order of the networks' outputs."""
    replicates: tuple[BaseReplicate, ...]
    rounding: tuple[Rounding, ...]
    data: BaseData

    def index(self, tf: str) -> int:
        """Which output is that of a TF."""
        return [one.tf for one in self.tfs].index(tf)
