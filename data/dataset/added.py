"""What a TF that was added to a dataset was made from, and the files that a dataset was made from.

The record of an added TF lies in the footer of its evidence file, and in the model folders of its
models.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import PurePath
from typing import Final, Literal

from data.records import IF_SET


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file that was read."""

    file: str
    """Its path at that time."""
    size: int
    """In bytes."""
    sha256: str


Background = Literal["accessible", "genome"]
"""Where the unbound regions of a lab's own dataset come from: accessible peaks, or the genome."""

LABEL_WORDS: Final = {
    "none": "peaks alone, so that a region is bound where the TF has a peak, with or without a "
    "site of its own",
    "given": "peaks with a site, so that a region is bound where a peak has a given site too",
    "predicted": "peaks with a site, so that a region is bound where a peak has a hit of the "
    "TF's motif too",
    "given and predicted": "peaks with a site, so that a region is bound where a peak has a site "
    "too, given or predicted by the TF's motif",
}
"""What makes a region bound, by where the sites of an added TF come from."""


@dataclass(frozen=True, kw_only=True)
class OwnRegions:
    """How a dataset was made whose regions are those of a lab's own peaks, and no DHSs."""

    unbound: Background
    genome: str
    """Path of the indexed FASTA."""
    assembly: str = field(default="", metadata=IF_SET)
    """Its assembly, such as hg38; empty where it is not known."""
    accessible: Mapping[str, str] = field(default_factory=dict, metadata=IF_SET)
    """Path of the accessible peaks of each biosample."""


@dataclass(frozen=True, kw_only=True)
class PeakChoice:
    """Which of the peaks in a TF's files count; all by default."""

    top: int | None = field(default=None, metadata=IF_SET)
    """How many peaks of each file count, those of the best score; None for all."""
    min_score: float | None = field(default=None, metadata=IF_SET)
    """Lowest score of a peak that counts; None for any."""
    score: str = field(default="", metadata=IF_SET)
    """Column of the score, by the format's name for it or by its number; empty for the format's
    own."""
    replicates: str = field(default="", metadata=IF_SET)
    """How the files of a biosample are combined: `union`, or `2-of-3` for the peaks that two
    of three files agree on; empty for each file by itself."""

    def __post_init__(self) -> None:
        if self.top is not None and self.top < 1:
            raise ValueError(f"top is {self.top}; give 1 or more")
        if self.min_score is not None and not isfinite(self.min_score):
            raise ValueError(f"min_score is {self.min_score}; give a number")
        if self.replicates in ("", "union"):
            return
        counts = re.fullmatch(r"([1-9]\d?)-of-([1-9]\d?)", self.replicates)
        if counts is None or not int(counts[1]) <= int(counts[2]) >= 2:
            raise ValueError(
                f"replicates is {self.replicates!r}; give union, or such as 2-of-3 for peaks that "
                "two of three files agree on"
            )

    @property
    def num_agreeing(self) -> int:
        """Files of a biosample that must have a peak."""
        return int(self.replicates.partition("-of-")[0]) if "-of-" in self.replicates else 1

    @property
    def num_files(self) -> int | None:
        """Files that each biosample must come with; None for two or more."""
        return int(self.replicates.partition("-of-")[2]) if "-of-" in self.replicates else None

    def words(self) -> list[str]:
        """Say which peaks count, a phrase for each setting; none where all do."""
        said = []
        if self.min_score is not None:
            said.append(f"{self.score or 'score'} of at least {self.min_score:g}")
        if self.top is not None:
            by = f" by {self.score}" if self.score else ""
            said.append(f"the best {self.top:,} of each file{by}")
        if self.replicates == "union":
            said.append("those of all replicates")
        elif self.replicates:
            said.append(f"those that {self.num_agreeing} of {self.num_files} replicates agree on")
        return said


@dataclass(frozen=True, kw_only=True)
class AddedFile:
    """Peaks of an added TF, and how many of them count."""

    biosample: str
    format: str
    """The format that the peaks were read as."""
    num_peaks: int
    num_in_accessible: int
    """Peaks whose summit lies in a region accessible in the biosample."""
    num_sites: int
    """Sites given or predicted; 0 where regions are bound by peaks alone."""
    peaks: SourceFile
    sites: SourceFile | None = field(default=None, metadata=IF_SET)
    """Sites that were given; None where there were none."""
    accessible: SourceFile | None = field(default=None, metadata=IF_SET)
    """Accessible regions that were given; None where the dataset's were taken."""


@dataclass(frozen=True, kw_only=True)
class AddedMotif:
    """The motif of an added TF, and how sites were predicted by it where they were."""

    tf: str
    matrix_id: str
    database: str = field(default="", metadata=IF_SET)
    """Part of JASPAR that it is of, such as `JASPAR2020 CORE vertebrates`; empty for a motif of a
    file, and in what an older bindgrid wrote."""
    hash: str = ""
    """Hash of the probabilities."""
    probabilities: tuple[tuple[float, ...], ...] = ()
    """By position and base; empty in what an older bindgrid wrote."""
    p_value: float
    """Threshold of a hit."""
    flank_bp: int
    """How far from a summit hits were looked for."""

    def __post_init__(self) -> None:
        if len({len(row) for row in self.probabilities}) > 1:
            raise ValueError("the rows of probabilities differ in length")


@dataclass(frozen=True, kw_only=True)
class AddedTF:
    """What an added TF was made from."""

    at: str
    """When it was added, in ISO 8601."""
    files: tuple[AddedFile, ...]
    sites: str
    """Where its sites are from: `given`, `predicted`, `given and predicted` or `none`."""
    motif: AddedMotif | None = field(default=None, metadata=IF_SET)
    """Motif that its sites were predicted by, or that is a term of its model alone, beside given
    sites or none; None where there is none."""
    choice: PeakChoice = field(default=PeakChoice(), metadata=IF_SET)
    """Which of the peaks in the files counted."""
    exclude: tuple[SourceFile, ...] = field(default=(), metadata=IF_SET)
    """Files of places that were left out."""

    @property
    def peaks_that_count(self) -> str:
        """Which of its peaks count, in words; empty where all do."""
        said = self.choice.words()
        if self.exclude:
            names = ", ".join(PurePath(one.file).name for one in self.exclude)
            said.append(f"without those that overlap {names}")
        return ", ".join(said)

    @property
    def biosamples(self) -> tuple[str, ...]:
        """Biosamples of its peaks, each once."""
        return tuple(dict.fromkeys(file.biosample for file in self.files))

    @property
    def matrix_id(self) -> str:
        """Matrix of its motif; empty if it has none."""
        return "" if self.motif is None else self.motif.matrix_id
