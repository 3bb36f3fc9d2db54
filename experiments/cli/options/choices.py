"""The words that options may take, and lists typed with commas."""

from enum import StrEnum


class Backend(StrEnum):
    """What runs a plan."""

    RAY = "ray"
    PROCESSES = "processes"
    LOCAL = "local"


class Device(StrEnum):
    """What trains."""

    CPU = "cpu"
    GPU = "gpu"
    AUTO = "auto"


class Split(StrEnum):
    """How regions are split."""

    RANDOM = "random"
    CHROMOSOME = "chromosome"


class ScaleName(StrEnum):
    """How large a study is."""

    PAPER = "paper"
    LAPTOP = "laptop"


class Precision(StrEnum):
    """The number format of matrix products in training."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    AUTO = "auto"


class Network(StrEnum):
    """Which network is trained, of `model.network_config.NETWORKS`."""

    PAPER = "paper"
    DANQ = "danq"


class Keep(StrEnum):
    """Which epoch's weights are kept."""

    BEST = "best"
    LAST = "last"


class Pretrain(StrEnum):
    """Which regions a multi-model learns from."""

    COMPLETE = "complete"
    MASKED = "masked"


class MotifUse(StrEnum):
    """Which motifs are terms of the logits of transfer."""

    NONE = "none"
    NAME = "name"
    AUTO = "auto"
    MANY = "many"
    KMERS = "kmers"


class NumberFormat(StrEnum):
    """The 16-bit format that weights are stored in."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class ModelArm(StrEnum):
    """Which of a TF's models predicts."""

    TRANSFER = "transfer"
    SCRATCH = "scratch"
    MULTI = "multi"
    BASE = "base"


def names_in(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
