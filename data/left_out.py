"""Rows that a command leaves out: counted by file and reason, and listed when asked for.

The same everywhere: what does not fit, such as a row on a chromosome that the genome lacks, is left
out and counted, and the run continues. It stops where nothing is left, or where so much does not
fit that the file must be of another assembly (:func:`is_other_assembly`). The same holds for rows
that cannot be read, such as one that lacks columns (:func:`is_other_format`).
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.output import output_file

MAX_ODD_SHARE: Final = 0.01
"""Share of rows that do not fit, above which a file is of another assembly."""
MIN_ODD: Final = 10
"""Fewest such rows for this conclusion: 1 of 30 would not be enough."""

EXCLUDED: Final = "overlapping a region of --exclude"
CLIPPED: Final = "clipped at the end of their chromosome"


def is_other_assembly(num_odd: int, num: int) -> bool:
    """Whether so many of some rows do not fit the genome that the file is of another assembly."""
    return num_odd >= MIN_ODD and num_odd > MAX_ODD_SHARE * num


def is_other_format(num_odd: int, num: int) -> bool:
    """Whether so many rows cannot be read that the file is of another format, or damaged."""
    return 10 * num_odd > num or is_other_assembly(num_odd, num)


class LeftOut:
    """Rows left out of a command's input, and rows that were clipped to fit."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[Path, str]] = Counter()
        """Rows left out, by file and reason."""
        self.clipped: Counter[Path] = Counter()
        """Intervals cut off at an end of their chromosome, by file; they are used."""
        self.unmatched: Counter[tuple[Path, str]] = Counter()
        """Rows left out by file and biosample, as the file spells it, of those without DHSs."""
        self.without_overlap: set[Path] = set()
        """Files of places to leave out that no interval of the input has overlapped so far."""
        self.renamed: dict[Path, dict[str, str]] = {}
        """The genome's name of each chromosome that a file names otherwise, by file."""
        self.notes: list[str] = []
        """Further lines on how a file was read."""
        self._rows: list[tuple[Path, NDArray[np.int32], str]] = []

    def add(self, path: Path, lines: NDArray[np.int32] | int, reason: str) -> None:
        """Leave out rows of a file, by their line numbers, counted from 1."""
        rows = np.atleast_1d(np.asarray(lines, dtype=np.int32))
        if len(rows):
            self._rows.append((path, rows, reason))
            self.counts[path, reason] += len(rows)

    def forget(self, path: Path) -> None:
        """Forget what was noted of a file, which is read once more."""
        self.counts = Counter({key: num for key, num in self.counts.items() if key[0] != path})
        self._rows = [row for row in self._rows if row[0] != path]
        self.clipped.pop(path, None)

    def of(self, path: Path) -> dict[str, int]:
        """Rows left out of a file, or of those in a folder or an archive, by reason."""
        found: Counter[str] = Counter()
        for (file, reason), num in self.counts.items():
            if file == path or path in file.parents:
                found[reason] += num
        return dict(found)

    def told(self, path: Path) -> dict[str, int]:
        """Rows of a file left out, and clipped, by reason."""
        clipped = {CLIPPED: self.clipped[path]} if self.clipped[path] else {}
        return self.of(path) | clipped

    def why(self, path: Path) -> str:
        """Say in a few words why rows of a file were left out."""
        return ", ".join(f"{reason}: {num:,}" for reason, num in self.of(path).items()) or "no rows"

    def lines(self) -> list[str]:
        """Say what was left out or clipped: a line for each file and reason."""
        told = [f"{path}: left out {num:,}: {why}" for (path, why), num in self.counts.items()]
        told += [f"{path}: {num:,} {CLIPPED}" for path, num in self.clipped.items()]
        return told + self.remarks()

    def remarks(self) -> list[str]:
        """Say what the user should know beside the rows: a line each."""
        told = list(self.notes)
        for path, names in self.renamed.items():
            name, own = next(iter(names.items()))
            more = f" (names: {len(names):,})" if len(names) > 1 else ""
            told.append(
                f"{path}: chromosome {name!r} is taken for {own!r} of the genome{more}; both must "
                "be of the same assembly"
            )
        return told + [
            f"{path}: nothing that was read overlaps it, so it leaves nothing out; check that it "
            "is of the same assembly"
            for path in sorted(self.without_overlap)
        ]

    def write(self, path: Path) -> None:
        """Write the rows as a table: file, row, reason; a file's rows in their order in it.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        # two threads may read a file, and note its rows in no fixed order
        by_file: dict[Path, list[tuple[int, str]]] = {}
        for file, lines, reason in self._rows:
            by_file.setdefault(file, []).extend((line, reason) for line in lines.tolist())
        rows = (
            f"{file}\t{line}\t{reason}\n"
            for file, noted in by_file.items()
            for line, reason in sorted(noted)
        )
        _write_table(path, "file\trow\treason\n", rows)

    def write_unmatched(self, path: Path) -> None:
        """Write the biosamples without DHSs as a table, those of most rows first.

        Its column `biosample` is empty: filled in, it is read as a table of biosamples.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        rows = (
            f"{name}\t\t{num}\t{file.name}\n" for (file, name), num in self.unmatched.most_common()
        )
        _write_table(path, "name\tbiosample\trows\tfile\n", rows)


def _write_table(path: Path, header: str, rows: Iterable[str]) -> None:
    try:
        with output_file(path) as partial, partial.open("w", encoding="utf-8") as table:
            table.write(header)
            table.writelines(rows)
    except OSError as error:
        raise DataError(f"{path}: cannot write ({error.strerror}); check the path") from None
