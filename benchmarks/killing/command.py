"""The command line with networks of a few filters: `python -m benchmarks.killing.command run ...`.

A plan that is killed hundreds of times need not train the paper's networks: what may be lost are
files and processes, whatever is in them. Nor need it be estimated to the minute: a process that
measures this machine does so for a moment, with such a network.
"""

from dataclasses import replace
from typing import Final

from model import network_config
from model.network_config import NetworkConfig, published

FILTERS: Final = (8, 8, 8)
UNITS: Final = (16, 16)


def small(name: str, *, num_tfs: int) -> NetworkConfig:
    """Give a network of this name; the paper's has fewer filters and units."""
    config = published(name, num_tfs=num_tfs)
    if name != "paper":
        return config
    return replace(config, conv_filters=FILTERS, dense_units=UNITS)


if __name__ in ("__main__", "__mp_main__"):  # the command, and processes that it starts
    # before anything else takes it from there: whatever does also imports torch
    network_config.published = small

if __name__ == "__main__":
    from experiments.cli.main import main
    from orchestrator.backends import cost

    cost.SECONDS = 0.1
    main()
