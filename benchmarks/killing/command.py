"""The command line with networks of a few filters: `python -m benchmarks.killing.command run ...`.

A plan that is killed hundreds of times need not train the paper's networks: what may be lost are
files and processes, whatever is in them.
"""

from dataclasses import replace
from typing import Final

from experiments.cli.main import main
from experiments.study import specs
from model.network_config import NetworkConfig, published

FILTERS: Final = (8, 8, 8)
UNITS: Final = (16, 16)


def small(name: str, *, num_tfs: int) -> NetworkConfig:
    """Give a network of this name; the paper's has fewer filters and units."""
    config = published(name, num_tfs=num_tfs)
    if name != "paper":
        return config
    return replace(config, conv_filters=FILTERS, dense_units=UNITS)


if __name__ == "__main__":
    specs.published = small
    main()
