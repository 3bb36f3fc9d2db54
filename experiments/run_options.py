"""What the options of `bindgrid run` may be, and the settings that they come to."""

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.errors import RunError

if TYPE_CHECKING:
    from data.sampling import Sampling
    from experiments.study import Scale
    from orchestrator.execute import LoadedDataset


class Backend(StrEnum):
    """What runs a plan."""

    RAY = "ray"
    LOCAL = "local"


class Split(StrEnum):
    """How regions are split."""

    RANDOM = "random"
    CHROMOSOME = "chromosome"


class ScaleName(StrEnum):
    """How large a study is."""

    PAPER = "paper"
    LAPTOP = "laptop"


class Precision(StrEnum):
    """Of matrix products in training."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Network(StrEnum):
    """Which network is trained, of `model.network.NETWORKS`."""

    PAPER = "paper"
    DANQ = "danq"


class Keep(StrEnum):
    """Which epoch's weights are kept."""

    BEST = "best"
    LAST = "last"


def names_in(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def sized(
    scale: "Scale",
    sample: int | None,
    sizes: str,
    set_regions: int | None,
    replicates: int | None,
) -> "Scale":
    """Give a scale with what the user wants otherwise."""
    if sample is not None:
        scale = replace(scale, transfer_bound=sample, at_most=False, num_bound=sample)
    if sizes:
        scale = replace(scale, sizes=tuple(_size(word) for word in names_in(sizes)))
    if set_regions is not None:
        scale = replace(scale, set_regions=set_regions)
    if replicates is not None:
        scale = replace(scale, replicates=replicates, repeats=replicates)
    return scale


def _size(word: str) -> int | None:
    if word == "all":
        return None
    if not word.isdigit():
        raise RunError(f"--sizes: {word!r} is neither a number nor `all`; such as all,1000,500")
    return int(word)


def split_by(
    loaded: "LoadedDataset",
    split: Split,
    val_chroms: tuple[str, ...],
    test_chroms: tuple[str, ...],
) -> "Sampling":
    """Give how regions are split; chromosomes that are not named are chosen.

    Raises
    ------
    RunError
        If a chromosome has no regions, or is named beside a random split.
    """
    from data.sampling import Sampling, default_chromosomes

    counts = loaded.regions.chromosomes()
    for chrom in (*val_chroms, *test_chroms):
        if chrom not in counts:
            raise RunError(f"no regions on chromosome {chrom!r}; there are: {', '.join(counts)}")
    if split is Split.RANDOM:
        if val_chroms or test_chroms:
            raise RunError("--val-chroms and --test-chroms go with --split chromosome")
        return Sampling()
    val, test = default_chromosomes(counts)
    return Sampling(
        split="chromosome", val_chroms=val_chroms or (val,), test_chroms=test_chroms or (test,)
    )
