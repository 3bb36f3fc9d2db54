"""What metrics.json says of a finished run."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from model.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class RunMetrics:
    """Numbers of regions, and the metrics on the test regions: means over TFs for a multi-model."""

    num_bound: int
    """Bound cells trained and validated on."""
    num_unbound: int
    """Unbound cells trained and validated on."""
    num_train_regions: int
    num_val_regions: int
    num_test_regions: int
    num_test_regions_seen_in_pretraining: int
    """Test regions that the multi-model was trained or validated on."""
    mcc: float
    auroc: float
    average_precision: float
    aucpr_trapezoid: float
    precision: float
    recall: float
    best_epoch: int
    """Epoch whose weights were kept, counted from 1; 0 for the weights at the start."""
    best_val_loss: float = math.nan
    """Loss on the validation regions of the weights that were kept; NaN where none was trained."""
    seconds: float
    """Time of the training."""
    per_tf: Mapping[str, Metrics] = field(default_factory=dict)
    """Metrics by TF, whose numbers of regions are those of the test regions."""

    def of_tf(self, tf: str) -> "RunMetrics":
        """Give the metrics of one TF in place of the means, with its numbers of test regions."""
        own = self.per_tf.get(tf)
        return self if own is None else replace(self, **asdict(own))
