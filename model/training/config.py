"""How a network is trained: one frozen dataclass, whose defaults are the paper's."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

Keep = Literal["best", "last"]
Precision = Literal["float32", "bfloat16"]
Strands = Literal["both", "random", "forward"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a network is trained; the defaults are the paper's.

    Raises
    ------
    ValueError
        A field is out of its range.
    """

    lr: float
    """Learning rate of Adam. Paper: 0.003; 0.0003 after transfer."""
    batch_size: int = 100
    """Examples in a step. Paper: 100."""
    max_epochs: int = 10
    """Highest number of epochs. Paper: 15 for multi-models, 10 for individual models."""
    patience: int | None = None
    """Early stopping after this many epochs in a row without a better validation loss; None never
    stops early."""
    frozen: tuple[str, ...] = field(default=(), metadata={"late": True})
    """Layers that stay as they are, such as `conv1`: their weights and batch-norm statistics do not
    change, and they have no dropout. The authors' scripts freeze the weights only. Paper: none."""
    both_strands: bool = True
    """Whether to train and validate on the reverse complements as well. Paper: yes."""
    weight_decay: float = 0.0
    """L2 penalty of Adam. Paper: 0."""
    keep: Keep = field(default="best", metadata={"late": True})
    """Which epoch's weights are kept: that of the best validation loss (paper) or the last one."""

    precision: Precision = field(default="float32", metadata={"late": True})
    """Precision of the products in training and validation; weights, losses and predictions are
    float32. bfloat16 trains 1.7 times as fast with AVX-512 BF16, 1.8 with AMX. Paper: float32."""
    random_strand: bool = field(default=False, metadata={"late": True})
    """Whether each epoch reads one strand of an example, drawn at random, instead of both. Paper:
    no."""
    min_steps: int = field(default=0, metadata={"late": True})
    """Lowest number of steps: with few examples, more than `max_epochs` epochs are trained until
    this number is reached. Paper: 0, no such limit."""

    averaging: float = field(default=0.0, metadata={"late": True})
    """Decay of the average of the weights over the steps, which is validated and kept instead of
    the weights themselves (`model.training.averaging`); 0 takes no average. Paper: none."""
    probe: float | None = field(default=None, metadata={"late": True})
    """Inverse strength of the penalty of a logistic regression that fits the output layer to the
    unchanged hidden layers before the first epoch (`model.training.probe`); None fits none. With
    `max_epochs=0` only this is trained, and the validation regions are learnt from too, since no
    epoch has to be chosen. Paper: none."""
    fixed_norm: bool = field(default=False, metadata={"late": True})
    """Whether batch norm keeps its initial statistics, since those of a few regions are noisy.
    Paper: no."""

    def __post_init__(self) -> None:
        if isinstance(self.frozen, str):
            raise ValueError(f"frozen is {self.frozen!r}; give a list of names of layers")
        # a list when read from JSON
        object.__setattr__(self, "frozen", tuple(self.frozen))
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ValueError(f"lr is {self.lr}; give a number above 0")
        if self.batch_size < 2:
            raise ValueError(f"batch_size is {self.batch_size}; batch norm needs 2 or more")
        if self.max_epochs < 0:
            raise ValueError(f"max_epochs is {self.max_epochs}; give 0 or more")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience is {self.patience}; give 1 or more, or None for no limit")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay is {self.weight_decay}; give 0 or more")
        if self.min_steps < 0:
            raise ValueError(f"min_steps is {self.min_steps}; give 0 or more")
        if self.precision not in get_args(Precision):
            raise ValueError(
                f"precision is {self.precision!r}; give one of {', '.join(get_args(Precision))}"
            )
        if self.random_strand and not self.both_strands:
            raise ValueError("random_strand draws one of both strands: set both_strands too")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"averaging is {self.averaging}; give 0 or more, below 1")
        if self.probe is not None and not (math.isfinite(self.probe) and self.probe > 0):
            raise ValueError(f"probe is {self.probe}; give a number above 0, or None")
        if self.keep not in get_args(Keep):
            raise ValueError(f"keep is {self.keep!r}; give one of {', '.join(get_args(Keep))}")

    @property
    def train_strands(self) -> Strands:
        """Which strands of an example an epoch trains on."""
        if self.random_strand:
            return "random"
        return "both" if self.both_strands else "forward"

    @property
    def val_strands(self) -> Strands:
        """Which strands of an example are validated on."""
        return "forward" if self.random_strand else self.train_strands

    @property
    def learns_from_val(self) -> bool:
        """Whether the validation regions are learnt from too, since they choose no epoch."""
        return self.probe is not None and self.max_epochs == 0

    def num_epochs(self, num_steps: int) -> int:
        """Give the highest number of epochs, if each has a number of steps."""
        if self.max_epochs == 0:
            return 0
        return max(self.max_epochs, math.ceil(self.min_steps / num_steps))
