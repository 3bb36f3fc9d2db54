"""What a network has of each layer: its config, and the two networks of the paper.

Without torch, so that specs of runs are read and compared before it is imported. The networks
themselves are in `model.network`.
"""

from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Final

MAX_KMER_SPAN: Final = 12
"""Base pairs of a span at most, for the table of its numbers to have a size: 4^12 are 67 MB."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Architecture of a network; the defaults are the paper's.

    Raises
    ------
    ValueError
        A field is out of its range, or the sequence is too short for the convolutions.
    """

    num_tfs: int
    """Outputs, one a TF. Paper: 50 and 5 for multi-models, 1 for individual models."""
    name: str = "paper"
    """Which network of `NETWORKS` the sizes are from."""
    length_bp: int = 200
    """Length of the sequences in base pairs. Paper: 200."""
    conv_filters: tuple[int, ...] = (100, 200, 200)
    """Filters of each convolution. Paper: 100, 200, 200."""
    conv_widths: tuple[int, ...] = (19, 7, 4)
    """Widths of the convolutions, in positions of their input. Paper: 19, 7, 4."""
    pool_width: int = 3
    """Width and stride of each max pooling. Paper: 3."""
    dense_units: tuple[int, ...] = (1000, 1000)
    """Units of each dense block. Paper: 1000, 1000."""
    dropout: float = 0.3
    """Fraction of units that a dense block drops in training. Paper: 0.3."""
    batch_norm: bool = field(default=True, metadata={"late": True})
    """Whether convolutions and dense layers are followed by batch norm. Paper: yes; DanQ: no."""
    conv_dropout: float = field(default=0.0, metadata={"late": True})
    """Fraction of values that a convolution block drops in training. Paper: 0; DanQ: 0.2."""
    lstm_units: tuple[int, ...] = field(default=(), metadata={"late": True})
    """Units of each bidirectional LSTM, in either direction. Paper: none; DanQ: 320, 320."""
    lstm_dropout: float = field(default=0.0, metadata={"late": True})
    """Fraction of values dropped between LSTMs in training. DanQ: 0.5."""
    motif_width: int = field(default=0, metadata={"late": True})
    """Base pairs of the motif whose best hit is a term of the logits (`model.motif_term`); 0: none.
    Paper: none."""
    further_motif_widths: tuple[int, ...] = field(default=(), metadata={"late": True})
    """Base pairs of the motifs of further terms, where the peaks choose them; by default none."""
    many_motif_counts: tuple[int, ...] = field(default=(), metadata={"late": True})
    """Number of motifs of each width, that of 0 bp first, whose best hits are one term of the
    logits (`model.training.many_motifs`); by default none."""
    kmer_span: int = field(default=0, metadata={"late": True})
    """Base pairs of the spans whose numbers are a term of the logits (`model.kmer_term`); 0: none.
    """

    def __post_init__(self) -> None:
        for name in _LISTS:
            # a list when read from JSON
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.name not in NETWORKS:
            raise ValueError(f"no network is named {self.name!r}; there are: {', '.join(NETWORKS)}")
        sizes = (*self.conv_filters, *self.conv_widths, *self.dense_units, *self.lstm_units)
        sizes = (self.num_tfs, self.pool_width, *sizes)
        spans = self.motif_width, *self.further_motif_widths, self.kmer_span
        numbers = (*sizes, self.length_bp, *spans)
        if not all(isinstance(number, Integral) for number in numbers):
            raise ValueError(f"every size must be a whole number: {self}")
        if not isinstance(self.batch_norm, bool):
            raise ValueError(f"batch_norm is {self.batch_norm!r}; give true or false")
        if min(sizes) < 1:
            raise ValueError(f"num_tfs and every size of a layer must be 1 or more: {self}")
        if len(self.conv_filters) != len(self.conv_widths):
            raise ValueError(
                f"conv_filters {self.conv_filters} and conv_widths {self.conv_widths} differ in"
                " length; give one of each for every convolution"
            )
        if not 0 <= self.motif_width <= self.length_bp:
            raise ValueError(f"motif_width is {self.motif_width}; give 0 to {self.length_bp}")
        if self.further_motif_widths and not self.motif_width:
            raise ValueError("further_motif_widths follow a motif_width above 0")
        for width in self.further_motif_widths:
            if not 1 <= width <= self.length_bp:
                raise ValueError(f"a further motif's width is {width}; give 1 to {self.length_bp}")
        if not 0 <= self.kmer_span <= MAX_KMER_SPAN:
            raise ValueError(f"kmer_span is {self.kmer_span}; give 0 to {MAX_KMER_SPAN}")
        counts = self.many_motif_counts
        if not all(isinstance(count, Integral) and count >= 0 for count in counts):
            raise ValueError(f"many_motif_counts is {counts}; give whole numbers of 0 or more")
        if any(counts[:1]) or len(counts) > self.length_bp + 1:
            raise ValueError(
                f"motifs are 1 to {self.length_bp} bp wide: many_motif_counts {counts}"
            )
        for name in ("dropout", "conv_dropout", "lstm_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; give a fraction from 0 to below 1"
                )
        if min(size for pair in self.layer_lengths() for size in pair) < 1:
            raise ValueError(
                f"length_bp {self.length_bp} is too short for convolutions {self.conv_widths}"
                f" pooled by {self.pool_width}; positions left: {self.layer_lengths()}"
            )

    @property
    def motif_widths(self) -> tuple[int, ...]:
        """Base pairs of the motifs of all terms, in order."""
        return (self.motif_width, *self.further_motif_widths) if self.motif_width else ()

    def layer_lengths(self) -> tuple[tuple[int, int], ...]:
        """Positions after each convolution and after its pooling: (182, 60), (54, 18), (15, 5)."""
        lengths = []
        length = self.length_bp
        for width in self.conv_widths:
            convolved = length - width + 1
            length = convolved // self.pool_width
            lengths.append((convolved, length))
        return tuple(lengths)

    def hidden_layers(self) -> tuple[str, ...]:
        """Names of all layers but the output one, in order: ``("conv1", ..., "dense2")``."""
        counts = {"conv": self.conv_filters, "lstm": self.lstm_units, "dense": self.dense_units}
        return tuple(
            f"{kind}{number}"
            for kind, sizes in counts.items()
            for number in range(1, len(sizes) + 1)
        )


_LISTS: Final = (
    "conv_filters",
    "conv_widths",
    "dense_units",
    "lstm_units",
    "further_motif_widths",
    "many_motif_counts",
)

NETWORKS: Final[tuple[str, ...]] = ("paper", "danq")
"""Networks by name."""


def published(name: str, *, num_tfs: int) -> NetworkConfig:
    """Config of a network with the sizes that the paper's authors gave it.

    Raises
    ------
    ValueError
        There is no such network.
    """
    config = NetworkConfig(num_tfs=num_tfs, name=name)
    if name == "paper":
        return config
    return replace(
        config,
        conv_filters=(320,),
        conv_widths=(26,),
        pool_width=13,
        dense_units=(925,),
        dropout=0.0,
        batch_norm=False,
        conv_dropout=0.2,
        lstm_units=(320, 320),
        lstm_dropout=0.5,
    )
