"""The commands to try next, once a TF has a model."""

import shlex
from dataclasses import dataclass
from typing import Final

from data.dataset.store import Dataset
from data.own_tf.edit import source_genome
from orchestrator.workspace import Workspace

USUAL: Final = "workspace"
"""The workspace that commands take where none is named."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, and what it is for."""

    purpose: str
    line: str


def next_commands(
    workspace: Workspace, dataset: Dataset, tf: str, *, by_openness: bool = False
) -> tuple[Command, ...]:
    """Give the next commands; the user's files are named in capitals.

    Parameters
    ----------
    by_openness
        Whether regions are predicted better where their openness counts too; by default not.
    """
    genome = source_genome(dataset)
    of_genome = ("--genome", "GENOME.fa" if genome is None else str(genome))
    opened = ("--openness",) if by_openness else ()
    lines = {
        "score regions": (
            *("predict", tf, "--bed", "REGIONS.bed", *of_genome, *opened, "--out", f"{tf}.tsv"),
        ),
        "a track of the whole genome": (
            *("predict", tf, *of_genome, *opened, "--stride", "50", "--out", f"{tf}.bw"),
        ),
        "effects of variants": (
            *("variants", tf, "--vcf", "VARIANTS.vcf", *of_genome, "--out", f"{tf}-effects.tsv"),
        ),
        "what each base contributes": ("explain", tf, "--regions", "top:50"),
        "all filters as motifs": ("motifs", tf),
        "give the model to others": ("export", tf, f"{tf}-model", "--licence", "CC-BY-4.0"),
    }
    return tuple(
        Command(purpose=purpose, line=command_line(workspace, *words))
        for purpose, words in lines.items()
    )


def command_line(workspace: Workspace, *words: str) -> str:
    """Give the line to type for a command in a workspace."""
    named = () if str(workspace.root) == USUAL else ("-w", str(workspace.root))
    return shlex.join(("bindgrid", *words, *named))
