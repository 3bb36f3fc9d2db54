"""What to simulate: the TFs, and how hard they are to learn; `data.simulation.simulate` does it."""

from dataclasses import dataclass
from typing import Final

from data.motifs.database import jaspar_motifs


@dataclass(frozen=True, kw_only=True)
class SimulatedTF:
    """A TF to simulate."""

    name: str
    """TF name, with a motif in JASPAR 2020 CORE vertebrates."""
    bound_fraction: float
    """Bound regions as a fraction of all regions."""
    promoter_fraction: float
    """Fraction of its planted instances that lie in promoter-like regions."""
    biosamples: tuple[int, ...]
    """Biosamples in which it was profiled, as indices."""
    cofactor: str = ""
    """An earlier TF whose regions it prefers; none if empty."""

    def __post_init__(self) -> None:
        if not 0 < self.bound_fraction < 1 or not 0 <= self.promoter_fraction <= 1:
            raise ValueError(f"{self.name}: fractions must lie between 0 and 1")
        if not self.biosamples:
            raise ValueError(f"{self.name}: must be profiled in a biosample")


def _tf(
    name: str, bound: float, promoter: float, biosamples: tuple[int, ...], cofactor: str = ""
) -> SimulatedTF:
    return SimulatedTF(
        name=name,
        bound_fraction=bound,
        promoter_fraction=promoter,
        biosamples=biosamples,
        cofactor=cofactor,
    )


DEFAULT_TFS: Final[tuple[SimulatedTF, ...]] = (
    # well-studied TFs of five binding modes: what a multi-model learns from
    _tf("JUND", 0.15, 0.20, (0, 1, 2)),
    _tf("SPI1", 0.15, 0.30, (0, 1, 3), "JUND"),
    _tf("GABPA", 0.15, 0.70, (0, 2, 3)),
    _tf("SP1", 0.15, 0.75, (1, 2, 3), "GABPA"),
    _tf("MAX", 0.15, 0.55, (0, 1, 2)),
    _tf("USF1", 0.14, 0.50, (0, 1, 3)),
    _tf("HNF4A", 0.14, 0.25, (1, 2, 3)),
    _tf("RXRA", 0.14, 0.30, (0, 2, 3), "HNF4A"),
    # less studied ones of the same binding modes
    _tf("ELF1", 0.11, 0.55, (0, 1)),
    _tf("NR2C2", 0.11, 0.40, (1, 2)),
    _tf("MNT", 0.10, 0.50, (1, 2)),
    _tf("FOSL1", 0.05, 0.15, (0, 2)),
    _tf("KLF9", 0.033, 0.70, (0, 1)),
    _tf("ETV4", 0.0042, 0.50, (2, 3)),
    # and two whose binding modes none of the well-studied has
    _tf("GATA1", 0.10, 0.15, (0, 1)),
    _tf("CEBPB", 0.017, 0.20, (0, 3)),
)
"""Sixteen TFs: 50 to 1,800 bound regions of 12,000."""

_FRACTIONS: Final = (
    "shared_fraction",
    "promoter_fraction",
    "promoter_gc",
    "distal_gc",
    "decoy_fraction",
    "one_source_fraction",
    "stray_fraction",
    "cofactor_fraction",
)


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """What to simulate. The defaults make `make demo`."""

    seed: int = 0
    """Seed of all random numbers; 0 is a seed like any other."""
    num_regions: int = 12_000
    """DHSs over all chromosomes."""
    chromosomes: tuple[str, ...] = ("chr1", "chr2", "chr10", "chrX")
    """Chromosome names; regions are shared out evenly."""
    num_biosamples: int = 4
    """Biosamples with ChIP-seq; one more, without ChIP-seq, is always added."""
    tfs: tuple[SimulatedTF, ...] = DEFAULT_TFS
    """TFs, in the order in which their motifs are planted: earlier ones find more room."""
    shared_fraction: float = 0.55
    """Fraction of regions open in two biosamples or more; the others are open in one."""
    promoter_fraction: float = 0.35
    """Fraction of regions that are promoter-like, rich in GC."""
    promoter_gc: float = 0.60
    """Mean GC of promoter-like regions."""
    distal_gc: float = 0.44
    """Mean GC of the other regions."""
    gap_bp: int = 220
    """Mean distance between neighbouring regions, bp."""
    sharpness: float = 2.5
    """Exponent on the motif's probabilities; 1 plants instances as variable as the motif."""
    noise_bits: float = 1.0
    """Standard deviation, in bits, of the noise that is added to the motif's score."""
    decoy_fraction: float = 0.1
    """Fraction of regions that a TF cannot bind, whatever their sequence."""
    one_source_fraction: float = 0.15
    """Regions with a peak only, and as many with a site only, per bound region of a TF."""
    stray_fraction: float = 0.1
    """Peaks anywhere in the genome per bound region of a TF."""
    cofactor_fraction: float = 0.4
    """Fraction of a TF's instances that lie in regions of its cofactor."""
    num_n_regions: int = 5
    """Regions in which a base is N."""
    num_duplicates: int = 5
    """Rows given twice in each of the DHS, peak and site files."""

    def __post_init__(self) -> None:
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, not {self.seed}")
        if not self.chromosomes or not self.tfs:
            raise ValueError("at least one chromosome and one TF are needed")
        smallest = 100 * len(self.chromosomes)
        if self.num_regions < smallest:
            raise ValueError(f"num_regions must be at least {smallest}, not {self.num_regions}")
        if self.sharpness <= 0 or self.noise_bits < 0 or self.gap_bp < 1:
            raise ValueError("sharpness and gap_bp must be positive, noise_bits not negative")
        if self.num_biosamples < 2 or not 0 <= self.num_n_regions <= self.num_regions:
            raise ValueError("num_biosamples must be 2 or more, num_n_regions fit num_regions")
        if not 0 <= self.num_duplicates <= self.num_regions:
            raise ValueError("num_duplicates must lie between 0 and num_regions")
        self._check_tfs()

    def _check_tfs(self) -> None:
        names = [tf.name for tf in self.tfs]
        if len(set(names)) < len(names):
            raise ValueError("a TF is named twice")
        for i, tf in enumerate(self.tfs):
            if tf.name not in jaspar_motifs():
                raise ValueError(f"{tf.name} has no motif in JASPAR 2020 CORE vertebrates")
            if not all(0 <= sample < self.num_biosamples for sample in tf.biosamples):
                raise ValueError(f"{tf.name}: biosamples go from 0 to {self.num_biosamples - 1}")
            if tf.cofactor and tf.cofactor not in names[:i]:
                raise ValueError(f"{tf.name}: cofactor {tf.cofactor} is no earlier TF")
