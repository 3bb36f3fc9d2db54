"""The runs of a verdict on a lab's own TF, and what its model starts from.

The labels of the TF are made in `data.own_tf`, and its verdict in `orchestrator.verdict`.
"""

from typing import Final

NAME: Final = "own-tf"
"""Name of the experiment."""
